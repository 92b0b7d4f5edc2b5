//! `/metrics`: the sums of views and what workers say of themselves, in the OpenMetrics text format (version 1.0.0).
//!
//! Names, units and labels are a promise: dashboards of others are made from them. docs/guide/admin.md lists them.

use std::fmt::Write as _;

use turnout_states::{Kind, Worker};

use crate::store::{LIMITS, Seat, State, Store, Totals, number, states};

/// What a collector is told that this is.
pub(crate) const KIND: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Names of the parts, with the state that each belongs to, in the order of [`turnout_states::Times::parts`].
const PARTS: [(&str, &str); 8] = [
    ("processing", "processing"),
    ("cpu", "run_queue"),
    ("cpu", "gil"),
    ("cpu", "loop_queue"),
    ("cpu", "no_thread_cpu"),
    ("io", "no_thread_io"),
    ("io", "client"),
    ("io", "io"),
];

/// A sum of one view.
type Count = fn(&Totals) -> u64;

/// All of them. `streams`: how many pages are open.
pub(crate) fn metrics(store: &Store, version: &str, streams: usize) -> String {
    let mut text = Text::default();
    text.family("turnout", "info", "", "The version that serves.");
    text.sample("_info", &[("version", version)], 1.0);
    views(&mut text, store);
    workers(&mut text, store);
    text.family("turnout_worker_deaths", "counter", "", "Workers that ended without being told to.");
    text.sample("_total", &[], store.deaths as f64);
    text.family("turnout_findings", "counter", "", "What was noticed, by what it is and by view.");
    for (finding, view, count) in store.findings.totals() {
        text.sample("_total", &[("finding", finding), ("view", view)], count as f64);
    }
    text.family("turnout_admin_streams", "gauge", "", "Open streams of the admin socket.");
    text.sample("", &[], streams as f64);
    text.end()
}

fn views(text: &mut Text, store: &Store) {
    let counters: [(&str, &str, Count); 3] = [
        ("turnout_view_requests", "Requests that have ended.", |totals| totals.requests),
        ("turnout_view_failed", "Of those, answered with 500 or above, or not at all.", |totals| totals.failed),
        ("turnout_view_clamped", "Requests whose readings had to be cut down to their time.", |totals| totals.clamped),
    ];
    for (name, help, of) in counters {
        text.family(name, "counter", "", help);
        for (view, totals) in store.totals() {
            text.sample("_total", &[("view", view)], of(totals) as f64);
        }
    }
    text.family(
        "turnout_view_time_seconds",
        "counter",
        "seconds",
        "Time of requests by state, and by what it consists of.",
    );
    for (view, totals) in store.totals() {
        for ((state, part), nanoseconds) in PARTS.iter().zip(totals.times.parts()) {
            let labels = [("view", view), ("state", *state), ("part", *part)];
            text.sample("_total", &labels, nanoseconds as f64 / 1e9);
        }
    }
    text.family(
        "turnout_view_calls_seconds",
        "counter",
        "seconds",
        "Time of calls by what they were for; those of one request side by side count once.",
    );
    for (view, totals) in store.totals() {
        for (kind, nanoseconds) in Kind::ALL.iter().zip(totals.kinds) {
            text.sample("_total", &[("view", view), ("kind", kind.word())], nanoseconds as f64 / 1e9);
        }
    }
    text.family(
        "turnout_view_duration_seconds",
        "histogram",
        "seconds",
        "Time of a request, from its first byte to its end.",
    );
    for (view, totals) in store.totals() {
        histogram(text, totals, 0, states(&totals.times).iter().sum(), &[("view", view)]);
    }
    text.family("turnout_view_state_seconds", "histogram", "seconds", "Time of a request in one state.");
    for (view, totals) in store.totals() {
        for (place, (state, sum)) in ["processing", "cpu", "io"].into_iter().zip(states(&totals.times)).enumerate() {
            histogram(text, totals, place + 1, sum, &[("view", view), ("state", state)]);
        }
    }
}

fn histogram(text: &mut Text, totals: &Totals, place: usize, sum: f64, labels: &[(&str, &str)]) {
    let counts = totals.cumulated(place);
    for (limit, count) in LIMITS.iter().map(Some).chain([None]).zip(counts) {
        // A number in the form that the format wants: 1.0, not 1.
        let limit = limit.map_or_else(|| "+Inf".to_owned(), |limit| format!("{limit:?}"));
        let labels: Vec<_> = labels.iter().copied().chain([("le", limit.as_str())]).collect();
        text.sample("_bucket", &labels, count as f64);
    }
    text.sample("_count", labels, counts[LIMITS.len()] as f64);
    text.sample("_sum", labels, sum);
}

