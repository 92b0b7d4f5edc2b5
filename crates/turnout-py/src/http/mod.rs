//! `turnout.http` as Python sees it: requests and responses, and the client core with its blocking and awaitable twins.
//!
//! Converts, and carries work to the runtime and its outcome back; what a call does on its way is `turnout-client`'s. A task holds no
//! Python object: what it needs of Python it finds by number ([`ticket`]), with the GIL, on the thread that waits for it.

mod body;
mod carry;
mod client;
mod content;
mod counters;
mod errors;
mod feed;
mod forms;
mod gathering;
mod headers;
mod home;
mod json;
mod lane;
mod leaving;
mod loops;
mod offloop;
mod options;
mod outcome;
mod params;
mod policies;
mod reaching;
mod request;
mod response;
mod scope;
mod target;
mod ticket;
mod transport;
mod unawaited;

pub(crate) use carry::HttpCall;
pub(crate) use client::HttpClient;
pub(crate) use gathering::HttpCompleted;
pub(crate) use headers::HttpHeaders;
pub(crate) use home::serve;
pub(crate) use json::{HttpJson, HttpJsonSteps, merge_json};
pub(crate) use outcome::HttpOutcome;
pub(crate) use reaching::{HttpAuth, HttpCookieJar};
pub(crate) use request::HttpRequest;
pub(crate) use response::HttpResponse;
pub(crate) use scope::{HttpIncoming, HttpScope};
pub(crate) use transport::HttpTransport;
