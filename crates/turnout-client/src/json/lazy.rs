//! A JSON value that is its bytes.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::index::{Fault, Kind, Limits, Node, index};
use super::pointer::{Pointer, element, elements, member, members};
use super::text::unescape;
use crate::cpu::Cpu;
use crate::error::{Error, Kind as ErrorKind};

/// Larger texts are indexed on [`Cpu`]: 64 KiB take 0.1 ms.
pub(super) const INLINE: usize = 64 << 10;

/// A value inside a text that is kept as it came. Cheap to clone, to look into and to send: nothing is copied.
#[derive(Clone)]
pub struct Lazy {
    document: Arc<Document>,
    at: u32,
}

struct Document {
    text: Bytes,
    /// Of what was put together here, made when somebody looks into it: usually it only goes to a socket.
    nodes: OnceLock<Vec<Node>>,
}

impl Lazy {
    /// The text as a whole is read and judged, here and now. A byte order mark before it is passed over.
    pub fn parse(text: Bytes, limits: Limits) -> Result<Self, Error> {
        let text = if text.starts_with(b"\xEF\xBB\xBF") { text.slice(3..) } else { text };
        if let Err(wrong) = std::str::from_utf8(&text) {
            let message = format!("the upstream's body is not JSON: byte {} is not UTF-8", wrong.valid_up_to());
            return Err(Error::new(ErrorKind::Json, message).caused_by(wrong));
        }
        let nodes = index(&text, limits).map_err(|fault: Fault| fault.told(&text))?;
        Ok(Self { document: Arc::new(Document { text, nodes: OnceLock::from(nodes) }), at: 0 })
    }

    /// As [`Lazy::parse`]; a large text is read on `cpu`.
    pub async fn parse_on(cpu: &Cpu, text: Bytes, limits: Limits) -> Result<Self, Error> {
        if text.len() <= INLINE {
            Self::parse(text, limits)
        } else {
            cpu.run(move || Self::parse(text, limits)).await?
        }
    }

    /// `text` was written by this module.
    pub(super) fn written(text: Vec<u8>) -> Self {
        Self { document: Arc::new(Document { text: text.into(), nodes: OnceLock::new() }), at: 0 }
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.node().kind
    }

    /// Its text, as the upstream wrote it.
    pub fn bytes(&self) -> Bytes {
        match self.document.nodes.get() {
            None => self.document.text.clone(),
            Some(nodes) => {
                let node = nodes[self.at as usize];
                self.document.text.slice(node.start as usize..node.end as usize)
            }
        }
    }

    /// What `pointer` leads to from here.
    pub fn pointer(&self, pointer: &Pointer) -> Option<Self> {
        pointer.find(self.text(), self.nodes(), self.at).map(|at| self.other(at))
    }

    /// The value under `name`, of an object.
    pub fn get(&self, name: &str) -> Option<Self> {
        (self.kind() == Kind::Object)
            .then(|| member(self.text(), self.nodes(), self.at, name))?
            .map(|at| self.other(at))
    }

    /// The value at `position`, of an array.
    pub fn at(&self, position: usize) -> Option<Self> {
        (self.kind() == Kind::Array).then(|| element(self.nodes(), self.at, position))?.map(|at| self.other(at))
    }

    /// The values of an array.
    pub fn elements(&self) -> Vec<Self> {
        let all = || elements(self.nodes(), self.at).map(|at| self.other(at)).collect();
        if self.kind() == Kind::Array { all() } else { Vec::new() }
    }

    /// How many values are in it: `None` where it is neither array nor object. A key that is there twice counts twice.
    pub fn len(&self) -> Option<usize> {
        match self.kind() {
            Kind::Array => Some(self.node().count().unwrap_or_else(|| elements(self.nodes(), self.at).count())),
            Kind::Object => Some(self.node().count().unwrap_or_else(|| members(self.nodes(), self.at).count())),
            _ => None,
        }
    }

    /// An array or object without anything in it.
    pub fn is_empty(&self) -> bool {
        self.node().next == self.at + 1
    }

    /// The names of an object, in the order of the text. Half a surrogate pair becomes U+FFFD.
    pub fn names(&self) -> Vec<String> {
        let named = |(key, _)| {
            let node: Node = self.nodes()[key as usize];
            let inner = &self.text()[node.start as usize + 1..node.end as usize - 1];
            let bytes = if node.kind == Kind::Escaped { unescape(inner).bytes } else { Cow::Borrowed(inner) };
            String::from_utf8_lossy(&bytes).into_owned()
        };
        if self.kind() == Kind::Object { members(self.nodes(), self.at).map(named).collect() } else { Vec::new() }
    }

    /// Everything around it too: what the positions of [`Node`] count in.
    pub fn text(&self) -> &[u8] {
        &self.document.text
    }

    /// The index of the whole text. This value is the node [`Lazy::position`].
    pub fn nodes(&self) -> &[Node] {
        self.document.nodes.get_or_init(|| {
            let limits = Limits { depth: usize::MAX, nodes: usize::MAX };
            index(&self.document.text, limits).expect("written here, and smaller than 4 GiB")
        })
    }

    /// See [`Lazy::nodes`].
    pub fn position(&self) -> u32 {
        self.at
    }

    pub(super) fn other(&self, at: u32) -> Self {
        Self { document: Arc::clone(&self.document), at }
    }

    fn node(&self) -> Node {
        self.nodes()[self.at as usize]
    }
}

impl fmt::Debug for Lazy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Lazy({} bytes)", self.bytes().len())
    }
}
