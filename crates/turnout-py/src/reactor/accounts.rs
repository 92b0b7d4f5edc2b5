//! Whose the steps of the loop are, and what else is known of them: for the accounts of requests (`crate::states`).

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use turnout_states::Interruptions;

use crate::raw::ticks;
use crate::reactor::steps::Steps;
use crate::states::{Doing, Keeping, Watch};

/// What one turn of a loop knows of its steps.
#[derive(Default)]
pub(super) struct Accounts<'a> {
    /// The loop thread's clocks, since the first thing of this turn that is accounted for.
    watch: RefCell<Option<Watch>>,
    begun: Cell<bool>,
    ready: Option<&'a Readiness>,
    steps: Option<&'a Steps>,
}

/// Between the steps of one loop. Written by the loop thread, with the GIL.
#[derive(Default)]
pub(super) struct Readiness {
    /// What is made ready now is ready since then: it was caused by what came from outside, and waited while that waited. 0: since now.
    cause: AtomicU64,
    /// The request that the step which has just run was for.
    owner: Mutex<Option<Arc<Keeping>>>,
}

impl Readiness {
    /// Since when what becomes ready now is ready.
    pub(super) fn since(&self) -> u64 {
        match self.cause.load(Relaxed) {
            0 => ticks(),
            cause => cause,
        }
    }

    pub(super) fn set_owner(&self, owner: Option<Arc<Keeping>>) {
        let before = std::mem::replace(&mut *self.owner.lock(), owner);
        drop(before);
    }

    pub(super) fn take_owner(&self) -> Option<Arc<Keeping>> {
        self.owner.lock().take()
    }
}

impl<'a> Accounts<'a> {
    /// Of one turn of the loop that has this.
    pub(super) fn of(ready: &'a Readiness, steps: &'a Steps) -> Self {
        Self { ready: Some(ready), steps: Some(steps), ..Self::default() }
    }

    /// Steps follow. Looks at the clocks once a turn.
    pub(super) fn begin(&self) {
        if !self.begun.replace(true) {
            *self.watch.borrow_mut() = Watch::begin();
        }
    }

    /// What is made ready from now on was caused by something that is ready since then.
    pub(super) fn cause(&self, since: u64) {
        if let Some(ready) = self.ready {
            ready.cause.store(since, Relaxed);
        }
    }

    /// No longer.
    pub(super) fn no_cause(&self) {
        self.cause(0);
    }

    /// A step begins: for whoever asks in the middle of it.
    #[inline]
    pub(super) fn doing(&self, since: u64, began: u64) {
        if let Some(watch) = *self.watch.borrow() {
            Doing::Step(since, began, watch).begin();
        }
    }

    /// It did not.
    pub(super) fn no_step(&self) {
        if let Some(watch) = *self.watch.borrow() {
            watch.no_step();
        }
    }

    /// A step has run, by its stamps of [`ticks`].
    #[inline]
    pub(super) fn step(&self, owner: Option<&Keeping>, since: u64, begun: u64, ended: u64) {
        let mut watch = self.watch.borrow_mut();
        let Some(watch) = watch.as_mut() else { return };
        let took = ended.saturating_sub(begun);
        let between: Interruptions = watch.step(took);
        watch.ended(owner, [begun, ended], between);
        match (owner, self.steps) {
            (Some(owner), _) => owner.step(since, begun, ended, between),
            (None, Some(steps)) => steps.add_overhead(took),
            (None, None) => {}
        }
    }
}
