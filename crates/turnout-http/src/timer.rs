//! The one timer of a connection. Never moved to a later time: it fires early and is set anew, once in many requests.

use std::pin::Pin;
use std::task::Context;
use std::time::Instant;

use tokio::time::Sleep;

#[derive(Default)]
pub(crate) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    armed: Option<Instant>,
}

impl Timer {
    /// True once after it went off.
    pub(crate) fn fired(&mut self) -> bool {
        let fired = self.armed.is_some() && self.sleep.as_ref().is_some_and(|sleep| sleep.is_elapsed());
        if fired {
            self.armed = None;
        }
        fired
    }

    /// Wakes the task at `deadline` or before. Every call must come from the same task.
    pub(crate) fn wake_by(&mut self, deadline: Instant, cx: &mut Context<'_>) {
        if self.armed.is_some_and(|armed| armed <= deadline) {
            return;
        }
        let sleep = match &mut self.sleep {
            Some(sleep) => {
                sleep.as_mut().reset(deadline.into());
                sleep
            }
            empty => empty.insert(Box::pin(tokio::time::sleep_until(deadline.into()))),
        };
        self.armed = Some(deadline);
        if sleep.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }
}
