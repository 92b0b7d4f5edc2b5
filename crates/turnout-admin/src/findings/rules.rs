//! What only the sums of many requests show: whose computing others wait for, a convoy at the interpreter's lock, too few threads.
//!
//! Each rule compares some figures of the last [`WINDOW`] with limits; a symptom's strength is that of its weakest figure.

use turnout_states::{Times, Worker};

use super::{About, Kind, Symptom};
use crate::store::{Sample, Seat, Store};

/// Seconds. Shorter ones would find what is over before anybody reads of it.
const WINDOW: f64 = 10.0;
/// Seconds that must have been looked at, and requests that must have ended: fewer are an accident.
const LEAST_SECONDS: f64 = 3.0;
const LEAST_REQUESTS: u64 = 5;

/// A view that waits for CPU: nanoseconds a request, and which part of its time.
const WAITS: f64 = 5e6;
const WAITS_PART: f64 = 0.2;
/// A view that computes: part of one processor in a second, and of all that views compute.
const HUNGRY: f64 = 0.25;
const HUNGRY_PART: f64 = 0.5;
/// A convoy: each wait in parts of the switch interval, waits in line at a time, the part of the requests' time. CPython waits twice for one turn: for an
/// interval, and then, shortly, until the holder has let go; so half an interval is what a perfect convoy has.
const CONVOY_WAIT: f64 = 0.3;
const CONVOY_LINE: f64 = 0.2;
const CONVOY_PART: f64 = 0.1;
/// Too few threads: part of the looks that found all busy and requests in line; nanoseconds a request in line, and which part of its time.
const ALL_BUSY: f64 = 0.3;
const IN_LINE: f64 = 5e6;
const IN_LINE_PART: f64 = 0.1;

/// One view in the window.
struct Sum {
    place: u16,
    requests: u64,
    times: Times,
}

impl Sum {
    fn wall(&self) -> f64 {
        self.times.wall() as f64
    }

    fn each(&self, nanoseconds: u64) -> f64 {
        nanoseconds as f64 / self.requests as f64
    }
}

/// What the last seconds show.
pub(crate) fn symptoms(store: &Store) -> Vec<Symptom> {
    let (covered, views) = sums(store.window(WINDOW));
    if covered < LEAST_SECONDS {
        return Vec::new();
    }
    let mut found = hungry(store, &views);
    found.extend(convoy(store, &views));
    found.extend(too_few(store, &views));
    found
}

/// How many seconds those are, and what each view has in them.
fn sums<'a>(samples: impl Iterator<Item = &'a Sample>) -> (f64, Vec<Sum>) {
    let (mut covered, mut views) = (0.0, Vec::<Sum>::new());
    for sample in samples {
        covered += sample.span;
        for (place, slice) in &sample.views {
            match views.iter_mut().find(|view| view.place == *place) {
                Some(view) => {
                    view.requests += u64::from(slice.requests);
                    view.times = view.times.plus(&slice.times);
                }
                None => views.push(Sum { place: *place, requests: slice.requests.into(), times: slice.times }),
            }
        }
    }
    (covered, views)
}

fn about(kind: Kind, view: &str, other: &str) -> About {
    About { kind, view: view.into(), other_view: other.into(), place: "".into(), what: "".into() }
}

/// The smallest of them.
fn weakest(figures: impl IntoIterator<Item = f64>) -> f64 {
    figures.into_iter().fold(f64::INFINITY, f64::min)
}

