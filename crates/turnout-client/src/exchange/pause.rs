//! A limit on how long nothing may happen.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Duration, Instant, Sleep, sleep_until};

/// Costs nothing where there is no limit, and no timer is touched while things go well.
#[derive(Debug)]
pub(super) struct Pause {
    limit: Option<Duration>,
    last: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Pause {
    pub(super) fn new(limit: Option<Duration>) -> Self {
        Self { limit, last: None, timer: None }
    }

    /// Something happened, or nothing is expected: the pause begins with the next poll.
    pub(super) fn interrupt(&mut self) {
        self.last = None;
    }

    /// `Ready` with the limit when the pause has lasted that long. Else the task will be woken then.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Duration> {
        let Some(limit) = self.limit else { return Poll::Pending };
        let late = *self.last.get_or_insert_with(Instant::now) + limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(late)));
        if timer.deadline() != late {
            timer.as_mut().reset(late);
        }
        timer.as_mut().poll(context).map(|()| limit)
    }
}
