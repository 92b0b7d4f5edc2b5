//! Python objects from JSON, a slice at a time: whoever has the GIL can give it away in between, and the loop can turn.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString};
use rustc_hash::FxHasher;
use std::hash::Hasher;
use turnout_client::json::{Kind, Lazy, Node, unescape};

use super::slice::Slice;
use crate::raw::{hide, is_shared, show, utf8, utf8_with_halves};

/// Between slices the GIL is away for so long. Less and who waits for it would not have woken up before it is taken again.
const PAUSE: Duration = Duration::from_micros(50);

/// A clock is looked at after so many values: one takes 20 to 100 ns, a look at the clock 25.
const CLOCK: usize = 64;

/// A string of so many bytes counts as another value.
const CLOCK_BYTES: usize = 1024;

/// Elements of an array that are kept aside before they go into its list: a list of known length is cheaper than one that grows, but
/// filling a very long one at the end would be a slice of its own.
const ASIDE: usize = 4096;

/// A long list that nobody has any more loses so many places at a time: its elements lie all over the memory, and some ten thousand at once
/// take a millisecond or two.
const PIECE: usize = 512;

/// So many places count as another value.
const PLACES: usize = 8;

/// Longer keys are rarely repeated.
const LONGEST_KEPT_KEY: usize = 48;

/// So many digits always fit an `i64`.
const SMALL_DIGITS: usize = 18;

/// Places for keys that were made before. Objects of one kind repeat theirs.
const KEYS: usize = 256;

/// Makes the object of a JSON value, in as many steps as its caller likes. Holds Python objects: drop it with the GIL.
pub(crate) struct Builder {
    json: Lazy,
    /// The next node.
    at: u32,
    /// Behind the last one.
    end: u32,
    frames: Vec<Frame>,
    /// Values of arrays that are not whole yet, and in the end the one value.
    values: Vec<Py<PyAny>>,
    keys: Vec<Option<(Node, Py<PyString>)>>,
    parse_float: Option<Py<PyAny>>,
    /// `None`: nothing is hidden.
    hidden: Option<Hidden>,
}

/// An array or object around the next node.
struct Frame {
    end: u32,
    made: Made,
}

enum Made {
    /// From where in `values` on its own begin; those before are in the list.
    List {
        list: Option<Py<PyList>>,
        base: usize,
    },
    Dict {
        dict: Py<PyDict>,
        key: Option<Py<PyString>>,
    },
}

impl Builder {
    /// `parse_float` gets the text of each number that is no integer, as `json.loads` has it.
    pub(crate) fn new(json: Lazy, parse_float: Option<Py<PyAny>>) -> Self {
        let at = json.position();
        let end = json.nodes()[at as usize].next;
        let places = ((end - at) as usize / 2).next_power_of_two().min(KEYS);
        let keys = std::iter::repeat_with(|| None).take(places).collect();
        Self { json, at, end, frames: Vec::new(), values: Vec::new(), keys, parse_float, hidden: None }
    }

    /// For objects that are made while an event loop turns. Each hundredth of them starts Python's collector, which goes through those that
    /// are there already again and again, and finds nothing: JSON has no cycles. They are hidden from it meanwhile.
    pub(crate) fn hiding(json: Lazy, parse_float: Option<Py<PyAny>>) -> Self {
        Self { hidden: Some(Hidden::default()), ..Self::new(json, parse_float) }
    }

    /// What is to be worked off once the value is handed over.
    pub(crate) fn into_hidden(self) -> Hidden {
        self.hidden.unwrap_or_default()
    }