/// Who waits for CPU while another view computes most of what is computed. Only the seconds count in which that one did.
fn hungry(store: &Store, views: &[Sum]) -> Vec<Symptom> {
    let Some(hungry) = views.iter().max_by_key(|view| view.times.processing).map(|view| view.place) else {
        return Vec::new();
    };
    let used_in = |sample: &Sample| sample.view(hungry).map_or(0.0, |slice| slice.times.processing as f64 / 1e9);
    let (covered, views) = sums(store.window(WINDOW).filter(|sample| used_in(sample) >= HUNGRY * sample.span));
    if covered < LEAST_SECONDS {
        return Vec::new();
    }
    let of = |view: &Sum| view.times.processing as f64;
    let all: f64 = views.iter().map(of).sum();
    let used: f64 = views.iter().filter(|view| view.place == hungry).map(of).sum();
    let others = views.iter().filter(|view| view.place != hungry && view.requests >= LEAST_REQUESTS);
    let symptom = |view: &Sum| {
        let waited = view.times.waiting_for_cpu();
        let each = view.each(waited);
        let figures =
            [each / WAITS, waited as f64 / view.wall().max(1.0) / WAITS_PART, used / all.max(1.0) / HUNGRY_PART];
        Symptom {
            about: about(Kind::HungryNeighbour, store.name(hungry), store.name(view.place)),
            strength: weakest(figures),
            took: whole(each),
            number: whole(used / 1e6 / covered),
        }
    };
    others.map(symptom).collect()
}

/// Threads that wait for the interpreter's lock, each time about as long as it takes to get it from one that computes.
fn convoy(store: &Store, views: &[Sum]) -> Option<Symptom> {
    let most = views.iter().max_by_key(|view| view.times.gil)?;
    let waited: f64 = views.iter().map(|view| view.times.gil as f64).sum();
    let part = waited / views.iter().map(Sum::wall).sum::<f64>().max(1.0);
    let of_seat = |seat: &Seat| {
        let (first, last) = seat.ends()?;
        let seconds = (last.written - first.written) as f64 / 1e3;
        let more = |of: fn(&Worker) -> u64| of(last).saturating_sub(of(first)) as f64;
        let (count, time) = (more(|worker| worker.gil_waits), more(|worker| worker.gil_waited));
        if count < 1.0 || last.gil_interval == 0 {
            return None;
        }
        let each = time / count;
        let figures =
            [each / last.gil_interval as f64 / CONVOY_WAIT, time / 1e9 / seconds / CONVOY_LINE, part / CONVOY_PART];
        Some((weakest(figures), each, count / seconds))
    };
    let worst = store.seats.iter().filter_map(of_seat).max_by(|one, other| one.0.total_cmp(&other.0));
    let (strength, each, a_second) = worst?;
    let about = about(Kind::GilConvoy, store.name(most.place), "");
    Some(Symptom { about, strength, took: whole(each), number: whole(a_second) })
}

/// Requests in line while every thread is busy, and mostly with waiting.
fn too_few(store: &Store, views: &[Sum]) -> Option<Symptom> {
    let in_line = |times: &Times| times.no_thread_io + times.no_thread_cpu;
    let waiting = |view: &&Sum| view.requests >= LEAST_REQUESTS && view.times.no_thread_io >= view.times.no_thread_cpu;
    let most = views.iter().filter(waiting).max_by_key(|view| in_line(&view.times))?;
    let each = most.each(in_line(&most.times));
    let part = in_line(&most.times) as f64 / most.wall().max(1.0);
    let of_seat = |seat: &Seat| {
        let (mut looks, mut full, mut there) = (0.0, 0.0, 0.0);
        for worker in seat.recent() {
            looks += 1.0;
            if worker.threads_busy >= worker.threads_most && worker.queued > 0 {
                full += 1.0;
                // Little's law: so many are there on average, so with as many threads nobody is in line.
                there += (worker.threads_busy + worker.queued) as f64;
            }
        }
        (full > 0.0).then(|| (full / looks, there / full))
    };
    let worst = store.seats.iter().filter_map(of_seat).max_by(|one, other| one.0.total_cmp(&other.0));
    let (full, there) = worst?;
    Some(Symptom {
        about: about(Kind::TooFewThreads, store.name(most.place), ""),
        strength: weakest([full / ALL_BUSY, each / IN_LINE, part / IN_LINE_PART]),
        took: whole(each),
        number: whole(there.ceil()),
    })
}

#[expect(clippy::cast_sign_loss, reason = "no figure here is negative")]
fn whole(figure: f64) -> u64 {
    figure as u64
}
