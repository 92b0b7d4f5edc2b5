//! One connection, from accepting to closing.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use turnout_net::{Accepted, Stream};

use crate::app::{App, Connection};
use crate::drain::Phase;
use crate::exchange::{Serving, exchange};

/// Serves a connection to its end. Dropped, it closes the socket and drops what is being answered.
pub(crate) async fn connection<A: App>(serving: Arc<Serving<A>>, stream: Stream, accepted: Accepted) {
    let Accepted { peer, local, unix_path } = accepted;
    let facts = Arc::new(Connection { peer, local, unix_path, scheme: "http" });
    let service = service_fn(|request| exchange(Arc::clone(&serving), Arc::clone(&facts), request));
    let mut http = http1::Builder::new()
        .header_read_timeout(None)
        .half_close(serving.config.half_close)
        .serve_connection(TokioIo::new(stream), service);
    let mut changed = pin!(serving.drain.changed());
    let mut seen = Phase::Serving;
    std::future::poll_fn(|cx| {
        if seen == Phase::Serving {
            // Registered once; the task's waker stays the same.
            let _ = changed.as_mut().poll(cx);
        }
        let phase = serving.drain.phase();
        if phase != seen {
            seen = phase;
            match phase {
                Phase::Aborted => return Poll::Ready(()),
                _ => Pin::new(&mut http).graceful_shutdown(),
            }
        }
        Pin::new(&mut http).poll(cx).map(drop)
    })
    .await;
}
