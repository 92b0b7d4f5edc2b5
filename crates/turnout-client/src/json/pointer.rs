//! A path to a value inside JSON (RFC 6901): `/data/offers/0/price`.

use std::fmt;

use super::index::{Kind, Node};
use super::text::unescape;
use crate::error::{Error, Kind as ErrorKind};

/// See the module. The default is the whole document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pointer {
    tokens: Box<[Box<str>]>,
}

impl Pointer {
    /// `""` is the whole; else every step begins with `/`, and `~1` and `~0` stand for `/` and `~` in a name.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |why: &str| Err(Error::new(ErrorKind::Json, format!("{text:?} is no JSON pointer: {why}")));
        if text.is_empty() {
            return Ok(Self::default());
        }
        let Some(rest) = text.strip_prefix('/') else { return wrong("it must be empty or begin with '/'") };
        let mut tokens = Vec::new();
        for token in rest.split('/') {
            if token.split('~').skip(1).any(|behind| !behind.starts_with(['0', '1'])) {
                return wrong("'~' must be written '~0'");
            }
            tokens.push(token.replace("~1", "/").replace("~0", "~").into_boxed_str());
        }
        Ok(Self { tokens: tokens.into() })
    }

    /// The names of the steps.
    pub fn tokens(&self) -> &[Box<str>] {
        &self.tokens
    }

    /// Where it leads from the node at `from`.
    pub(super) fn find(&self, text: &[u8], nodes: &[Node], from: u32) -> Option<u32> {
        follow(text, nodes, from, &self.tokens)
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tokens.iter().try_for_each(|token| write!(formatter, "/{}", token.replace('~', "~0").replace('/', "~1")))
    }
}

/// Where the steps lead from the node at `from`.
pub(super) fn follow(text: &[u8], nodes: &[Node], from: u32, tokens: &[Box<str>]) -> Option<u32> {
    tokens.iter().try_fold(from, |at, token| step(text, nodes, at, token))
}

/// One step: a name of an object, of which the last counts if it is there twice, or a number of an array.
fn step(text: &[u8], nodes: &[Node], at: u32, token: &str) -> Option<u32> {
    match nodes[at as usize].kind {
        Kind::Object => member(text, nodes, at, token),
        Kind::Array => element(nodes, at, position(token)?),
        _ => None,
    }
}

fn position(token: &str) -> Option<usize> {
    let plain = token.bytes().all(|byte| byte.is_ascii_digit()) && (token == "0" || !token.starts_with('0'));
    if plain { token.parse().ok() } else { None }
}

/// The value under `name`.
pub(super) fn member(text: &[u8], nodes: &[Node], object: u32, name: &str) -> Option<u32> {
    members(nodes, object).filter(|&(key, _)| is_named(text, nodes[key as usize], name)).last().map(|(_, value)| value)
}

/// The keys and values of an object.
pub(super) fn members(nodes: &[Node], object: u32) -> impl Iterator<Item = (u32, u32)> {
    let end = nodes[object as usize].next;
    let mut key = object + 1;
    std::iter::from_fn(move || {
        (key < end).then(|| {
            let member = (key, key + 1);
            key = nodes[key as usize + 1].next;
            member
        })
    })
}

/// The values of an array.
pub(super) fn elements(nodes: &[Node], array: u32) -> impl Iterator<Item = u32> {
    let end = nodes[array as usize].next;
    let mut at = array + 1;
    std::iter::from_fn(move || {
        (at < end).then(|| {
            let element = at;
            at = nodes[at as usize].next;
            element
        })
    })
}

/// The value at `position`.
pub(super) fn element(nodes: &[Node], array: u32, position: usize) -> Option<u32> {
    elements(nodes, array).nth(position)
}

/// Whether the key at `node` says `name`.
pub(super) fn is_named(text: &[u8], node: Node, name: &str) -> bool {
    let inner = &text[node.start as usize + 1..node.end as usize - 1];
    match node.kind {
        Kind::Escaped => *unescape(inner).bytes == *name.as_bytes(),
        _ => inner == name.as_bytes(),
    }
}
