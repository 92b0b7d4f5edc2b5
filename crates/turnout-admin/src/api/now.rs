//! `/api/v1/now`: machine, workers, and the live table of views.

use serde::Serialize;

use crate::api::numbers::{Row, fine, rounded};
use crate::store::{Sample, Seat, State, Store, Sum, number, rates, states};

/// Points of a trend, at most: as many as fit into a cell of a table.
const POINTS: usize = 60;

/// The whole answer.
#[derive(Debug, Serialize)]
pub(crate) struct Now {
    version: u32,
    time: f64,
    seconds: u32,
    server: Server,
    machine: Machine,
    workers: Vec<Worker>,
    pub(crate) views: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Server {
    started: f64,
    workers: usize,
    title: String,
    /// Whether `/api/v1/history` has anything to say.
    history: bool,
}

#[derive(Debug, Serialize)]
struct Machine {
    cores: u32,
    load: Option<[f64; 3]>,
    steal: Option<f64>,
    throttled: Option<f64>,
    pressure_cpu: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Worker {
    number: usize,
    process: u64,
    began: f64,
    written: f64,
    state: &'static str,
    blocked_for: f64,
    in_flight: u64,
    threads: u64,
    threads_busy: u64,
    threads_most: u64,
    queued: u64,
    loop_utilisation: f64,
    loop_queue: f64,
    overhead: f64,
    gil_utilisation: Option<f64>,
    gil_switches: Option<f64>,
    cpu: f64,
    memory: u64,
    accounting: Vec<String>,
}

/// Of the last so many seconds.
pub(crate) fn now(store: &Store, seconds: u32) -> Now {
    let context = store.context();
    Now {
        version: 1,
        time: store.at,
        seconds,
        server: Server {
            started: store.facts.started,
            workers: store.seats.len(),
            title: store.facts.title.clone(),
            history: store.keeps_history(),
        },
        machine: Machine {
            cores: store.facts.cores,
            load: context.load,
            steal: context.steal.map(fine),
            throttled: context.throttled.map(fine),
            pressure_cpu: context.pressure_cpu.map(fine),
        },
        workers: store.seats.iter().enumerate().map(|(index, seat)| worker(store, index, seat)).collect(),
        views: views(store, seconds),
    }
}

/// One that is gone says nothing: zeros.
fn worker(store: &Store, index: usize, seat: &Seat) -> Worker {
    let told = seat.last().copied().unwrap_or_default();
    let state = seat.state(store.at);
    let rates = rates(seat);
    Worker {
        number: number(index),
        process: told.process,
        began: told.began as f64 / 1e3,
        written: told.written as f64 / 1e3,
        state: state.word(),
        blocked_for: if state == State::Blocked { rounded(told.step_now as f64 / 1e6) } else { 0.0 },
        in_flight: told.in_flight,
        threads: told.threads,
        threads_busy: told.threads_busy,
        threads_most: told.threads_most,
        queued: told.queued,
        loop_utilisation: fine(rates.loop_utilisation),
        loop_queue: rounded(rates.loop_queue),
        overhead: fine(rates.overhead),
        gil_utilisation: rates.gil_utilisation.map(fine),
        gil_switches: rates.gil_switches.map(rounded),
        cpu: rounded(rates.cpu),
        memory: told.memory,
        accounting: if told.process == 0 { Vec::new() } else { (store.facts.rungs)(told.rungs) },
    }
}

/// What is added up of one view.
#[derive(Default)]
struct Adding {
    sum: Sum,
    trend: Vec<[f64; 3]>,
}

/// Those with requests in the window, the most expensive first.
fn views(store: &Store, seconds: u32) -> Vec<Row> {
    let steps = Steps::new(store.at, seconds, POINTS);
    let mut covered = 0.0;
    let mut spans = vec![0.0; steps.count];
    let mut views: Vec<Adding> = Vec::new();
    for sample in store.window(seconds.into()) {
        covered += sample.span;
        let step = steps.of(sample);
        if let Some(step) = step {
            spans[step] += sample.span;
        }
        for (place, slice) in &sample.views {
            let place = usize::from(*place);
            if views.len() <= place {
                views.resize_with(place + 1, Adding::default);
            }
            let adding = &mut views[place];
            adding.sum.add(slice);
            let Some(step) = step else { continue };
            adding.trend.resize(steps.count, [0.0; 3]);
            for (sum, more) in adding.trend[step].iter_mut().zip(states(&slice.times)) {
                *sum += more;
            }
        }
    }
    // A server that is younger than the window has less of a trend, not one that begins with nothing.
    let first = spans.iter().position(|span| *span > 0.0).unwrap_or(0);
    let mut rows: Vec<_> = views
        .into_iter()
        .enumerate()
        .filter(|(_, view)| view.sum.requests > 0)
        .map(|(place, mut view)| {
            view.trend.resize(steps.count, [0.0; 3]);
            let trend = view.trend.iter().zip(&spans).skip(first);
            let trend = trend.map(|(states, span)| states.map(|state| rounded(state / span.max(1.0)))).collect();
            Row::new(store.name(place as u16), &view.sum, covered, trend)
        })
        .collect();
    rows.sort_by(|one, other| {
        other.seconds_a_minute.total_cmp(&one.seconds_a_minute).then_with(|| one.name.cmp(&other.name))
    });
    rows
}

/// A window cut into steps of whole seconds that begin at whole multiples, so that a point stays what it was when the window moves on.
pub(crate) struct Steps {
    /// Seconds.
    pub(crate) length: u32,
    pub(crate) count: usize,
    /// The beginning of the first one, in seconds since 1970.
    pub(crate) start: f64,
}

impl Steps {
    /// At most `most`, the last of which has `now` in it.
    pub(crate) fn new(now: f64, seconds: u32, most: usize) -> Self {
        let length = seconds.div_ceil(most as u32).max(1);
        let count = seconds.div_ceil(length) as usize;
        let each = f64::from(length);
        Self { length, count, start: (now / each).floor() * each - each * (count - 1) as f64 }
    }

    /// Which one a second is in; `None`: before the first.
    #[expect(clippy::cast_sign_loss, reason = "looked at before")]
    pub(crate) fn of(&self, sample: &Sample) -> Option<usize> {
        let step = ((sample.at - self.start) / f64::from(self.length)).floor();
        // A clock that was set may put a second behind the last step.
        (step >= 0.0).then(|| (step as usize).min(self.count - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_stay_where_they_are_when_the_window_moves_on() {
        let steps = Steps::new(1003.5, 900, 180);
        assert_eq!((steps.length, steps.count, steps.start), (5, 180, 105.0));
        let sample = |at| Sample { at, span: 1.0, views: Vec::new() };
        assert_eq!(steps.of(&sample(1003.5)), Some(179));
        assert_eq!(steps.of(&sample(999.9)), Some(178));
        assert_eq!(steps.of(&sample(105.0)), Some(0));
        assert_eq!(steps.of(&sample(104.0)), None);
        let later = Steps::new(1004.5, 900, 180);
        assert_eq!(later.start.total_cmp(&steps.start), std::cmp::Ordering::Equal);
    }
}
