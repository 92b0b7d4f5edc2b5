//! What of an answer is wanted: a part of it, and of the objects there some fields, under other names.

use super::index::{Kind, Node};
use super::lazy::{INLINE, Lazy};
use super::pointer::{Pointer, elements, follow, is_named, members};
use super::text::{quote, unescape};
use crate::cpu::Cpu;
use crate::error::{Error, Kind as ErrorKind};

/// See the module. Names are those of the source: `allow` and `deny` come before `rename`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Select {
    /// Which part.
    pub target: Pointer,
    /// Only these fields; empty: all.
    pub allow: Vec<String>,
    /// Not these.
    pub deny: Vec<String>,
    /// From name to name. A field that has the new name already is left out.
    pub rename: Vec<(String, String)>,
}

impl Select {
    /// The part that is meant.
    pub(super) fn target(&self, value: &Lazy) -> Result<Lazy, Error> {
        value.pointer(&self.target).ok_or_else(|| {
            Error::new(ErrorKind::Json, format!("the upstream's JSON has nothing at {:?}", self.target.to_string()))
        })
    }

    /// What is wanted of `value`: without a copy where that is a part as it stands, else written anew. Fields are those of the target, or of
    /// each object in it if it is an array.
    pub fn apply(&self, value: &Lazy) -> Result<Lazy, Error> {
        let target = self.target(value)?;
        if self.keeps_all() {
            return Ok(target);
        }
        let writer = Writer { text: target.text(), nodes: target.nodes(), select: Some(self), group: None };
        let mut out = Vec::new();
        if target.kind() == Kind::Array {
            out.push(b'[');
            for (count, at) in elements(target.nodes(), target.position()).enumerate() {
                if count > 0 {
                    out.push(b',');
                }
                writer.write(at, &mut out);
            }
            out.push(b']');
        } else {
            writer.write(target.position(), &mut out);
        }
        Ok(Lazy::written(out))
    }

    /// As [`Select::apply`]; what is large and has to be written anew is written on `cpu`.
    pub async fn apply_on(&self, cpu: &Cpu, value: &Lazy) -> Result<Lazy, Error> {
        if self.keeps_all() || self.target(value)?.bytes().len() <= INLINE {
            return self.apply(value);
        }
        let (select, value) = (self.clone(), value.clone());
        cpu.run(move || select.apply(&value)).await?
    }

    pub(super) fn keeps_all(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty() && self.rename.is_empty()
    }

    /// What a field is called afterwards; `None`: it is left out.
    fn name<'a>(&'a self, text: &[u8], key: Node) -> Option<Name<'a>> {
        let is = |name: &String| is_named(text, key, name);
        if !self.allow.is_empty() && !self.allow.iter().any(is) || self.deny.iter().any(is) {
            return None;
        }
        Some(self.rename.iter().find(|(from, _)| is(from)).map_or(Name::Own, |(_, to)| Name::New(to)))
    }
}

#[derive(Clone, Copy)]
enum Name<'a> {
    Own,
    New(&'a str),
}

/// Writes values of one source.
pub(super) struct Writer<'a> {
    pub(super) text: &'a [u8],
    pub(super) nodes: &'a [Node],
    pub(super) select: Option<&'a Select>,
    /// A field that every object gets before its own.
    pub(super) group: Option<Group<'a>>,
}

/// See [`Writer::group`].
#[derive(Clone, Copy)]
pub(super) struct Group<'a> {
    pub(super) name: &'a str,
    /// `"name":"source"`, as it is written.
    pub(super) written: &'a [u8],
}

impl Writer<'_> {
    /// The value at `at`; as it stands where nothing in it changes.
    pub(super) fn write(&self, at: u32, out: &mut Vec<u8>) {
        let node = self.nodes[at as usize];
        if node.kind != Kind::Object || self.select.is_none() && self.group.is_none() {
            out.extend_from_slice(self.slice(node));
            return;
        }
        out.push(b'{');
        if let Some(group) = self.group {
            out.extend_from_slice(group.written);
            if self.select.is_none() && !members(self.nodes, at).any(|(key, _)| self.says(key, group.name)) {
                if node.next > at + 1 {
                    out.push(b',');
                }
                out.extend_from_slice(&self.text[node.start as usize + 1..node.end as usize]);
                return;
            }
        }
        self.fields(at, self.group.is_none(), out);
        out.push(b'}');
    }

    fn fields(&self, object: u32, mut first: bool, out: &mut Vec<u8>) {
        let given = self.given(object);
        for (key, value) in members(self.nodes, object) {
            let Some(name) = self.name(key, &given) else { continue };
            if !first {
                out.push(b',');
            }
            first = false;
            match name {
                Name::Own => out.extend_from_slice(self.slice(self.nodes[key as usize])),
                Name::New(name) => quote(name, out),
            }
            out.push(b':');
            out.extend_from_slice(self.slice(self.nodes[value as usize]));
        }
    }

    /// The new names that fields of the object get: who has one of them already gives way.
    fn given(&self, object: u32) -> Vec<&str> {
        let Some(select) = self.select.filter(|select| !select.rename.is_empty()) else { return Vec::new() };
        let mut given: Vec<&str> = Vec::new();
        for (key, _) in members(self.nodes, object) {
            if let Some(Name::New(name)) = select.name(self.text, self.nodes[key as usize])
                && !given.contains(&name)
            {
                given.push(name);
            }
        }
        given
    }

    /// What the field is called when it is written, if it is.
    fn name(&self, key: u32, given: &[&str]) -> Option<Name<'_>> {
        let name = match self.select {
            Some(select) => select.name(self.text, self.nodes[key as usize])?,
            None => Name::Own,
        };
        let taken = match name {
            Name::Own => self.group.map(|group| group.name).iter().chain(given).any(|name| self.says(key, name)),
            Name::New(name) => self.group.is_some_and(|group| group.name == name),
        };
        (!taken).then_some(name)
    }

    /// What `pointer` leads to in the value as it is written.
    pub(super) fn find(&self, at: u32, pointer: &Pointer) -> Option<u32> {
        let Some((first, rest)) = pointer.tokens().split_first() else { return Some(at) };
        if self.select.is_none() || self.nodes[at as usize].kind != Kind::Object {
            return pointer.find(self.text, self.nodes, at);
        }
        let given = self.given(at);
        let named = |&(key, _): &(u32, u32)| match self.name(key, &given) {
            Some(Name::Own) => self.says(key, first),
            Some(Name::New(name)) => name == &**first,
            None => false,
        };
        let (_, value) = members(self.nodes, at).filter(named).last()?;
        follow(self.text, self.nodes, value, rest)
    }

    fn says(&self, key: u32, name: &str) -> bool {
        is_named(self.text, self.nodes[key as usize], name)
    }

    pub(super) fn slice(&self, node: Node) -> &[u8] {
        &self.text[node.start as usize..node.end as usize]
    }

    /// What stands in the string at `node`.
    pub(super) fn string(&self, node: Node) -> std::borrow::Cow<'_, [u8]> {
        let inner = &self.text[node.start as usize + 1..node.end as usize - 1];
        unescape(inner).bytes
    }
}
