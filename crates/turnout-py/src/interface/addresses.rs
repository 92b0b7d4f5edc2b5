//! The text of IP addresses as Python objects: clients come again and again, and a proxy is one client.

use std::net::IpAddr;

use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PyString;
use rustc_hash::FxHashMap;

/// So many are remembered; then all are forgotten, so that those of today find room.
const MOST: usize = 1024;

static HOSTS: Mutex<Option<FxHashMap<IpAddr, Py<PyString>>>> = Mutex::new(None);

/// `127.0.0.1`, `::1`.
pub(super) fn host(py: Python<'_>, address: IpAddr) -> Bound<'_, PyString> {
    if let Some(known) = HOSTS.lock().get_or_insert_default().get(&address) {
        return known.bind(py).clone();
    }
    let host = PyString::new(py, &address.to_string());
    let known = host.clone().unbind();
    let forgotten = {
        let mut hosts = HOSTS.lock();
        let hosts = hosts.get_or_insert_default();
        let forgotten = (hosts.len() >= MOST).then(|| std::mem::take(hosts));
        hosts.insert(address, known);
        forgotten
    };
    drop(forgotten);
    host
}