fn workers(text: &mut Text, store: &Store) {
    text.family("turnout_workers", "gauge", "", "Workers by how they do.");
    for state in State::ALL {
        let count = store.seats.iter().filter(|seat| seat.state(store.at) == state).count();
        text.sample("", &[("state", state.word())], count as f64);
    }
    let told: Vec<_> = store
        .seats
        .iter()
        .enumerate()
        .filter_map(|(index, seat): (usize, &Seat)| Some((number(index).to_string(), seat.last()?)))
        .collect();
    for Gauge { name, unit, help, of } in GAUGES {
        text.family(name, "gauge", unit, help);
        for (number, worker) in &told {
            text.sample("", &[("worker", number)], of(worker));
        }
    }
    for Gauge { name, unit, help, of } in COUNTERS {
        text.family(name, "counter", unit, help);
        for (number, worker) in &told {
            text.sample("_total", &[("worker", number)], of(worker));
        }
    }
}

/// One figure of a worker.
struct Gauge {
    name: &'static str,
    unit: &'static str,
    help: &'static str,
    of: fn(&Worker) -> f64,
}

const fn figure(name: &'static str, unit: &'static str, help: &'static str, of: fn(&Worker) -> f64) -> Gauge {
    Gauge { name, unit, help, of }
}

#[rustfmt::skip]
const GAUGES: &[Gauge] = &[
    figure("turnout_worker_start_time_seconds", "seconds", "When it began, since 1970.", |it| it.began as f64 / 1e3),
    figure("turnout_worker_written_time_seconds", "seconds", "When it wrote last, since 1970.", |it| it.written as f64 / 1e3),
    figure("turnout_worker_in_flight", "", "Requests accepted and not yet answered.", |it| it.in_flight as f64),
    figure("turnout_worker_threads", "", "Threads of the sync pool.", |it| it.threads as f64),
    figure("turnout_worker_threads_busy", "", "Of those, at work.", |it| it.threads_busy as f64),
    figure("turnout_worker_threads_most", "", "The most there may be.", |it| it.threads_most as f64),
    figure("turnout_worker_queued", "", "Requests that wait for a thread.", |it| it.queued as f64),
    figure("turnout_worker_loop_step_seconds", "seconds", "How long the loop has been in its present step.", |it| it.step_now as f64 / 1e9),
    figure("turnout_worker_memory_bytes", "bytes", "Resident memory.", |it| it.memory as f64),
];

#[rustfmt::skip]
const COUNTERS: &[Gauge] = &[
    figure("turnout_worker_cpu_seconds", "seconds", "Processor time.", |it| it.cpu as f64 / 1e9),
    figure("turnout_worker_loop_steps", "", "Steps of the loop.", |it| it.steps as f64),
    figure("turnout_worker_loop_busy_seconds", "seconds", "Time in steps of the loop.", |it| it.steps_ran as f64 / 1e9),
    figure("turnout_worker_loop_queue_seconds", "seconds", "Time that steps were ready before they ran.", |it| it.steps_queued as f64 / 1e9),
    figure("turnout_worker_loop_overhead_seconds", "seconds", "Time in steps of no request.", |it| it.overhead as f64 / 1e9),
    figure("turnout_worker_gil_looks", "", "Looks at the interpreter's lock.", |it| it.gil_looks as f64),
    figure("turnout_worker_gil_held", "", "Of those, found it taken.", |it| it.gil_held as f64),
    figure("turnout_worker_gil_switches", "", "How often the interpreter's lock changed hands.", |it| it.gil_switches as f64),
];

/// The format: families one after another, each with its samples.
#[derive(Default)]
struct Text {
    text: String,
    name: &'static str,
}

impl Text {
    fn family(&mut self, name: &'static str, kind: &str, unit: &str, help: &str) {
        self.name = name;
        // A string's write cannot fail, here and below.
        let _ = writeln!(self.text, "# TYPE {name} {kind}");
        if !unit.is_empty() {
            let _ = writeln!(self.text, "# UNIT {name} {unit}");
        }
        let _ = writeln!(self.text, "# HELP {name} {help}");
    }

    fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: f64) {
        let _ = write!(self.text, "{}{suffix}", self.name);
        for (place, (name, value)) in labels.iter().enumerate() {
            let _ = write!(self.text, "{}{name}=\"", if place == 0 { '{' } else { ',' });
            self.escape(value);
            self.text.push('"');
        }
        let _ = writeln!(self.text, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    /// A value may be anything; these three would end it, or its line.
    fn escape(&mut self, value: &str) {
        for letter in value.chars() {
            match letter {
                '\\' => self.text.push_str("\\\\"),
                '"' => self.text.push_str("\\\""),
                '\n' => self.text.push_str("\\n"),
                other => self.text.push(other),
            }
        }
    }

    fn end(mut self) -> String {
        self.text.push_str("# EOF\n");
        self.text
    }
}
