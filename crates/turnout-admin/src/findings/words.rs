//! A finding as a sentence, and what to do about it as another.

use turnout_states::{Finding, NO_REQUEST};

use super::{About, Entry, Kind};

impl Entry {
    /// What was found, in one line.
    pub(crate) fn text(&self) -> String {
        // Names are the project's, and may be anything.
        self.sentence().replace(char::is_control, " ")
    }

    fn sentence(&self) -> String {
        let About { kind, view, other_view, what, .. } = &self.about;
        let view = match &**view {
            "" => "(no view)",
            NO_REQUEST => "Code that runs for no request",
            view => view,
        };
        let (times, how_long, worst) = (self.times(), span(self.typical()), self.worst());
        let at = self.at();
        match kind {
            Kind::Told(Finding::BlockedLoop) => {
                let what = if what.is_empty() { String::new() } else { format!(" It waited for {}.", thing(what)) };
                format!("{view} blocked the event loop for {how_long}{worst}, {times}{at}.{what}")
            }
            Kind::Told(Finding::LongStep) => {
                format!("{view} computed on the event loop for {how_long} without a break{worst}, {times}{at}.")
            }
            Kind::Told(Finding::KeptThread) => {
                format!("{view} kept a thread that it did not use for {how_long}{worst}, {times}: {what}.")
            }
            Kind::Told(Finding::InSequence) => format!(
                "{view} called upstreams {} times one after another{at}, the first of them {what}: together they would have been {how_long} \
                 faster{worst}. Seen {times}.",
                self.number
            ),
            Kind::Told(Finding::PoolQueue) => {
                format!("Calls of {view} waited {how_long} for a connection to {what}{worst}, {times}{at}.")
            }
            Kind::HungryNeighbour => format!(
                "{other_view} waited {how_long} a request for a processor{worst} while {view} used {} of one.",
                share(self.number)
            ),
            Kind::GilConvoy => format!(
                "Threads waited for the interpreter's lock up to {} times a second, {how_long} each time{worst}; most of all those of {view}.",
                self.number
            ),
            Kind::TooFewThreads => format!(
                "Requests of {view} were in line for {how_long}{worst} while every thread of the sync pool waited for something else. {} threads a worker would do.",
                self.number
            ),
        }
    }

    /// What to do about it.
    pub(crate) fn advice(&self) -> String {
        let text = match self.about.kind {
            Kind::Told(Finding::BlockedLoop) => {
                "Await it with an async library, or run it on a thread with sync_to_async; every other async request waits meanwhile."
            }
            Kind::Told(Finding::LongStep) => {
                "Move it to a thread with sync_to_async, or to a process if it takes long; every other async request waits meanwhile."
            }
            Kind::Told(Finding::KeptThread) => {
                "Make the named code async, or let it end before the view waits; until then --exclusive-threads limits how many such requests run at once."
            }
            Kind::Told(Finding::InSequence) => {
                "If no call needs the answer of another, send them together: turnout.http.gather in a sync view, agather in an async one."
            }
            Kind::Told(Finding::PoolQueue) => {
                "Raise the limit of the client's pool if the other side can take it, or call it less often at once; the guide names each client's limit."
            }
            Kind::HungryNeighbour => {
                "Add a worker with --workers, make the view that computes cheaper, or move its work out of the requests."
            }
            Kind::GilConvoy => {
                "More workers (--workers) share the work among interpreters; a smaller sys.setswitchinterval shortens each wait; less computing on threads ends it."
            }
            Kind::TooFewThreads => {
                return format!(
                    "Start with --threads {}, or make the views that wait async: they need no thread while they wait.",
                    self.number
                );
            }
        };
        text.to_owned()
    }

    fn times(&self) -> String {
        if self.count == 1 { "once".into() } else { format!("{} times", self.count) }
    }

    fn worst(&self) -> String {
        if self.worst > self.typical() { format!(" (at worst {})", span(self.worst)) } else { String::new() }
    }

    fn at(&self) -> String {
        let place = &self.about.place;
        if place.is_empty() { String::new() } else { format!(", at {place}") }
    }
}

/// What was waited for, in words where it is no address.
fn thing(what: &str) -> &str {
    match what {
        "sleep" => "a sleep",
        "lock" => "a lock",
        "file" => "a file",
        "socket" => "a socket",
        "process" => "another process",
        "other" => "the system",
        address => address,
    }
}

/// Nanoseconds as a person says them.
fn span(nanoseconds: u64) -> String {
    let milliseconds = nanoseconds as f64 / 1e6;
    if milliseconds >= 1000.0 {
        format!("{:.1} s", milliseconds / 1e3)
    } else if milliseconds >= 100.0 {
        format!("{milliseconds:.0} ms")
    } else {
        format!("{milliseconds:.1} ms")
    }
}

fn share(per_mille: u64) -> String {
    format!("{:.0} %", per_mille as f64 / 10.0)
}
