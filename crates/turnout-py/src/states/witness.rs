//! What `turnout.testing.watch` sees: requests of this process, one by one. The rest is `turnout_states::witness`.

use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use turnout_states::{CALLS, Kind, Times, Witnesses};

/// All who watch requests of this process.
pub(super) static WITNESSES: Witnesses = Witnesses::new();

/// See `_states.pyi`. Dropping it ends the watch.
#[pyclass(frozen, module = "turnout._turnout")]
pub(crate) struct Witness(Arc<turnout_states::Witness>);

/// View, status, seconds by part; calls and seconds by kind.
type Row = (String, u16, [f64; Times::PARTS], [(u32, f64); CALLS]);

#[pymethods]
impl Witness {
    #[new]
    fn new() -> Self {
        Self(WITNESSES.join())
    }

    /// The words for the kinds of calls, in the order in which `seen` has them.
    #[classattr]
    #[pyo3(name = "KINDS")]
    fn kinds() -> [&'static str; CALLS] {
        std::array::from_fn(|kind| Kind::ALL[kind].word())
    }

    /// From now on no more requests.
    fn leave(&self) {
        WITNESSES.leave(&self.0);
    }

    /// Waits so many seconds at most until all have ended that have begun. How many have not.
    fn wait(&self, py: Python<'_>, seconds: f64) -> PyResult<usize> {
        let most = Duration::try_from_secs_f64(seconds).map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(py.detach(|| self.0.wait(most)))
    }

    /// Those that have ended, and how many more there were than are kept.
    fn seen(&self) -> (Vec<Row>, u64) {
        let seconds = |nanoseconds: u64| nanoseconds as f64 / 1e9;
        let (seen, more) = self.0.seen();
        let rows = seen.into_iter().map(|one| {
            let kinds = std::array::from_fn(|kind| (one.calls[kind], seconds(one.kinds[kind])));
            (one.view.into(), one.status, one.times.parts().map(seconds), kinds)
        });
        (rows.collect(), more)
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.leave();
    }
}
