//! A browser exchanges a token for a session: `/login?token=...`.
//!
//! By the link that is printed at a terminal, whose token works once, or by the page, which asks a person for the token and sends it from
//! a script, so that no history has it.

use http::header::{ACCEPT, SET_COOKIE};
use http::{HeaderValue, Method, StatusCode};
use turnout_http::{Request, Response};
use url::form_urlencoded;

use crate::access::Access;
use crate::answers::{HTML, TOO_OFTEN, Wrong, full, see_other, wrong};
use crate::failures::Failures;

const REFUSED: Wrong = Wrong::new(
    StatusCode::UNAUTHORIZED,
    "this token opens nothing",
    "a login link works once; else the token is what the file behind --admin-token-file holds",
);

/// The same for a person who followed a link. Nothing of the request stands in it.
const PAGE: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
<title>turnout: login</title>\n<h1>This link opens nothing</h1>\n\
<p>A login link works once. <a href=\"/\">The page</a> asks for the token itself, which is what the file behind \
<code>--admin-token-file</code> holds. Without such a file a new link is printed when turnout is started again at a terminal.</p>\n</html>\n";

/// A cookie and the page, or 401. A browser that is logged in goes to the page, whatever its link is worth: it was opened twice.
pub(crate) async fn login(request: &Request, access: &Access, failures: &Failures) -> Response {
    let given = form_urlencoded::parse(request.target.query().unwrap_or_default().as_bytes())
        .find_map(|(name, value)| (name == "token").then(|| value.into_owned()))
        .unwrap_or_default();
    let given = given.as_bytes();
    let known = access.has_session(&request.headers);
    let guesses = !known && !given.is_empty();
    let late = guesses && failures.delay().await;
    // Whoever only asks what would come must not use the link up.
    let right = access.is_token(given) || (request.method == Method::GET && access.take_one_time(given));
    if right {
        let mut response = see_other("/");
        let cookie = HeaderValue::from_str(&access.set_cookie()).expect("a name and letters of base64");
        response.headers.insert(SET_COOKIE, cookie);
        return response;
    }
    if known {
        return see_other("/");
    }
    if guesses {
        failures.count();
    }
    let refused = wrong(if late { TOO_OFTEN } else { REFUSED });
    let person = request.headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/html"));
    if person { full(refused.status, HTML, PAGE) } else { refused }
}
