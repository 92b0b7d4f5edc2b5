//! Slow requests, whole: the slowest of each view of the last minutes, with what they did when.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::spans::{MOST_SPANS, Span};
use crate::times::Times;
use crate::waits::{MOST_WAITS, Wait};

/// So many are kept by a worker, and so many of one view.
pub const MOST_SLOW: usize = 256;
const MOST_OF_A_VIEW: usize = 8;
/// Nanoseconds after which one gives way to any other of its view.
const STALE: u64 = 600_000_000_000;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlowRequest {
    /// The place of its view.
    pub view: usize,
    /// When its first byte came, in nanoseconds since 1970.
    pub began: u64,
    /// How it was answered; 0: not at all.
    pub status: u16,
    /// Where its time went.
    pub times: Times,
    /// What it waited for, in nanoseconds since it began.
    pub waits: Vec<Wait>,
    /// What was done for it, the same.
    pub spans: Vec<Span>,
    /// Spans that are not among them.
    pub dropped: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Slow(Mutex<Vec<Slot>>);

#[derive(Debug)]
struct Slot {
    request: SlowRequest,
    changed: bool,
}

/// How long a request of one view must have taken to get in, in nanoseconds. Asked for each request, so it is beside the view's figures.
#[derive(Debug, Default)]
pub(crate) struct Threshold(AtomicU64);

impl Threshold {
    #[inline]
    pub(crate) fn is_passed(&self, wall: u64) -> bool {
        wall > self.0.load(Relaxed)
    }
}

fn reset(threshold: Option<&Threshold>, wall: u64) {
    if let Some(Threshold(of_view)) = threshold {
        of_view.store(wall, Relaxed);
    }
}

impl Slow {
    /// Puts one in the place of who has to give way. `threshold` finds that of a view's place.
    pub(crate) fn put<'a>(&self, request: SlowRequest, threshold: impl Fn(usize) -> Option<&'a Threshold>) {
        let now = request.began + request.times.wall();
        let view = request.view;
        let mut slots = self.0.lock();
        let (of_view, fastest, stale) = standing(&slots, view, now);
        let place = if of_view >= MOST_OF_A_VIEW {
            stale.or(fastest)
        } else if slots.len() >= MOST_SLOW {
            (0..slots.len()).min_by_key(|&place| slots[place].request.began)
        } else {
            None
        };
        let slot = Slot { request, changed: true };
        match place {
            Some(place) => {
                let gone = std::mem::replace(&mut slots[place], slot).request.view;
                if gone != view {
                    reset(threshold(gone), 0);
                }
            }
            None => slots.push(slot),
        }
        let (of_view, fastest, stale) = standing(&slots, view, now);
        let wanted = match fastest {
            Some(fastest) if of_view >= MOST_OF_A_VIEW && stale.is_none() => slots[fastest].request.times.wall(),
            _ => 0,
        };
        reset(threshold(view), wanted);
    }

    /// Lets whoever comes take the places of those that have become old. Called now and then.
    pub(crate) fn age<'a>(&self, now: u64, threshold: impl Fn(usize) -> Option<&'a Threshold>) {
        for slot in self.0.lock().iter().filter(|slot| is_stale(&slot.request, now)) {
            reset(threshold(slot.request.view), 0);
        }
    }

    /// Hands those that have changed since this was last asked to `look`, with their places.
    pub(crate) fn changed<E>(&self, mut look: impl FnMut(usize, &SlowRequest) -> Result<(), E>) -> Result<(), E> {
        for (place, slot) in self.0.lock().iter_mut().enumerate().filter(|(_, slot)| slot.changed) {
            look(place, &slot.request)?;
            slot.changed = false;
        }
        Ok(())
    }
}

/// How many there are of a view; the fastest of them; one that is old.
fn standing(slots: &[Slot], view: usize, now: u64) -> (usize, Option<usize>, Option<usize>) {
    let theirs = || (0..slots.len()).filter(|&place| slots[place].request.view == view);
    let fastest = theirs().min_by_key(|&place| slots[place].request.times.wall());
    let stale = theirs().find(|&place| is_stale(&slots[place].request, now));
    (theirs().count(), fastest, stale)
}

fn is_stale(request: &SlowRequest, now: u64) -> bool {
    now.saturating_sub(request.began) > STALE
}

const HEAD: usize = 6;
const SPAN: usize = 6;

/// How many words [`SlowRequest::words`] gives at most.
pub(crate) const WORDS: usize = HEAD + Times::PARTS + MOST_WAITS * Wait::WORDS + MOST_SPANS * SPAN;

impl SlowRequest {
    /// All of it, as numbers.
    pub(crate) fn words(&self) -> Vec<u64> {
        let waits = self.waits.iter().take(MOST_WAITS);
        let spans = self.spans.iter().take(MOST_SPANS);
        let mut words = Vec::with_capacity(WORDS);
        words.extend([
            self.view as u64,
            self.began,
            self.status.into(),
            self.dropped.into(),
            waits.len() as u64,
            spans.len() as u64,
        ]);
        words.extend(self.times.parts());
        words.extend(waits.flat_map(Wait::words));
        words.extend(spans.flat_map(|span| {
            let Span { thread, ready, began, ended, waiting_for_cpu, waiting_for_io } = *span;
            [thread.into(), ready, began, ended, waiting_for_cpu, waiting_for_io]
        }));
        words
    }