    /// Works until the value is there or a slice is over. `None`: call again.
    pub(super) fn step(&mut self, py: Python<'_>, mut slice: Slice) -> PyResult<Option<Py<PyAny>>> {
        let json = self.json.clone();
        let (text, nodes) = (json.text(), json.nodes());
        let mut work = 0;
        while self.at < self.end {
            let node = nodes[self.at as usize];
            self.at += 1;
            if let Some(Frame { made: Made::Dict { key: key @ None, .. }, .. }) = self.frames.last_mut() {
                *key = Some(key_of(&mut self.keys, py, text, node)?);
                continue;
            }
            let inside = node.next > self.at;
            match node.kind {
                Kind::Array if inside => {
                    let made = Made::List { list: None, base: self.values.len() };
                    self.frames.push(Frame { end: node.next, made });
                    continue;
                }
                Kind::Object if inside => {
                    let made = Made::Dict { dict: PyDict::new(py).unbind(), key: None };
                    self.frames.push(Frame { end: node.next, made });
                    continue;
                }
                _ => {}
            }
            let value = self.leaf(py, text, node)?;
            if let (Some(hidden), Kind::Array) = (&mut self.hidden, node.kind) {
                hidden.add(value.bind(py));
            }
            self.put(py, value)?;
            while self.frames.last().is_some_and(|frame| frame.end == self.at) {
                let frame = self.frames.pop().map(|frame| frame.made);
                let whole = match frame {
                    Some(Made::Dict { dict, .. }) => dict.into_any(),
                    Some(Made::List { list: None, base }) => {
                        PyList::new(py, self.values.drain(base..))?.into_any().unbind()
                    }
                    Some(Made::List { list: Some(list), base }) => {
                        append(py, &list, &mut self.values, base)?;
                        list.into_any()
                    }
                    None => break,
                };
                if let Some(hidden) = &mut self.hidden {
                    hidden.add(whole.bind(py));
                }
                self.put(py, whole)?;
            }
            work += 1 + (node.end - node.start) as usize / CLOCK_BYTES;
            if work >= CLOCK {
                work = 0;
                if self.at < self.end && slice.is_over(py) {
                    return Ok(None);
                }
            }
        }
        Ok(self.values.pop())
    }

    #[inline]
    fn put(&mut self, py: Python<'_>, value: Py<PyAny>) -> PyResult<()> {
        match self.frames.last_mut().map(|frame| &mut frame.made) {
            Some(Made::Dict { dict, key }) => dict.bind(py).set_item(key.take(), value),
            Some(Made::List { list, base }) if self.values.len() - *base >= ASIDE => {
                let list = if let Some(list) = list {
                    list
                } else {
                    let empty = PyList::empty(py);
                    if let Some(hidden) = &mut self.hidden {
                        hidden.add(empty.as_any());
                    }
                    list.insert(empty.unbind())
                };
                append(py, list, &mut self.values, *base)?;
                self.values.push(value);
                Ok(())
            }
            _ => {
                self.values.push(value);
                Ok(())
            }
        }
    }

    fn leaf(&self, py: Python<'_>, text: &[u8], node: Node) -> PyResult<Py<PyAny>> {
        Ok(match node.kind {
            Kind::Null => py.None(),
            Kind::False => PyBool::new(py, false).to_owned().into_any().unbind(),
            Kind::True => PyBool::new(py, true).to_owned().into_any().unbind(),
            Kind::Int => integer(py, text, node)?,
            Kind::Float => {
                let number = number(text, node);
                match &self.parse_float {
                    None => PyFloat::new(py, number.parse().unwrap_or(f64::NAN)).into_any().unbind(),
                    Some(parse) => parse.call1(py, (number,))?,
                }
            }
            Kind::Plain | Kind::Escaped => string(py, text, node)?.into_any().unbind(),
            Kind::Array => PyList::empty(py).into_any().unbind(),
            Kind::Object => PyDict::new(py).into_any().unbind(),
        })
    }
}

/// Containers that the collector does not see, the outermost last. To be worked off: what somebody has by then is shown to it, what nobody has
/// is freed, one after another, for each is held here too. At the latest when this is dropped; with the GIL, as all of it.
#[derive(Default)]
pub(crate) struct Hidden(Vec<Py<PyAny>>);

impl Hidden {
    fn add(&mut self, container: &Bound<'_, PyAny>) {
        if hide(container) {
            self.0.push(container.clone().unbind());
        }
    }

