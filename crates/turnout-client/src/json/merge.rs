//! Many answers become one, by copying slices of their texts.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::index::Kind;
use super::lazy::Lazy;
use super::number;
use super::pointer::{Pointer, elements, member};
use super::select::{Group, Select, Writer};
use super::text::quote;
use crate::error::{Error, Kind as ErrorKind};

/// One answer to be merged.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    /// Its key in the gather.
    pub name: &'a str,
    /// What it answered.
    pub value: Lazy,
    /// What of that is wanted.
    pub select: Option<&'a Select>,
}

/// What becomes of many answers.
#[derive(Clone, Debug, Default)]
pub struct Merge {
    /// The field that all their arrays become one array of: `{"offers": [...]}`. Of a source it is the array that was selected, or that it
    /// has under this name. `None`: an object with each source's value under its name.
    pub concat: Option<String>,
    /// A field that names its source, in every object of that array.
    pub group_as: Option<String>,
    /// By what to sort, in each element as it is written.
    pub sort_by: Option<Pointer>,
    /// Which way.
    pub order: Order,
    /// At most so many elements.
    pub limit: Option<usize>,
    /// Fields of the whole besides, with their JSON.
    pub also: Vec<(String, Lazy)>,
}

/// Elements without the value that is sorted by come last either way; equal ones stay as they were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Numbers, smallest first; then strings, by code points; then `false` and `true`.
    #[default]
    Ascending,
    /// The other way round.
    Descending,
}

/// Makes one JSON text of many.
pub fn merge(sources: &[Source<'_>], how: &Merge) -> Result<Lazy, Error> {
    let size = sources.iter().map(|source| source.value.bytes().len() + 64).sum();
    let mut out = Vec::with_capacity(size);
    out.push(b'{');
    match &how.concat {
        Some(name) => {
            quote(name, &mut out);
            out.extend_from_slice(b":[");
            concat(sources, name, how, &mut out)?;
            out.push(b']');
        }
        None if how.group_as.is_some() || how.sort_by.is_some() || how.limit.is_some() => {
            return Err(wrong("group_as, sort_by and limit need concat, the name of the merged array"));
        }
        None => by_name(sources, &mut out)?,
    }
    for (name, value) in &how.also {
        field(name, &mut out);
        out.extend_from_slice(&value.bytes());
    }
    out.push(b'}');
    if u32::try_from(out.len()).is_err() {
        return Err(wrong("the merged JSON is larger than 4 GiB"));
    }
    Ok(Lazy::written(out))
}

fn by_name(sources: &[Source<'_>], out: &mut Vec<u8>) -> Result<(), Error> {
    for source in sources {
        let value = match source.select {
            Some(select) => select.apply(&source.value).map_err(|error| of(source, &error))?,
            None => source.value.clone(),
        };
        field(source.name, out);
        out.extend_from_slice(&value.bytes());
    }
    Ok(())
}

/// `"name":`, behind what there is.
fn field(name: &str, out: &mut Vec<u8>) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    quote(name, out);
    out.push(b':');
}

/// One element of the merged array.
struct Row<'a> {
    source: usize,
    at: u32,
    key: Key<'a>,
}