    /// The other way round. `None`: there is none there.
    pub(crate) fn from_words(words: &[u64]) -> Option<Self> {
        let (head, rest) = words.split_at_checked(HEAD)?;
        let &[view, began, status, dropped, waits, spans] = head else { return None };
        let (parts, rest) = rest.split_at_checked(Times::PARTS)?;
        let (waits, rest) = rest.split_at_checked(waits as usize * Wait::WORDS)?;
        let (spans, _) = rest.split_at_checked(spans as usize * SPAN)?;
        if began == 0 {
            return None;
        }
        Some(Self {
            view: view as usize,
            began,
            status: status as u16,
            times: Times::from_parts(parts.try_into().ok()?),
            waits: waits.chunks_exact(Wait::WORDS).map(Wait::from_words).collect::<Option<_>>()?,
            spans: spans.chunks_exact(SPAN).map(span_of).collect(),
            dropped: dropped as u32,
        })
    }
}

fn span_of(words: &[u64]) -> Span {
    Span {
        thread: words[0] as u32,
        ready: words[1],
        began: words[2],
        ended: words[3],
        waiting_for_cpu: words[4],
        waiting_for_io: words[5],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::{AddressId, SiteId};
    use crate::waits::Kind;

    fn request(view: usize, began: u64, wall: u64) -> SlowRequest {
        SlowRequest {
            view,
            began,
            status: 200,
            times: Times { io: wall, ..Times::default() },
            waits: vec![Wait {
                kind: Kind::Cache,
                address: AddressId::from_place(7),
                site: SiteId::from_place(8),
                began: 1,
                ended: 5,
            }],
            spans: vec![Span { thread: 3, ready: 0, began: 1, ended: 9, waiting_for_cpu: 2, waiting_for_io: 4 }],
            dropped: 1,
        }
    }

    struct Kept {
        slow: Slow,
        thresholds: Vec<Threshold>,
    }

    impl Kept {
        fn of(views: usize) -> Self {
            Self { slow: Slow::default(), thresholds: (0..views).map(|_| Threshold::default()).collect() }
        }

        /// As requests come: those that are not slow enough are not even made.
        fn offer(&self, view: usize, began: u64, wall: u64) {
            if self.thresholds[view].is_passed(wall) {
                self.slow.put(request(view, began, wall), |place| self.thresholds.get(place));
            }
        }

        fn walls(&self, view: usize) -> Vec<u64> {
            let slots = self.slow.0.lock();
            let of_view = slots.iter().map(|slot| &slot.request).filter(|request| request.view == view);
            let mut walls: Vec<_> = of_view.map(|request| request.times.wall()).collect();
            walls.sort_unstable();
            walls
        }
    }

    #[test]
    fn of_each_view_the_slowest_are_kept() {
        let kept = Kept::of(2);
        for wall in [5, 90, 20, 70, 30, 60, 40, 50, 10, 80, 55, 1] {
            kept.offer(0, 1000 + wall, wall);
            kept.offer(1, 1000, 3);
        }
        assert_eq!(kept.walls(0), [30, 40, 50, 55, 60, 70, 80, 90]);
        assert_eq!(kept.walls(1), [3; MOST_OF_A_VIEW], "a quick view has its own");
    }

    #[test]
    fn what_has_become_old_gives_way_to_anything() {
        let kept = Kept::of(1);
        (0..8).for_each(|_| kept.offer(0, 1, 1000));
        kept.offer(0, STALE + 5000, 10);
        assert_eq!(kept.walls(0), [1000; 8]);
        kept.slow.age(STALE + 5000, |place| kept.thresholds.get(place));
        kept.offer(0, STALE + 5000, 10);
        assert_eq!(kept.walls(0)[..2], [10, 1000]);
    }

    #[test]
    fn all_views_together_have_a_limit_and_the_oldest_give_way() {
        let kept = Kept::of(100);
        for view in 0..100 {
            (0..8).for_each(|more| kept.offer(view, 1 + view as u64 * 10 + more, 50));
        }
        assert_eq!(kept.slow.0.lock().len(), MOST_SLOW);
        assert_eq!((kept.walls(0).len(), kept.walls(99).len()), (0, 8));
        kept.offer(0, 5000, 1);
        assert_eq!(kept.walls(0), [1], "a view that lost its own begins anew");
    }

    #[test]
    fn numbers_in_a_row_are_the_request_again() {
        let request = request(4, 77, 90);
        assert_eq!(SlowRequest::from_words(&request.words()), Some(request));
        assert_eq!(SlowRequest::from_words(&[0; WORDS]), None);
        assert_eq!(SlowRequest::from_words(&[1; HEAD]), None);
    }

    #[test]
    fn each_is_told_once() {
        let kept = Kept::of(1);
        kept.offer(0, 1, 10);
        let told = || {
            let mut places = Vec::new();
            let _: Result<(), ()> = kept.slow.changed(|place, _| {
                places.push(place);
                Ok(())
            });
            places
        };
        assert_eq!((told(), told()), (vec![0], vec![]));
    }
}
