//! Slow requests of all workers, whole, with the names of what they waited for.
//!
//! What a worker forgets is forgotten here. Those of a worker that has ended are kept until later ones of the dead need their room.

use std::collections::VecDeque;
use std::sync::Arc;

use turnout_states::{Board, Kind, MOST_SLOW, SlowRequest, Span, Times, Wait};

use crate::store::called::Called;
use crate::store::number;
use crate::store::read::ByWorker;

/// So many are kept of workers that have ended: as many as a living one has.
const MOST_OF_THE_DEAD: usize = MOST_SLOW;

/// One request that was among the slowest of its view.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Slow {
    /// When it began in nanoseconds, or a little more: no other one that is kept has it.
    pub(crate) id: u64,
    /// See [`number`].
    pub(crate) worker: usize,
    pub(crate) process: u64,
    /// Its place among the names.
    pub(crate) view: u16,
    /// In nanoseconds since 1970.
    pub(crate) began: u64,
    /// 0: it was not answered.
    pub(crate) status: u16,
    pub(crate) times: Times,
    pub(crate) calls: Vec<Call>,
    /// As they began.
    pub(crate) spans: Vec<Span>,
    /// Spans that are not among them.
    pub(crate) dropped: u32,
}

/// What it waited for, in nanoseconds since it began.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) kind: Kind,
    pub(crate) address: Arc<str>,
    /// From where in the project's code; `None`: not known.
    pub(crate) site: Option<Arc<str>>,
    pub(crate) began: u64,
    pub(crate) ended: u64,
}

/// See the module. A request whole takes up to 6 KiB.
#[derive(Debug, Default)]
pub(super) struct SlowOnes {
    living: ByWorker<Option<Arc<Slow>>>,
    dead: VecDeque<Arc<Slow>>,
}

impl SlowOnes {
    /// Takes in what a worker has told since this was last asked. `process` says which one it is, `view` finds the server's number of a view from the
    /// worker's; one that is not known yet is waited for.
    pub(super) fn collect(
        &mut self,
        (board, index): (&Board, usize),
        process: (u64, u64),
        called: &mut Called,
        view: impl Fn(usize) -> Option<u16>,
    ) {
        for place in 0..MOST_SLOW {
            let Ok(version @ 1..) = board.slow_version(index, place) else { break };
            if self.living.of(index, process).has(place, version) {
                continue;
            }
            let Ok(Some(told)) = board.slow_at(index, place) else { continue };
            let Some(view) = view(told.view) else { continue };
            // The one before it is forgotten first: its id is free again.
            self.living.of(index, process).put(place, version, None);
            let id = self.free_id(told.began);
            let calls = told.waits.iter().map(|wait| Call::of(wait, board, index, called)).collect();
            let slow = Slow::new(id, (number(index), process.0), view, told, calls);
            self.living.of(index, process).put(place, version, Some(Arc::new(slow)));
        }
    }

    /// Its process has ended.
    pub(super) fn gone(&mut self, index: usize) {
        let mut ended: Vec<_> = self.living.take(index).flatten().collect();
        ended.sort_unstable_by_key(|slow| slow.began);
        self.dead.extend(ended);
        let too_many = self.dead.len().saturating_sub(MOST_OF_THE_DEAD);
        self.dead.drain(..too_many);
    }

    /// All, and whether their workers have ended.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Arc<Slow>, bool)> {
        self.living.all().flatten().map(|slow| (slow, false)).chain(self.dead.iter().map(|slow| (slow, true)))
    }

    fn free_id(&self, began: u64) -> u64 {
        // Connections that were read at once may have begun at once.
        let mut id = began;
        while self.all().any(|(slow, _)| slow.id == id) {
            id = id.wrapping_add(1);
        }
        id
    }
}

impl Slow {
    fn new(id: u64, (worker, process): (usize, u64), view: u16, told: SlowRequest, calls: Vec<Call>) -> Self {
        let SlowRequest { view: _, began, status, times, waits: _, mut spans, dropped } = told;
        spans.sort_by_key(|span| span.began);
        Self { id, worker, process, view, began, status, times, calls, spans, dropped }
    }
}

impl Call {
    fn of(wait: &Wait, board: &Board, index: usize, called: &mut Called) -> Self {
        let &Wait { kind, address, site, began, ended } = wait;
        let (address, site) = (called.address(board, index, address), called.site(board, index, site));
        Self { kind, address, site, began, ended }
    }
}
