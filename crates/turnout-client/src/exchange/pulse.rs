//! Whether the peer of an HTTP/2 connection is still there.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use h2::{Ping, PingPong};
use tokio::time::{Duration, Sleep, sleep};

/// A peer answers a ping within this time, or is not there: several round trips, to anywhere on earth.
const PULSE: Duration = Duration::from_secs(3);

/// A peer that vanished without a word would keep its connection, and get every new call.
pub(super) struct Pulse {
    ping: Option<PingPong>,
    /// Until when the ping that is under way has to be answered.
    late: Option<Pin<Box<Sleep>>>,
}

impl Pulse {
    pub(super) fn new(ping: Option<PingPong>) -> Self {
        Self { ping, late: None }
    }

    /// Somebody doubts it.
    pub(super) fn feel(&mut self) {
        if let Some(ping) = &mut self.ping
            && self.late.is_none()
            && ping.send_ping(Ping::opaque()).is_ok()
        {
            self.late = Some(Box::pin(sleep(PULSE)));
        }
    }

    /// Ready: it is not.
    pub(super) fn poll_lost(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let (Some(ping), Some(late)) = (&mut self.ping, &mut self.late) else { return Poll::Pending };
        if ping.poll_pong(context).is_ready() {
            self.late = None;
            return Poll::Pending;
        }
        late.as_mut().poll(context)
    }
}