    /// For a slice of time. True: that was the last of it.
    pub(crate) fn work_off(&mut self, py: Python<'_>) -> bool {
        let mut slice = Slice::begin();
        while !self.0.is_empty() {
            let mut work = 0;
            while work < CLOCK {
                let Some(container) = self.0.pop() else { return true };
                if shorten(py, &container) {
                    self.0.push(container);
                    work += PIECE / PLACES;
                } else {
                    leave(py, container);
                    work += 1;
                }
            }
            if slice.is_over(py) {
                break;
            }
        }
        self.0.is_empty()
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if !self.0.is_empty() {
            Python::attach(|py| {
                while let Some(container) = self.0.pop() {
                    leave(py, container);
                }
            });
        }
    }
}

/// True: it is a long list that nobody has, and lost its last places.
fn shorten(py: Python<'_>, container: &Py<PyAny>) -> bool {
    let Ok(list) = container.bind(py).cast::<PyList>() else { return false };
    let length = list.len();
    length > PIECE && !is_shared(list) && list.del_slice(length - PIECE, length).is_ok()
}

fn leave(py: Python<'_>, container: Py<PyAny>) {
    let container = container.into_bound(py);
    if is_shared(&container) {
        show(&container);
    }
}

/// The whole object at once, on a thread that may block: large ones give the GIL away between slices.
pub(crate) fn build(py: Python<'_>, json: Lazy, parse_float: Option<Py<PyAny>>) -> PyResult<Py<PyAny>> {
    let mut builder = Builder::new(json, parse_float);
    loop {
        if let Some(value) = builder.step(py, Slice::alone())? {
            return Ok(value);
        }
        py.detach(|| std::thread::sleep(PAUSE));
    }
}

fn append(py: Python<'_>, list: &Py<PyList>, values: &mut Vec<Py<PyAny>>, base: usize) -> PyResult<()> {
    let list = list.bind(py);
    values.drain(base..).try_for_each(|value| list.append(value))
}

/// The key at `node`, made once for all objects that have it where that is likely to pay.
fn key_of(
    keys: &mut [Option<(Node, Py<PyString>)>],
    py: Python<'_>,
    text: &[u8],
    node: Node,
) -> PyResult<Py<PyString>> {
    let slice = |node: Node| &text[node.start as usize..node.end as usize];
    let key = slice(node);
    if key.len() > LONGEST_KEPT_KEY {
        return Ok(string(py, text, node)?.unbind());
    }
    let mut hasher = FxHasher::default();
    hasher.write(key);
    let place = hasher.finish() as usize & (keys.len() - 1);
    if let Some((kept, string)) = &keys[place]
        && slice(*kept) == key
    {
        return Ok(string.clone_ref(py));
    }
    let made = string(py, text, node)?.unbind();
    keys[place] = Some((node, made.clone_ref(py)));
    Ok(made)
}

fn string<'py>(py: Python<'py>, text: &[u8], node: Node) -> PyResult<Bound<'py, PyString>> {
    let inner = &text[node.start as usize + 1..node.end as usize - 1];
    if node.kind == Kind::Plain {
        return utf8(py, inner);
    }
    let unescaped = unescape(inner);
    if unescaped.lone { utf8_with_halves(py, &unescaped.bytes) } else { utf8(py, &unescaped.bytes) }
}

fn number(text: &[u8], node: Node) -> &str {
    std::str::from_utf8(&text[node.start as usize..node.end as usize])
        .expect("a number is ASCII, or the index had refused it")
}

fn integer(py: Python<'_>, text: &[u8], node: Node) -> PyResult<Py<PyAny>> {
    let digits = &text[node.start as usize..node.end as usize];
    let (negative, digits) = match digits {
        [b'-', digits @ ..] => (true, digits),
        _ => (false, digits),
    };
    if digits.len() > SMALL_DIGITS {
        // Python's own limit on digits holds here as it does in json.loads.
        return Ok(py.get_type::<PyInt>().call1((number(text, node),))?.unbind());
    }
    let size = digits.iter().fold(0, |size: i64, digit| size * 10 + i64::from(digit - b'0'));
    Ok((if negative { -size } else { size }).into_pyobject(py)?.into_any().unbind())
}
