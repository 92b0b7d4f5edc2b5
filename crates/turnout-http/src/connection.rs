//! One connection, from accepting to closing.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use turnout_net::{Accepted, Stream};

use crate::app::{App, Connection};
use crate::closing;
use crate::config::{AccessEntry, Outcome};
use crate::drain::{Drain, Phase};
use crate::exchange::{Serving, exchange};
use crate::framer::Refusal;
use crate::timer::Timer;
use crate::wire::{HyperIo, Watch, Wire};

/// How hyper left the connection.
enum End {
    /// Nothing more to say on it, or a refusal to be answered by us.
    Over,
    /// An answer broke off: the peer must see that.
    BrokenOff,
    /// The peer left, or the server was told to drop everything.
    Gone,
}

/// Serves a connection to its end. Dropped, it closes the socket and drops what is being answered.
pub(crate) async fn connection<A: App>(serving: Arc<Serving<A>>, stream: Stream, accepted: Accepted) {
    let Accepted { peer, local, unix_path } = accepted;
    let facts = Arc::new(Connection { peer, local, unix_path, scheme: "http" });
    let wire = Arc::new(Wire::new(stream, &serving.config));
    let end = {
        let service =
            service_fn(|request| exchange(Arc::clone(&serving), Arc::clone(&facts), Arc::clone(&wire), request));
        let mut http = http1::Builder::new()
            .header_read_timeout(None)
            .half_close(true) // see wire.rs
            .serve_connection(HyperIo(Arc::clone(&wire)), service);
        let mut timer = Timer::default();
        let mut changed = pin!(serving.drain.changed());
        let mut registered = None;
        let mut told = Phase::Serving;
        let mut breakage: Option<Pin<Box<dyn Future<Output = ()> + Send>>> = None;
        poll_fn(|cx| {
            while registered != Some(serving.drain.phase()) {
                // Once a phase; the task's waker stays the same for the life of the connection.
                registered = Some(serving.drain.phase());
                changed.set(serving.drain.changed());
                let _ = changed.as_mut().poll(cx);
            }
            match serving.drain.phase() {
                Phase::Serving => {}
                Phase::Draining if told == Phase::Draining => {}
                Phase::Draining => {
                    let mut state = wire.lock();
                    // A request of which a part has come is still answered; what it asks next is not.
                    if state.is_idle() {
                        state.end();
                    }
                    if state.is_busy() || state.is_idle() {
                        drop(state);
                        told = Phase::Draining;
                        Pin::new(&mut http).graceful_shutdown();
                    }
                }
                Phase::Aborted => return Poll::Ready(End::Gone),
            }
            if timer.fired() && wire.lock().time() == Watch::Gone {
                return Poll::Ready(End::Gone);
            }
            wire.lock().begin_poll();
            if let Poll::Ready(done) = Pin::new(&mut http).poll(cx) {
                return Poll::Ready(match done {
                    Ok(()) => End::Over,
                    // hyper wrote its own refusal; the framer should have been first.
                    Err(error) if error.is_parse() => End::Over,
                    Err(_) => End::BrokenOff,
                });
            }
            match wire.watch(cx) {
                Watch::Gone => return Poll::Ready(End::Gone),
                Watch::Blind if breakage.is_none() => {
                    breakage = wire.lock().stream.breakage().ok().map(|watch| Box::pin(watch) as _);
                }
                Watch::Fine | Watch::Blind => {}
            }
            if breakage.as_mut().is_some_and(|watch| watch.as_mut().poll(cx).is_ready()) {
                return Poll::Ready(End::Gone);
            }
            if let Some(deadline) = wire.lock().deadline() {
                timer.wake_by(deadline, cx);
            }
            Poll::Pending
        })
        .await
    };
    // From here on nobody else has the wire: hyper and the request it had are gone.
    match end {
        End::Over => {
            let refused = wire.lock().refused_head();
            if let Some((refusal, _)) = refused {
                record_refusal(&serving, &facts, refusal);
            }
            let aborted = pin!(aborted(&serving.drain));
            closing::close(&wire, refused, serving.config.limits.linger_time, aborted).await;
        }
        End::BrokenOff => {
            let _: io::Result<()> = wire.lock().stream.close_with_reset();
        }
        End::Gone => {}
    }
}

fn record_refusal<A>(serving: &Serving<A>, facts: &Connection, refusal: Refusal) {
    let Some(log) = &serving.config.access_log else { return };
    log.record(&AccessEntry {
        method: None,
        target: None,
        version: http::Version::HTTP_11,
        status: Some(refusal.status),
        sent: 0,
        peer: facts.peer,
        received: Instant::now(),
        duration: std::time::Duration::ZERO,
        spent: None,
        user_agent: None,
        referer: None,
        outcome: Outcome::Refused(refusal.why),
    });
}

async fn aborted(drain: &Drain) {
    loop {
        let changed = drain.changed();
        if drain.phase() == Phase::Aborted {
            return;
        }
        changed.await;
    }
}
