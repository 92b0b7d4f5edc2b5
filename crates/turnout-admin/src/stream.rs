//! `/api/v1/stream`: the live table once a second, as server-sent events.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use turnout_http::{Body, BodySender, Response};

use crate::admin::Admin;
use crate::answers::{Wrong, answer, full};

/// More pages than a team opens; together they cost as much as one, but each is a connection.
pub(crate) const MOST_STREAMS: usize = 100;
/// A reader that takes nothing for so long is dropped; also the time limit of the connection for any answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// Where there is nothing to say, a line that says so: proxies drop connections that are silent.
const SILENCE: Duration = Duration::from_secs(15);

const KIND: &str = "text/event-stream";
const TOO_MANY: Wrong = Wrong::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "100 streams are open",
    "close pages that nobody looks at, or ask /api/v1/now",
);

/// Opens one. It ends with its reader, or with the server.
pub(crate) fn stream(admin: &Arc<Admin>, method: &Method, seconds: u32) -> Result<Response, Wrong> {
    let place = Arc::clone(&admin.streams).try_acquire_owned().map_err(|_| TOO_MANY)?;
    if method == Method::HEAD {
        return Ok(full(StatusCode::OK, KIND, Bytes::new()));
    }
    let (sender, body) = Body::channel();
    tokio::spawn(feed(Arc::clone(admin), sender, seconds, place));
    let mut response = answer(StatusCode::OK, KIND, body);
    // nginx would gather events until it has a buffer full of them.
    response.headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

/// Sends the newest whenever there is room: a reader that is slow misses some, and costs no more memory than what waits for its socket.
async fn feed(admin: Arc<Admin>, sender: BodySender, seconds: u32, place: OwnedSemaphorePermit) {
    let mut ticks = admin.ticks.clone();
    ticks.mark_unchanged();
    let mut gone = pin!(sender.reader_gone());
    let mut next = event(&admin.now(seconds));
    loop {
        tokio::select! {
            () = &mut gone => break,
            sent = timeout(PATIENCE, sender.send(next)) => match sent {
                Ok(Ok(())) => {}
                Ok(Err(_)) => break,
                Err(_) => return sender.abort(),
            },
        }
        next = tokio::select! {
            () = &mut gone => break,
            told = timeout(SILENCE, ticks.changed()) => match told {
                Ok(Ok(())) => event(&admin.now(seconds)),
                // Nobody counts seconds any more: the server ends.
                Ok(Err(_)) => break,
                Err(_) => Bytes::from_static(b": nothing new\n\n"),
            },
        };
    }
    drop(place);
}

/// JSON has no line breaks outside its texts, and there they are escaped: it is one line.
fn event(json: &[u8]) -> Bytes {
    let mut event = Vec::with_capacity(json.len() + 20);
    event.extend_from_slice(b"event: now\ndata: ");
    event.extend_from_slice(json);
    event.extend_from_slice(b"\n\n");
    event.into()
}
