//! The views of one worker, by name.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::findings::Findings;
use crate::labels::{Addresses, Sites};
use crate::names::Names;
use crate::recent::{Kept, Recent};
use crate::slow::{Slow, SlowRequest, Threshold};
use crate::spans::Span;
use crate::spots::{Spot, Spots};
use crate::text;
use crate::view::{Ended, View};
use crate::waits::Wait;

/// So many views are kept apart; what comes later is counted as "other". A view is 14 KiB.
pub const MOST_VIEWS: usize = 500;
/// Bytes of a name; longer ones are cut.
pub const LONGEST_NAME: usize = 240;
/// The name of the place for views beyond [`MOST_VIEWS`].
pub const OTHER: &str = "other";
/// The name of the place for what is done for no request.
pub const NO_REQUEST: &str = "(no request)";

/// The place of one view in the table. 0 is [`OTHER`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ViewId(u16);

impl ViewId {
    /// As a number below [`MOST_VIEWS`] + 1.
    pub fn place(self) -> usize {
        self.0.into()
    }

    /// From a number that [`ViewId::place`] gave.
    pub fn from_place(place: usize) -> Option<Self> {
        (place <= MOST_VIEWS).then_some(Self(place as u16))
    }
}

/// Bytes that the requests of all views may take which are kept whole.
const MOST_BYTES: usize = 64 << 20;

/// See the module. A place, once given to a name, is that name's.
#[derive(Debug)]
pub struct Views {
    names: Names<Place>,
    /// Where requests wait.
    pub addresses: Addresses,
    /// Which code of the project makes them wait.
    pub sites: Sites,
    /// What was noticed.
    pub findings: Findings,
    slow: Slow,
    /// What the requests that are kept take, and may take.
    kept_bytes: AtomicUsize,
    most_bytes: usize,
}

/// All of one request that is over.
#[derive(Debug)]
pub struct Finished {
    /// What is counted.
    pub ended: Ended,
    /// When its first byte came, in nanoseconds since 1970.
    pub began: u64,
    /// How it was answered; 0: not at all.
    pub status: u16,
    /// What it waited for, in nanoseconds since it began.
    pub waits: Box<[Wait]>,
}

impl Finished {
    /// When it was over, in milliseconds since 1970.
    pub fn over_at(&self) -> u64 {
        (self.began + self.ended.times.wall()) / 1_000_000
    }
}

/// One view's name and figures.
#[derive(Debug)]
pub struct Place {
    /// At most [`LONGEST_NAME`] bytes.
    pub name: Box<str>,
    /// What its requests waited for.
    pub spots: Spots,
    figures: Mutex<Figures>,
    recent: Mutex<Recent>,
    slow_above: Threshold,
}

#[derive(Debug)]
struct Figures {
    view: View,
    /// Something was counted since [`Place::if_changed`] last looked, or nobody has looked: a name is told before there is anything to count, for what is
    /// noticed of a view may be noticed before.
    changed: bool,
}

impl Default for Views {
    fn default() -> Self {
        Self::keeping(MOST_BYTES)
    }
}

impl Views {
    /// None yet. The requests that are kept whole may take so many bytes.
    pub fn keeping(most_bytes: usize) -> Self {
        Self {
            names: Names::new(MOST_VIEWS, Place::named(OTHER)),
            addresses: Addresses::default(),
            sites: Sites::default(),
            findings: Findings::default(),
            slow: Slow::default(),
            kept_bytes: AtomicUsize::new(0),
            most_bytes,
        }
    }

    /// The place of a name, given now if it has none.
    pub fn place_of(&self, name: &str) -> ViewId {
        ViewId(self.names.place_of(text::cut(name, LONGEST_NAME), Place::named))
    }

    /// A request of that view was seen waiting, and no call says for what: see [`Spots::saw`].
    pub fn saw(&self, id: ViewId, spot: Spot, looks: u64, time: u64) {
        self.names.at(id.0).spots.saw(spot, looks, time);
    }

    /// One more request of that view has ended. `picture` gives what was done for it, in nanoseconds since it began, and how many more such things
    /// there were: asked only if it was a slow one.
    pub fn record(&self, id: ViewId, finished: Finished, picture: impl FnOnce() -> (Vec<Span>, u32)) {
        let place = self.names.at(id.0);
        let Finished { ended, began, status, waits } = finished;
        place.spots.add(&waits);
        {
            let mut figures = place.figures.lock();
            figures.view.record(&ended);
            figures.changed = true;
        }
        let times = ended.times;
        if place.slow_above.is_passed(times.wall()) {
            let (spans, dropped) = picture();
            let slow = SlowRequest { view: id.place(), began, status, times, waits: waits.to_vec(), spans, dropped };
            let places = self.all();
            self.slow.put(slow, |place| places.get(place).map(|place| &place.slow_above));
        }
        if self.most_bytes > 0 {
            self.keep(&place, &Kept { began, times, waits });
        }
    }

    fn keep(&self, place: &Place, kept: &Kept) {
        let (before, after) = {
            let mut recent = place.recent.lock();
            let before = recent.bytes();
            recent.push(kept);
            (before, recent.bytes())
        };
        self.count(before, after);
        while self.kept_bytes.load(Relaxed) > self.most_bytes && self.makes_room() {}
    }

    /// The view with the oldest request forgets some; false: there is none.
    fn makes_room(&self) -> bool {
        let all = self.all();
        let oldest =
            all.iter().filter_map(|place| Some((place.recent.lock().oldest()?, place))).min_by_key(|(at, _)| *at);
        let Some((_, place)) = oldest else { return false };
        let mut recent = place.recent.lock();
        let before = recent.bytes();
        recent.forget_block();
        self.count(before, recent.bytes());
        true
    }

