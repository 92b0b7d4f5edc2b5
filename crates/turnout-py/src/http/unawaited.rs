//! What nobody waited for any more and was finished all the same: one log line each, written by whoever next has the GIL.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use parking_lot::Mutex;
use pyo3::intern;
use pyo3::prelude::*;
use turnout_client::{Answer, Call, Error, Observer};

use crate::reactor::{self, Deliver};

/// More lines than this are not kept: the oldest goes.
const MOST: usize = 1000;

/// Of one runtime: a lock that its tasks take must not be one that a forked child finds taken.
#[derive(Default)]
pub(super) struct Unawaited {
    lines: Mutex<VecDeque<Line>>,
    any: AtomicBool,
    reactor: Option<reactor::Handle>,
}

impl std::fmt::Debug for Unawaited {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Unawaited")
    }
}

struct Line {
    text: String,
    failed: bool,
}

impl Unawaited {
    /// `reactor`: which carries lines to Python at once.
    pub(super) fn new(reactor: Option<reactor::Handle>) -> Arc<Self> {
        Arc::new(Self { reactor, ..Self::default() })
    }

    /// Writes what is there.
    pub(super) fn write(&self, py: Python<'_>) -> PyResult<()> {
        if !self.any.swap(false, SeqCst) {
            return Ok(());
        }
        let lines = std::mem::take(&mut *self.lines.lock());
        for line in lines {
            line.write(py)?;
        }
        Ok(())
    }
}

impl Observer for Unawaited {
    fn unawaited(&self, call: &Call, outcome: &Result<Answer, Error>) {
        let what = format!("{} {}", call.method, &call.url[..url::Position::AfterPath]);
        let (came, failed) = match outcome {
            Ok(answer) => (format!("answered with {}", answer.head.status), !answer.head.status.is_success()),
            Err(error) => (format!("failed: {error}"), true),
        };
        let line =
            Line { text: format!("{what}: nobody waited any more, it was finished all the same and {came}"), failed };
        if let Some(reactor) = &self.reactor {
            reactor.deliver(Box::new(line));
            return;
        }
        let mut lines = self.lines.lock();
        if lines.len() == MOST {
            lines.pop_front();
        }
        lines.push_back(line);
        self.any.store(true, SeqCst);
    }
}

impl Line {
    fn write(self, py: Python<'_>) -> PyResult<()> {
        let logger = py.import(intern!(py, "logging"))?.call_method1(intern!(py, "getLogger"), ("turnout.http",))?;
        let level = if self.failed { intern!(py, "warning") } else { intern!(py, "info") };
        logger.call_method1(level, ("%s", self.text)).map(drop)
    }
}

impl Deliver for Line {
    fn deliver(self: Box<Self>, py: Python<'_>) -> PyResult<()> {
        self.write(py)
    }
}
