//! How exact each state is on this machine, found out at the start: for the line that the server prints, and for whoever reads the figures.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use pyo3::intern;
use pyo3::prelude::*;
use turnout_config::Accounting;
use turnout_states::Probe;

use super::meter::Meter;
use crate::raw::{self, Gil};

/// A thread that asks for the GIL waits for it within this time, if the system lets it run at all. Nearly always within one millisecond.
const PATIENCE: Duration = Duration::from_secs(5);

/// How waiting for the GIL is known.
#[derive(Debug, Clone)]
pub(crate) enum GilRung {
    /// Each wait is timed.
    Exact(Gil),
    /// It is looked for, a hundred times a second.
    Sampled,
    /// It counts as Waiting for I/O, because of this.
    Unknown(&'static str),
}

/// What stands on which rung.
#[derive(Debug, Clone)]
pub(crate) struct Rungs {
    /// The run queue is known exactly, else it counts as Waiting for I/O.
    pub(crate) run_queue: bool,
    pub(crate) gil: GilRung,
    /// Why it is not timed although that was asked for.
    why_not: Option<&'static str>,
}

impl Rungs {
    /// One phrase a state, and why one is not better.
    pub(crate) fn told(&self) -> Vec<String> {
        let why_gil = match &self.gil {
            GilRung::Exact(_) => None,
            GilRung::Sampled => self.why_not,
            GilRung::Unknown(why) => Some(*why),
        };
        let why_run_queue = (!self.run_queue).then_some("no schedstat here");
        let because = |(phrase, why): (String, Option<&str>)| match why {
            Some(why) => format!("{phrase} ({why})"),
            None => phrase,
        };
        in_words(self.number()).into_iter().zip([None, why_run_queue, why_gil, None]).map(because).collect()
    }

    fn number(&self) -> u64 {
        let gil = match self.gil {
            GilRung::Exact(_) => GIL_EXACT,
            GilRung::Sampled => GIL_SAMPLED,
            GilRung::Unknown(_) => 0,
        };
        KNOWN | gil | if self.run_queue { RUN_QUEUE } else { 0 }
    }
}

/// Bits of [`number`]: it was found out, the run queue is known, the GIL is timed, the GIL is looked for.
const KNOWN: u64 = 1;
const RUN_QUEUE: u64 = 2;
const GIL_EXACT: u64 = 4;
const GIL_SAMPLED: u64 = 8;

/// Where it stands, for the board; 0: nothing is accounted for.
pub(crate) fn number() -> u64 {
    super::views().and_then(|_| found()).map_or(0, Rungs::number)
}

/// Nanoseconds after which a thread that waits for the GIL asks for it; 0: not known.
pub(crate) fn switch_interval() -> u64 {
    match found().map(|rungs| &rungs.gil) {
        Some(GilRung::Exact(gil)) => gil.interval() * 1000,
        _ => 0,
    }
}

/// What [`number`] gave in another process, one phrase a state. Why it is not better is that process' to say.
pub(crate) fn in_words(number: u64) -> Vec<String> {
    if number & KNOWN == 0 {
        return vec!["accounting off".into()];
    }
    let run_queue = if number & RUN_QUEUE != 0 { "run queue exact" } else { "run queue unknown" };
    let gil = match number & (GIL_EXACT | GIL_SAMPLED) {
        GIL_EXACT => "gil exact",
        GIL_SAMPLED => "gil sampled",
        _ => "gil unknown",
    };
    ["cpu exact", run_queue, gil, "loop exact"].map(str::to_owned).into()
}

static RUNGS: OnceLock<Rungs> = OnceLock::new();

/// Where it stands, if that was found out.
pub(crate) fn found() -> Option<&'static Rungs> {
    RUNGS.get()
}

/// Finds out where it stands, once a process: on the loop's thread, with the GIL.
pub(super) fn stand(py: Python<'_>, how: Accounting) -> &'static Rungs {
    RUNGS.get_or_init(|| {
        let run_queue = Meter::of_this_thread().is_some_and(|meter| meter.clocks().know_the_run_queue());
        let exact = if how == Accounting::Exact { calibrate(py).map_err(Some) } else { Err(None) };
        match exact {
            Ok(gil) => Rungs { run_queue, gil: GilRung::Exact(gil), why_not: None },
            Err(why_not) => Rungs { run_queue, gil: sampled(), why_not },
        }
    })
}

fn sampled() -> GilRung {
    match (raw::py_runtime_range(), Probe::for_this_thread()) {
        (Some(_), Ok(_)) => GilRung::Sampled,
        (None, _) => GilRung::Unknown("the interpreter hides where its state lies"),
        (_, Err(_)) => GilRung::Unknown("the system does not say what threads wait for"),
    }
}

/// Exchanges the interpreter's wait for the timed one and looks whether it sees a thread wait that certainly does.
fn calibrate(py: Python<'_>) -> Result<Gil, &'static str> {
    let runtime = raw::py_runtime_range().ok_or("the interpreter hides where its state lies")?;
    raw::watch_gil(runtime)?;
    let interval = interval(py).ok_or("the switch interval cannot be read")?;
    let waits = std::thread::Builder::new().name("turnout-calibrate".into()).spawn(|| {
        let meter = Meter::of_this_thread();
        Python::attach(|_| ());
        meter.map_or(0, Meter::gil_waits)
    });
    let waits = waits.map_err(|_| "no thread could be started to try it")?;
    let until = Instant::now() + PATIENCE;
    let gil = loop {
        // This thread has the GIL, so the other one waits for it.
        if let Some(gil) = Gil::find(interval) {
            break Ok(gil);
        }
        if Instant::now() >= until {
            break Err("the interpreter waits for it in a way that is not known");
        }
        std::thread::sleep(Duration::from_micros(50));
    };
    // It is timed too, not only seen.
    match (gil, py.detach(|| waits.join())) {
        (Ok(gil), Ok(waited)) if waited > 0 => Ok(gil),
        (Ok(_), _) => Err("a wait for it was not timed"),
        (Err(why), _) => Err(why),
    }
}

fn interval(py: Python<'_>) -> Option<u64> {
    let seconds: f64 =
        py.import(intern!(py, "sys")).ok()?.call_method0(intern!(py, "getswitchinterval")).ok()?.extract().ok()?;
    #[expect(clippy::cast_sign_loss, reason = "it is not negative")]
    Some((seconds * 1e6).round() as u64)
}
