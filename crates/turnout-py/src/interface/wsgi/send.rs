//! What a WSGI application returned, sent: a list whole, a file by Rust, anything else piece by piece as it comes.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use super::start::{More, StartResponse, bytes};
use super::wrapper::FileWrapper;

/// Several pieces that exist already are sent as one answer of known length up to this size; more would be copied for long.
const JOINED: usize = 256 * 1024;

pub(super) fn send(start: &Bound<'_, StartResponse>, result: &Bound<'_, PyAny>) -> PyResult<()> {
    if let Ok(wrapper) = result.cast::<FileWrapper>() {
        let py = result.py();
        if start.borrow_mut().finish_with_file(|promised| wrapper.get().range(py, promised))? {
            return Ok(());
        }
    }
    if send_whole(start, result)? { Ok(()) } else { send_pieces(start, result) }
}

/// A list or tuple whose pieces are all there.
fn send_whole(start: &Bound<'_, StartResponse>, result: &Bound<'_, PyAny>) -> PyResult<bool> {
    if !start.borrow().is_ready() {
        return Ok(false);
    }
    let list = if let Ok(list) = result.cast_exact::<PyList>() {
        if list.len() == 1 {
            start.borrow_mut().finish(bytes(&list.get_item(0)?)?.as_bytes())?;
            return Ok(true);
        }
        list.to_tuple()
    } else if let Ok(tuple) = result.cast_exact::<PyTuple>() {
        tuple.clone()
    } else {
        return Ok(false);
    };
    let mut joined = Vec::new();
    for piece in list.iter() {
        let piece = bytes(&piece)?.as_bytes();
        if joined.len() + piece.len() > JOINED {
            return Ok(false);
        }
        joined.extend_from_slice(piece);
    }
    start.borrow_mut().finish(&joined)?;
    Ok(true)
}

fn send_pieces(start: &Bound<'_, StartResponse>, result: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = result.py();
    // Whoever says that there is one piece tells its length by it (PEP 3333, "Handling the Content-Length Header").
    let mut is_one = result.hasattr(intern!(py, "__len__"))? && result.len()? == 1;
    let mut held: Option<Bound<'_, PyBytes>> = None;
    for piece in result.try_iter()? {
        let piece = piece?;
        let piece = bytes(&piece)?;
        let mut start = start.borrow_mut();
        if is_one && start.is_unanswered() {
            held = Some(piece.clone());
            is_one = false;
            continue;
        }
        if let Some(first) = held.take() {
            start.piece(py, first.as_bytes())?;
        }
        if start.piece(py, piece.as_bytes())? == More::Unwanted {
            break;
        }
    }
    let last = held.as_ref().map_or(&b""[..], |last| last.as_bytes());
    start.borrow_mut().finish(last)
}
