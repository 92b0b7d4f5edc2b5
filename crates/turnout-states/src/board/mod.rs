//! What the workers tell, where everybody in the server can look it up: a file that exists in memory only.
//!
//! Each worker has a stretch of it: a record about itself, then, of a fixed number and size, those of its views, slow requests, findings and
//! names. Written by that worker ten times a second, what has changed; read by whoever serves the figures, at any time. With pwrite and pread, so
//! no memory is shared and a worker that dies leaves what it wrote last.

mod record;
mod worker;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FallocateFlags, MemfdFlags, fallocate, ftruncate, memfd_create};

use crate::findings::{self, Found, MOST_FINDINGS};
use crate::labels::{Address, AddressId, Said, Site, SiteId};
use crate::slow::{self, MOST_SLOW, SlowRequest};
use crate::spots::{self, AtSpot, Spot};
use crate::text;
use crate::view::{self, View};
use crate::views::{LONGEST_NAME, MOST_VIEWS, Views};
use record::{Records, Region};
use worker::WORKER_WORDS;

pub use worker::Worker;

/// Words of a name.
const NAME_WORDS: usize = LONGEST_NAME / 8 + 1;

/// All that a worker has. Room that was never written takes no memory.
const OWN: Region = Region::first(WORKER_WORDS, 1);
const VIEWS: Region = Region::after(&OWN, NAME_WORDS + view::WORDS, MOST_VIEWS + 1);
const SLOW: Region = Region::after(&VIEWS, slow::WORDS, MOST_SLOW);
const FINDINGS: Region = Region::after(&SLOW, findings::WORDS, MOST_FINDINGS);
const ADDRESSES: Region = Region::after(&FINDINGS, NAME_WORDS, Address::MOST + 1);
const SITES: Region = Region::after(&ADDRESSES, NAME_WORDS, Site::MOST + 1);
const SPOTS: Region = Region::after(&SITES, spots::WORDS, MOST_VIEWS + 1);
const STRETCH: usize = SPOTS.end();

/// The file, with a stretch for each worker.
#[derive(Debug)]
pub struct Board {
    records: Records,
    workers: usize,
}

impl Board {
    /// An empty one for so many workers.
    pub fn create(workers: usize) -> io::Result<Self> {
        let file = memfd_create("turnout-states", MemfdFlags::CLOEXEC)?;
        ftruncate(&file, (workers * STRETCH) as u64)?;
        Ok(Self::open(file, workers))
    }

    /// One that another process created.
    pub fn open(file: OwnedFd, workers: usize) -> Self {
        Self { records: Records(file), workers }
    }

    /// How many workers it has room for.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// A worker writes what it says of itself, and of all else what has changed since it last did. To be called by one thread at a time.
    pub fn write(&self, index: usize, worker: &Worker, views: &Views) -> io::Result<()> {
        let start = index * STRETCH;
        let put = |region: &Region, place, words: Vec<u64>| self.records.put(region, start, place, words);
        // Names first: who reads what speaks of them finds them.
        for (region, names) in [(&ADDRESSES, views.addresses.fresh()), (&SITES, views.sites.fresh())] {
            for (place, name) in names {
                put(region, place, text::words(text::cut(&name, LONGEST_NAME), NAME_WORDS).collect())?;
            }
        }
        let places = views.all();
        for (place, view) in places.iter().enumerate() {
            let told = |figures: &View| text::words(&view.name, NAME_WORDS).chain(figures.words()).collect();
            let changed = view.if_changed(told);
            changed.map_or(Ok(()), |words| put(&VIEWS, place, words))?;
            let changed = view.spots.if_changed();
            changed.map_or(Ok(()), |all| put(&SPOTS, place, spots::words(&all)))?;
        }
        views.changed_slow(worker.written * 1_000_000, |place, slow| put(&SLOW, place, slow.words()))?;
        views.findings.changed(|place, found| put(&FINDINGS, place, found.words()))?;
        let worker = Worker { views: places.len() as u64, ..*worker };
        put(&OWN, 0, worker.words().to_vec())
    }

    /// What a worker last wrote of itself; `None` if it has not written.
    pub fn worker(&self, index: usize) -> io::Result<Option<Worker>> {
        let words = self.take(&OWN, index, 0)?;
        Ok(words.map(|words| Worker::from_words(&words)).filter(|worker| worker.process != 0))
    }

    /// The name and the figures of one of its views, by place; `None` if nothing was counted for it.
    pub fn view(&self, index: usize, place: usize) -> io::Result<Option<(String, View)>> {
        let words = self.take(&VIEWS, index, place)?;
        Ok(words.and_then(|words| {
            let (name, view) = words.split_at_checked(NAME_WORDS)?;
            let name = text::of_words(name);
            if name.is_empty() { None } else { Some((name, View::from_words(view)?)) }
        }))
    }