fn concat(sources: &[Source<'_>], name: &str, how: &Merge, out: &mut Vec<u8>) -> Result<(), Error> {
    let groups: Vec<Vec<u8>> = sources.iter().map(|source| group(source, how)).collect();
    let mut arrays = Vec::with_capacity(sources.len());
    for source in sources {
        arrays.push(array(source, name)?);
    }
    let writers: Vec<Writer<'_>> = arrays
        .iter()
        .zip(sources.iter().zip(&groups))
        .map(|(array, (source, written))| Writer {
            text: array.text(),
            nodes: array.nodes(),
            select: source.select.filter(|select| !select.keeps_all()),
            group: how.group_as.as_deref().map(|name| Group { name, written }),
        })
        .collect();
    let mut rows = Vec::new();
    for (source, (array, writer)) in arrays.iter().zip(&writers).enumerate() {
        if array.kind() != Kind::Array {
            continue; // null: nothing found
        }
        for at in elements(array.nodes(), array.position()) {
            if how.group_as.is_some() && array.nodes()[at as usize].kind != Kind::Object {
                let name = sources[source].name;
                return Err(wrong(&format!("group_as needs objects, but an element of {name:?} is none")));
            }
            let key = how.sort_by.as_ref().map_or(Key::Missing, |pointer| Key::of(writer, at, pointer));
            rows.push(Row { source, at, key });
        }
        if how.sort_by.is_none() && how.limit.is_some_and(|limit| rows.len() >= limit) {
            break;
        }
    }
    if how.sort_by.is_some() {
        rows.sort_by(|left, right| left.key.compare(&right.key, how.order));
    }
    rows.truncate(how.limit.unwrap_or(usize::MAX));
    for (count, row) in rows.iter().enumerate() {
        if count > 0 {
            out.push(b',');
        }
        writers[row.source].write(row.at, out);
    }
    Ok(())
}

/// The array that a source gives, or `null`.
fn array(source: &Source<'_>, name: &str) -> Result<Lazy, Error> {
    let value = match source.select {
        Some(select) => select.target(&source.value).map_err(|error| of(source, &error))?,
        None => source.value.clone(),
    };
    let value = match value.kind() {
        Kind::Object => {
            member(value.text(), value.nodes(), value.position(), name).map(|at| value.other(at)).unwrap_or(value)
        }
        _ => value,
    };
    match value.kind() {
        Kind::Array | Kind::Null => Ok(value),
        _ => Err(wrong(&format!(
            "{:?} has no array to concat, and none under {name:?}: say where with Select(target=...)",
            source.name
        ))),
    }
}

fn group(source: &Source<'_>, how: &Merge) -> Vec<u8> {
    let mut written = Vec::new();
    if let Some(name) = &how.group_as {
        quote(name, &mut written);
        written.push(b':');
        quote(source.name, &mut written);
    }
    written
}

/// What an element is sorted by.
enum Key<'a> {
    /// The nearest double decides unless it is the same: rounding never turns two numbers round.
    Number(f64, &'a [u8]),
    Text(Cow<'a, [u8]>),
    Truth(bool),
    /// Nothing, `null`, an array or an object.
    Missing,
}

impl<'a> Key<'a> {
    fn of(writer: &'a Writer<'_>, at: u32, pointer: &Pointer) -> Self {
        let Some(at) = writer.find(at, pointer) else { return Self::Missing };
        let node = writer.nodes[at as usize];
        match node.kind {
            Kind::Int | Kind::Float => {
                let text = writer.slice(node);
                let near = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN);
                Self::Number(near, text)
            }
            Kind::Plain | Kind::Escaped => Self::Text(writer.string(node)),
            Kind::False => Self::Truth(false),
            Kind::True => Self::Truth(true),
            Kind::Null | Kind::Array | Kind::Object => Self::Missing,
        }
    }

    fn compare(&self, other: &Self, order: Order) -> Ordering {
        match (self, other) {
            (Self::Missing, Self::Missing) => Ordering::Equal,
            (Self::Missing, _) => Ordering::Greater,
            (_, Self::Missing) => Ordering::Less,
            _ if order == Order::Descending => other.ascending(self),
            _ => self.ascending(other),
        }
    }

    fn ascending(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(left, left_text), Self::Number(right, right_text)) => match left.partial_cmp(right) {
                Some(unequal @ (Ordering::Less | Ordering::Greater)) => unequal,
                _ if left_text == right_text => Ordering::Equal,
                _ => number::compare(left_text, right_text),
            },
            (Self::Text(left), Self::Text(right)) => left.cmp(right),
            (Self::Truth(left), Self::Truth(right)) => left.cmp(right),
            _ => self.rank().cmp(&other.rank()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Number(..) => 0,
            Self::Text(_) => 1,
            Self::Truth(_) => 2,
            Self::Missing => 3,
        }
    }
}

fn of(source: &Source<'_>, error: &Error) -> Error {
    Error::new(error.kind(), format!("{:?}: {}", source.name, error.message()))
}

fn wrong(message: &str) -> Error {
    Error::new(ErrorKind::Json, message)
}
