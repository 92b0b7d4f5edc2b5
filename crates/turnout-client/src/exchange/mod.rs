//! One request and its answer over one connection: what is written, what is believed of what comes back, how long each part may take.
//!
//! Knows no pool but the lease it holds, no policy and no redirects. `Pool::attempt` calls it.

mod connection;
mod faults;
mod gauge;
mod http1;
mod http2;
mod incoming;
mod outgoing;
mod pause;
mod pulse;
mod request;

use std::sync::Arc;

use tokio::time::{Duration, Instant};

use crate::answer::Answer;
use crate::call::Call;
use crate::error::{Error, Kind};
use crate::pool::Held;
use crate::timings::Timings;

pub(crate) use self::connection::Http1;
pub(crate) use self::http2::{Driver, Http2};
pub(crate) use self::outgoing::Outgoing;
pub(crate) use self::request::check;

/// An exchange without an answer.
pub(crate) struct Failed {
    pub(crate) error: Error,
    /// The upstream cannot have acted on it, or it may act twice: what to send again, on a new connection.
    pub(crate) again: Option<Outgoing>,
}

/// Sends `call` with `body`, and reads what comes. `late` is when a streamed answer must have ended.
pub(crate) async fn run(
    held: Held,
    call: &Arc<Call>,
    body: Outgoing,
    late: Option<Instant>,
    timings: &mut Timings,
) -> Result<Answer, Failed> {
    match held {
        Held::Own(lease) => http1::run(lease, call, body, late, timings).await,
        // Boxed, so that the others have no room for it.
        Held::Shared(stream) => Box::pin(http2::run(stream, call, body, late, timings)).await,
    }
}

/// `Timeouts::attempt` is over.
pub(crate) fn attempt_took_too_long(call: &Call, limit: Duration) -> Error {
    let host = call.url.host_str().unwrap_or_default();
    Error::new(Kind::AttemptTimeout, format!("{host} did not answer in full within the {limit:?} of one attempt"))
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, again: None }
    }
}