    /// A number that is another one after each write of that view's record: whoever has read it asks this before it is read again. 0: never
    /// written.
    pub fn version(&self, index: usize, place: usize) -> io::Result<u64> {
        self.records.version(&VIEWS, index * STRETCH, place)
    }

    /// All views of one worker that have figures.
    pub fn views(&self, index: usize) -> io::Result<Vec<(String, View)>> {
        let count = self.worker(index)?.map_or(0, |worker| worker.views as usize);
        (0..count).filter_map(|place| self.view(index, place).transpose()).collect()
    }

    /// Its slow requests.
    pub fn slow(&self, index: usize) -> io::Result<Vec<SlowRequest>> {
        self.all(&SLOW, index, SlowRequest::from_words)
    }

    /// One of them, by its place among them; `None` if there is none.
    pub fn slow_at(&self, index: usize, place: usize) -> io::Result<Option<SlowRequest>> {
        Ok(self.take(&SLOW, index, place)?.and_then(|words| SlowRequest::from_words(&words)))
    }

    /// As [`Board::version`], of a slow request.
    pub fn slow_version(&self, index: usize, place: usize) -> io::Result<u64> {
        self.records.version(&SLOW, index * STRETCH, place)
    }

    /// What it noticed.
    pub fn findings(&self, index: usize) -> io::Result<Vec<Found>> {
        self.all(&FINDINGS, index, Found::from_words)
    }

    /// What the requests of one of its views waited for and from where, by the view's place, the most waited for first.
    pub fn spots(&self, index: usize, place: usize) -> io::Result<Vec<(Spot, AtSpot)>> {
        let words = self.take(&SPOTS, index, place)?;
        Ok(words.map(|words| spots::of_words(&words)).unwrap_or_default())
    }

    /// As [`Board::version`], of what that view waited for.
    pub fn spots_version(&self, index: usize, place: usize) -> io::Result<u64> {
        self.records.version(&SPOTS, index * STRETCH, place)
    }

    /// What an address is called; `None` if it has not said.
    pub fn address(&self, index: usize, address: AddressId) -> io::Result<Option<String>> {
        self.name(&ADDRESSES, index, address.place())
    }

    /// What a place of the project's code is called; `None` if it has not said.
    pub fn site(&self, index: usize, site: SiteId) -> io::Result<Option<String>> {
        self.name(&SITES, index, site.place())
    }

    fn name(&self, region: &Region, index: usize, place: u16) -> io::Result<Option<String>> {
        let words = self.take(region, index, place.into())?;
        Ok(words.map(|words| text::of_words(&words)).filter(|name| !name.is_empty()))
    }

    /// Forgets a worker that is gone: whoever wants to keep its sums has read them before.
    pub fn clear(&self, index: usize) -> io::Result<()> {
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        Ok(fallocate(&self.records.0, hole, (index * STRETCH) as u64, STRETCH as u64)?)
    }

    /// The records of a region that is filled from its beginning on.
    fn all<T>(&self, region: &Region, index: usize, read: impl Fn(&[u64]) -> Option<T>) -> io::Result<Vec<T>> {
        let mut found = Vec::new();
        for place in 0.. {
            let Some(words) = self.take(region, index, place)? else { break };
            let Some(thing) = read(&words) else { break };
            found.push(thing);
        }
        Ok(found)
    }

    /// `None`: there is no such place.
    fn take(&self, region: &Region, index: usize, place: usize) -> io::Result<Option<Vec<u64>>> {
        self.records.take(region, index * STRETCH, place)
    }
}

impl AsFd for Board {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.records.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use super::*;
    use crate::findings::Finding;
    use crate::spans::Span;
    use crate::times::Times;
    use crate::view::Ended;
    use crate::views::{Finished, ViewId};
    use crate::waits::{Kind, Wait};

    fn request(milliseconds: u64) -> Finished {
        let times = Times { processing: 1_000_000, io: milliseconds * 1_000_000, ..Times::default() };
        Finished { ended: Ended { times, ..Ended::default() }, began: 1, status: 200, waits: Box::default() }
    }

    fn record(views: &Views, id: ViewId, milliseconds: u64) {
        views.record(id, request(milliseconds), || (vec![Span { thread: 7, ..Span::default() }], 2));
    }

