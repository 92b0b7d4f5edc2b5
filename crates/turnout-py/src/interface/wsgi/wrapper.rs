//! `wsgi.file_wrapper` (PEP 3333, "Optional Platform-Specific File Handling").

use pyo3::intern;
use pyo3::prelude::*;
use turnout_http::FileRange;

use crate::interface::file;

/// A file-like object as an iterable of blocks. Returned by the app as it is, a real file is sent by Rust.
#[pyclass(frozen, module = "turnout._turnout")]
pub(crate) struct FileWrapper {
    #[pyo3(get)]
    filelike: Py<PyAny>,
    #[pyo3(get)]
    blksize: usize,
}

impl FileWrapper {
    /// What Rust may send, from where the file stands. An app that promises a part sends a part.
    pub(super) fn range(&self, py: Python<'_>, promised: Option<u64>) -> PyResult<Option<FileRange>> {
        let range = file::range(self.filelike.bind(py))?;
        Ok(range.map(|range| match promised {
            Some(promised) => range.with_length(promised),
            None => range,
        }))
    }
}

#[pymethods]
impl FileWrapper {
    #[new]
    #[pyo3(signature = (filelike, blksize=8192))]
    fn new(filelike: Py<PyAny>, blksize: usize) -> Self {
        Self { filelike, blksize }
    }

    fn __iter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let block = self.filelike.bind(py).call_method1(intern!(py, "read"), (self.blksize,))?;
        Ok(if block.is_truthy()? { Some(block) } else { None })
    }

    /// Closes the file, if it can be closed.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        match self.filelike.bind(py).getattr_opt(intern!(py, "close"))? {
            Some(close) => close.call0().map(drop),
            None => Ok(()),
        }
    }
}