    fn count(&self, before: usize, after: usize) {
        if after >= before {
            self.kept_bytes.fetch_add(after - before, Relaxed);
        } else {
            self.kept_bytes.fetch_sub(before - after, Relaxed);
        }
    }

    /// What the requests that are kept take, in bytes.
    pub fn kept_bytes(&self) -> usize {
        self.kept_bytes.load(Relaxed)
    }

    /// Hands slow requests that have changed to `look`, with their places among all slow ones. `now`: nanoseconds since 1970.
    pub(crate) fn changed_slow<E>(
        &self,
        now: u64,
        look: impl FnMut(usize, &SlowRequest) -> Result<(), E>,
    ) -> Result<(), E> {
        let places = self.all();
        self.slow.age(now, |place| places.get(place).map(|place| &place.slow_above));
        self.slow.changed(look)
    }

    /// The name at a place.
    pub fn name(&self, id: ViewId) -> Box<str> {
        self.names.at(id.0).name.clone()
    }

    /// All of them, by place.
    pub fn all(&self) -> Vec<Arc<Place>> {
        self.names.all()
    }
}

impl Place {
    fn named(name: &str) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            spots: Spots::default(),
            figures: Mutex::new(Figures { view: View::default(), changed: true }),
            recent: Mutex::default(),
            slow_above: Threshold::default(),
        })
    }

    /// Its figures as they are now.
    pub fn view(&self) -> View {
        self.figures.lock().view.clone()
    }

    /// How many of its requests have ended.
    pub fn requests(&self) -> u64 {
        self.figures.lock().view.requests
    }

    /// Its last requests, the oldest first.
    pub fn recent(&self) -> Vec<Kept> {
        self.recent.lock().all()
    }

    /// Hands the figures to `look` if they have changed since this was last asked.
    pub fn if_changed<T>(&self, look: impl FnOnce(&View) -> T) -> Option<T> {
        let mut figures = self.figures.lock();
        std::mem::take(&mut figures.changed).then(|| look(&figures.view))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recent::BLOCK;
    use crate::times::Times;

    fn finished(began: u64, wall: u64) -> Finished {
        let times = Times { io: wall, ..Times::default() };
        Finished { ended: Ended { times, ..Ended::default() }, began, status: 200, waits: Box::default() }
    }

    fn record(views: &Views, id: ViewId) {
        views.record(id, finished(1, 0), || (Vec::new(), 0));
    }

    #[test]
    fn requests_are_kept_within_the_memory_there_is_and_the_oldest_give_way() {
        let most = 4 * BLOCK * size_of::<u64>();
        let views = Views::keeping(most);
        let (quiet, busy) = (views.place_of("quiet"), views.place_of("busy"));
        for began in 0..10 {
            views.record(quiet, finished(began + 1, 5), || (Vec::new(), 0));
        }
        for began in 0..4000 {
            views.record(busy, finished(began + 100, 5), || (Vec::new(), 0));
        }
        let kept = |id: ViewId| views.all()[id.place()].recent();
        assert_eq!(kept(quiet), []);
        assert!((most / 2..=most).contains(&views.kept_bytes()), "{}", views.kept_bytes());
        let left: Vec<_> = kept(busy).iter().map(|kept| kept.began).collect();
        assert!(left.len() > 2000 && left[0] > 100, "{} from {}", left.len(), left[0]);
        assert_eq!(left.last(), Some(&4099));
        let none = Views::keeping(0);
        record(&none, none.place_of("a"));
        assert_eq!((none.kept_bytes(), none.all()[1].recent().len()), (0, 0));
    }

    #[test]
    fn only_a_slow_request_is_asked_for_its_picture() {
        let views = Views::default();
        let id = views.place_of("a");
        let mut asked = Vec::new();
        for wall in [50, 60, 70, 80, 90, 100, 110, 120, 10, 65] {
            views.record(id, finished(1, wall), || {
                asked.push(wall);
                (Vec::new(), 0)
            });
        }
        assert_eq!(asked, [50, 60, 70, 80, 90, 100, 110, 120, 65]);
    }

    #[test]
    fn a_name_keeps_its_place_and_those_beyond_the_limit_share_one() {
        let views = Views::default();
        let first = views.place_of("hotels.views.search");
        assert_eq!(views.place_of("hotels.views.search"), first);
        for number in 0..2 * MOST_VIEWS {
            views.place_of(&format!("view {number}"));
        }
        assert_eq!(views.all().len(), MOST_VIEWS + 1);
        let late = views.place_of("one too many");
        assert_eq!(late, ViewId::default());
        record(&views, late);
        record(&views, first);
        record(&views, first);
        let counts: Vec<_> = views.all().iter().map(|place| place.view().requests).take(2).collect();
        assert_eq!(counts, [1, 2]);
        assert_eq!(&*views.all()[0].name, OTHER);
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let views = Views::default();
        let long = "ü".repeat(1000);
        let id = views.place_of(&long);
        let name = views.all()[id.place()].name.clone();
        assert!(name.len() <= LONGEST_NAME && long.starts_with(&*name), "{name}");
        assert_eq!(views.place_of(&long), id);
    }

    #[test]
    fn a_name_is_shown_once_and_then_what_has_changed() {
        let views = Views::default();
        let id = views.place_of("a");
        let place = views.all()[id.place()].clone();
        assert_eq!(place.if_changed(|view| view.requests), Some(0));
        record(&views, id);
        assert_eq!(place.if_changed(|view| view.requests), Some(1));
        assert_eq!(place.if_changed(|view| view.requests), None);
    }
}