    #[test]
    fn what_a_worker_wrote_is_read_and_stays_when_it_dies() {
        let board = Board::create(2).expect("memfd");
        assert_eq!(board.worker(1).expect("read"), None);
        let views = Views::default();
        let id = views.place_of("hotels.views.süche");
        record(&views, id, 40);
        let worker = Worker { process: 7, threads: 3, gil_switches: 12, ..Worker::default() };
        board.write(1, &worker, &views).expect("written");
        assert_eq!(board.worker(0).expect("read"), None, "the other one's stretch is its own");
        assert_eq!(board.worker(1).expect("read"), Some(Worker { views: 2, ..worker }));
        let read = board.views(1).expect("read");
        let wanted = ("hotels.views.süche".to_owned(), views.all()[id.place()].view());
        assert_eq!(read, [("other".to_owned(), View::default()), wanted]);
        let version = |place| board.version(1, place).expect("read");
        let before = (version(0), version(id.place()), version(MOST_VIEWS + 1));
        record(&views, id, 40);
        board.write(1, &worker, &views).expect("written");
        assert_eq!((version(0), version(MOST_VIEWS + 1)), (before.0, 0), "nothing new there");
        assert_ne!(version(id.place()), before.1);
        board.clear(1).expect("written");
        assert_eq!((board.worker(1).expect("read"), board.view(1, 1).expect("read")), (None, None));
    }

    #[test]
    fn a_record_is_never_read_in_the_middle_of_a_write() {
        let board = Board::create(1).expect("memfd");
        let views = Views::default();
        let id = views.place_of("a");
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..500 {
                    record(&views, id, 2);
                    board.write(0, &Worker { process: 1, ..Worker::default() }, &views).expect("written");
                }
                over.store(true, Relaxed);
            });
            while !over.load(Relaxed) {
                // A writer that is kept from its processor in the middle of a write is "always" writing.
                let Ok(Some((_, view))) = board.view(0, id.place()) else { continue };
                assert_eq!(view.times.processing, view.requests * 1_000_000);
                assert_eq!(view.histograms[3].count(), view.requests);
                assert_eq!(view.stacked.iter().map(|bin| bin.requests).sum::<u64>(), view.requests);
            }
        });
        assert_eq!(board.view(0, id.place()).expect("read").expect("it is there").1.requests, 500);
    }

    #[test]
    fn slow_requests_findings_and_names_are_read_as_they_were_told_and_go_with_their_worker() {
        let board = Board::create(2).expect("memfd");
        let views = Views::default();
        let id = views.place_of("hotels.views.search");
        let address = views.addresses.id_of("10.0.0.5:5432");
        let site = views.sites.id_of("hotels/views.py:41 search");
        let wait = Wait { kind: Kind::Database, address, site, began: 5, ended: 9 };
        views.record(id, Finished { waits: [wait].into(), ..request(40) }, || (Vec::new(), 0));
        let found = Found { what: "10.0.0.5:5432".into(), ..Found::once(Finding::BlockedLoop, id.place(), 100, 7) };
        views.findings.found(found.clone());
        let worker = Worker { process: 7, written: 1, ..Worker::default() };
        let tell = || board.write(1, &worker, &views).expect("written");
        tell();
        let slow = board.slow(1).expect("read");
        assert_eq!((slow.len(), slow[0].view, &*slow[0].waits, slow[0].status), (1, id.place(), &[wait][..], 200));
        assert_eq!(board.slow_at(1, 0).expect("read").as_ref(), slow.first());
        assert_eq!(board.slow_at(1, 1).expect("read"), None);
        let before = board.slow_version(1, 0).expect("read");
        assert_eq!((before, board.slow_version(1, 1).expect("read")), (1, 0));
        let name = |address| board.address(1, address).expect("read");
        assert_eq!(name(slow[0].waits[0].address).as_deref(), Some("10.0.0.5:5432"));
        let site = board.site(1, slow[0].waits[0].site).expect("read");
        assert_eq!(site.as_deref(), Some("hotels/views.py:41 search"));
        let spots = board.spots(1, id.place()).expect("read");
        assert_eq!(spots, [(wait.spot(), AtSpot { calls: 1, time: 4, longest: 4 })]);
        let version = board.spots_version(1, id.place()).expect("read");
        assert_eq!((version, board.spots_version(1, id.place() + 1).expect("read")), (1, 0));
        let view = board.view(1, slow[0].view).expect("read");
        assert_eq!(view.map(|(name, _)| name).as_deref(), Some("hotels.views.search"));
        assert_eq!(board.findings(1).expect("read"), [found]);
        // What comes later joins them.
        record(&views, id, 50);
        let late = views.addresses.id_of("10.0.0.6:80");
        tell();
        let spans: Vec<_> = board.slow(1).expect("read").iter().map(|slow| (slow.spans.len(), slow.dropped)).collect();
        assert_eq!((spans, name(late).as_deref()), (vec![(0, 0), (1, 2)], Some("10.0.0.6:80")));
        assert_eq!(board.slow(0).expect("read"), [], "the other one's stretch is its own");
        board.clear(1).expect("cleared");
        assert_eq!(
            (board.slow(1).expect("read"), board.findings(1).expect("read"), name(late)),
            (vec![], vec![], None)
        );
    }
}
