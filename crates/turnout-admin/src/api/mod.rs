//! The JSON interface, version 1: what the page and `turnout top` read. docs/guide/admin.md describes it for others.

mod findings;
mod neighbours;
mod now;
mod numbers;
mod past;
mod slow;
mod spots;
mod view;

use http::StatusCode;
use url::form_urlencoded;

use crate::answers::Wrong;
use crate::store::LONGEST_WINDOW;

pub(crate) use findings::findings;
pub(crate) use now::now;
pub(crate) use past::{Asked, Comparison, Past};
pub(crate) use slow::{id, list, one};
pub(crate) use view::view;

/// The shortest window: less is noise.
const SHORTEST: u32 = 5;
/// Of the live table, where nobody says.
pub(crate) const LIVE: u32 = 60;
/// Of one view's page, where nobody says.
pub(crate) const WHOLE: u32 = LONGEST_WINDOW;

const SECONDS: Wrong = Wrong::new(
    StatusCode::BAD_REQUEST,
    "seconds is not a whole number from 5 to 900",
    "leave it out, or give such a number",
);

/// The window that a query asks for.
pub(crate) fn seconds(query: Option<&str>, default: u32) -> Result<u32, Wrong> {
    let Some(text) = field(query, "seconds") else { return Ok(default) };
    let seconds = text.parse().map_err(|_| SECONDS)?;
    if (SHORTEST..=LONGEST_WINDOW).contains(&seconds) { Ok(seconds) } else { Err(SECONDS) }
}

/// The first value of that name.
pub(crate) fn field(query: Option<&str>, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.find_map(|(known, value)| (known == name).then(|| value.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_a_whole_number_within_bounds() {
        assert_eq!(seconds(None, LIVE), Ok(60));
        assert_eq!(seconds(Some("name=x"), WHOLE), Ok(900));
        assert_eq!(seconds(Some("seconds=5&seconds=7"), LIVE), Ok(5));
        for bad in ["4", "901", "-60", "6e1", "60.0", "", "99999999999"] {
            assert_eq!(seconds(Some(&format!("seconds={bad}")), LIVE), Err(SECONDS), "{bad}");
        }
    }

    #[test]
    fn a_name_may_be_anything() {
        assert_eq!(field(Some("name=%3Cscript%3E+%22%00&x"), "name").as_deref(), Some("<script> \"\0"));
        assert_eq!(field(Some("nam=1"), "name"), None);
    }
}
