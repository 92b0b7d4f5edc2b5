//! One slow request in the Trace Event Format, which <https://ui.perfetto.dev> and Chrome's tracing page open.
//!
//! Times are whole microseconds since the request began: what is exact to more digits would be rounded by its readers, and slices that
//! touch would overlap.

use serde::Serialize;
use serde_json::{Map, Value, json};
use turnout_states::Span;

use crate::store::{Call, Slow};

/// The whole file.
#[derive(Debug, Serialize)]
pub(crate) struct Trace {
    #[serde(rename = "displayTimeUnit")]
    unit: &'static str,
    #[serde(rename = "otherData")]
    about: Value,
    #[serde(rename = "traceEvents")]
    events: Vec<Event>,
}

#[derive(Debug, Serialize)]
struct Event {
    name: String,
    ph: &'static str,
    pid: u64,
    tid: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cat: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// A colour of Chrome's page; Perfetto chooses its own by the name, so a state has one there too.
    #[serde(skip_serializing_if = "Option::is_none")]
    cname: Option<&'static str>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    args: Map<String, Value>,
}

/// The three states as slices: names, and the colours that Chrome's page has for threads that run, could run, and sleep.
const PROCESSING: (&str, &str) = ("Processing", "thread_state_running");
const CPU: (&str, &str) = ("Waiting for CPU", "thread_state_runnable");
const IO: (&str, &str) = ("Waiting for I/O", "thread_state_iowait");

/// Of that request, which was answered by this view.
pub(crate) fn trace(slow: &Slow, view: &str, version: &str) -> Trace {
    let mut events = Events { pid: slow.process, list: Vec::new() };
    events.metadata("process_name", 0, &format!("turnout worker {}", slow.worker));
    events.request(slow, view);
    for (place, call) in slow.calls.iter().enumerate() {
        events.call(place, call);
    }
    let mut threads: Vec<u32> = slow.spans.iter().map(|span| span.thread).collect();
    threads.sort_unstable();
    threads.dedup();
    for thread in threads {
        events.thread(thread, slow.spans.iter().filter(|span| span.thread == thread));
    }
    let about = json!({
        "turnout": version,
        "view": view,
        "began_unix_ns": slow.began.to_string(),
        "dropped_stretches": slow.dropped,
        "note": "The order of the states inside a step or a call is not known: only how much there was of each.",
    });
    Trace { unit: "ms", about, events: events.list }
}

struct Events {
    pid: u64,
    list: Vec<Event>,
}

impl Events {
    /// As one line above all others.
    fn request(&mut self, slow: &Slow, view: &str) {
        let mut args = Map::new();
        args.insert("status".into(), slow.status.into());
        for (name, time) in ["processing_us", "waiting_for_cpu_us", "waiting_for_io_us"].iter().zip(slow.times.states())
        {
            args.insert((*name).into(), microseconds(time).into());
        }
        self.asynchronous(view, "request", "request", 0..slow.times.wall(), args);
    }

    /// On a line of its own: calls may overlap in any way.
    fn call(&mut self, place: usize, call: &Call) {
        let mut args = Map::new();
        args.insert("address".into(), (*call.address).into());
        if let Some(site) = &call.site {
            args.insert("called from".into(), (**site).into());
        }
        let name = format!("{} {}", call.kind.word(), call.address);
        self.asynchronous(&name, call.kind.word(), &format!("call {place}"), call.began..call.ended, args);
    }

    /// Its stretches and, inside each, how much there was of each state. They do not overlap: a thread does one thing at a time.
    fn thread<'a>(&mut self, thread: u32, spans: impl Iterator<Item = &'a Span>) {
        // The loop runs on the first thread, whose number is that of the process. A number of 0 would be the idle one.
        let (tid, name) = match thread {
            0 => (self.pid, "loop".to_owned()),
            number => (number.into(), format!("thread {number}")),
        };
        self.metadata("thread_name", tid, &name);
        let (line, stretch) =
            if thread == 0 { ("in line for the loop", "step") } else { ("in line for a thread", "call") };
        let mut free = 0;
        for span in spans {
            let ready = microseconds(span.ready).max(free);
            let began = microseconds(span.began).max(free);
            let ended = microseconds(span.ended).max(began);
            if ready < began {
                let mut args = Map::new();
                args.insert("state".into(), if thread == 0 { CPU.0 } else { "Waiting for CPU or for I/O" }.into());
                self.slice(tid, (line, CPU.1), ready..began, args);
            }
            self.stretch(tid, stretch, began..ended, span);
            free = ended;
        }
    }

    fn stretch(&mut self, tid: u64, name: &'static str, time: std::ops::Range<u64>, span: &Span) {
        let (cpu, io) = (microseconds(span.waiting_for_cpu), microseconds(span.waiting_for_io));
        let states = [(PROCESSING, (time.end - time.start).saturating_sub(cpu + io)), (CPU, cpu), (IO, io)];
        let mut args = Map::new();
        args.insert("order of the states".into(), "not known".into());
        self.slice(tid, (name, "grey"), time.clone(), args);
        let mut from = time.start;
        for (state, took) in states {
            let to = (from + took).min(time.end);
            if to > from {
                self.slice(tid, state, from..to, Map::new());
            }
            from = to;
        }
    }

    fn slice(
        &mut self,
        tid: u64,
        (name, colour): (&str, &'static str),
        time: std::ops::Range<u64>,
        args: Map<String, Value>,
    ) {
        let event = self.event(name, "X", tid);
        self.list.push(Event {
            ts: Some(time.start),
            dur: Some(time.end - time.start),
            cat: Some("state"),
            cname: Some(colour),
            args,
            ..event
        });
    }

    /// `time` in nanoseconds. Begin before end, also where they are the same moment.
    fn asynchronous(
        &mut self,
        name: &str,
        cat: &'static str,
        id: &str,
        time: std::ops::Range<u64>,
        args: Map<String, Value>,
    ) {
        for (ph, at, args) in [("b", time.start, args), ("e", time.end.max(time.start), Map::new())] {
            let event = self.event(name, ph, self.pid);
            self.list.push(Event {
                ts: Some(microseconds(at)),
                cat: Some(cat),
                id: Some(id.to_owned()),
                args,
                ..event
            });
        }
    }

    fn metadata(&mut self, what: &str, tid: u64, name: &str) {
        let mut args = Map::new();
        args.insert("name".into(), name.into());
        let event = self.event(what, "M", if tid == 0 { self.pid } else { tid });
        self.list.push(Event { args, ..event });
    }

    fn event(&self, name: &str, ph: &'static str, tid: u64) -> Event {
        Event {
            name: name.to_owned(),
            ph,
            pid: self.pid,
            tid,
            ts: None,
            dur: None,
            cat: None,
            id: None,
            cname: None,
            args: Map::new(),
        }
    }
}

fn microseconds(nanoseconds: u64) -> u64 {
    (nanoseconds + 500) / 1000
}
