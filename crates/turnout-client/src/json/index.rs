//! One pass over the text: is it JSON (RFC 8259), and where does what begin and end?

use crate::error::{Error, Kind as ErrorKind};

/// What an upstream may make us keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Arrays and objects in one another.
    pub depth: usize,
    /// Values and keys in all; each costs 16 bytes here, and 30 to 60 in Python.
    pub nodes: usize,
}

impl Default for Limits {
    /// Depth as jiter and pydantic have it. The nodes are more than `Options::max_body` holds of anything but rows of single digits.
    fn default() -> Self {
        Self { depth: 200, nodes: 8 << 20 }
    }
}

/// Of an integer, as Python has it (`sys.set_int_max_str_digits`): to make one of more takes time that grows with their square.
const MAX_DIGITS: usize = 4300;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `null`
    Null,
    /// `false`
    False,
    /// `true`
    True,
    /// A number without a point and without an exponent.
    Int,
    /// Any other number.
    Float,
    /// A string whose text stands between its quotes.
    Plain,
    /// A string with at least one `\`.
    Escaped,
    /// `[...]`
    Array,
    /// `{...}`
    Object,
}

/// One value, or one key of an object. In the order of the text: an array is followed by its elements, an object by its keys and values in
/// turn, each of them with all that is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its first byte; a string's is the quote.
    pub start: u32,
    /// Behind its last byte.
    pub end: u32,
    /// The first node that is not inside this one.
    pub next: u32,
    /// What it is.
    pub kind: Kind,
    /// See [`Node::count`]: three bytes that are there anyway.
    count: [u8; 3],
}

/// As many and more are not told.
const MOST_TOLD: u32 = (1 << 24) - 1;

impl Node {
    fn told(count: u32) -> [u8; 3] {
        let [low, middle, high, _] = count.min(MOST_TOLD).to_le_bytes();
        [low, middle, high]
    }

    /// How many values are in an array or object, without a walk through it: of some thousand a walk takes most of a millisecond. `None`: too
    /// many to be told.
    pub(super) fn count(self) -> Option<usize> {
        let [low, middle, high] = self.count;
        let count = u32::from_le_bytes([low, middle, high, 0]);
        (count < MOST_TOLD).then_some(count as usize)
    }
}

/// Why and where a text is not JSON.
#[derive(Debug)]
pub(super) struct Fault {
    what: &'static str,
    at: usize,
}

impl Fault {
    /// For people, with line and column as an editor counts them.
    pub(super) fn told(&self, text: &[u8]) -> Error {
        let before = &text[..self.at.min(text.len())];
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        let start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        let column = before[start..].iter().filter(|&&byte| byte & 0xC0 != 0x80).count() + 1;
        let what = self.what;
        Error::new(ErrorKind::Json, format!("the upstream's body is not JSON: {what} at line {line}, column {column}"))
    }
}

/// `text` is UTF-8. The first node is the document's value.
pub(super) fn index(text: &[u8], limits: Limits) -> Result<Vec<Node>, Fault> {
    if u32::try_from(text.len()).is_err() {
        return Err(Fault { what: "more than 4 GiB", at: 0 });
    }
    // Usual answers have a value or key in each 6 to 20 bytes; what is not needed is never touched.
    let nodes = Vec::with_capacity(text.len() / 8);
    let mut scan = Scan { text, at: 0, nodes, open: Vec::new(), limits };
    scan.document()?;
    Ok(scan.nodes)
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    /// The containers around `at`.
    open: Vec<Open>,
    limits: Limits,
}

#[derive(Clone, Copy)]
struct Open {
    node: u32,
    object: bool,
    /// In it so far.
    values: u32,
}

impl Scan<'_> {
    fn document(&mut self) -> Result<(), Fault> {
        loop {
            if self.value()? {
                continue;
            }
            // Behind a value: close what closes here, until another value follows or all is closed.
            loop {
                let Some(open) = self.open.last_mut() else { return self.end() };
                open.values += 1;
                let object = open.object;
                match (self.peek(), object) {
                    (Some(b','), true) => {
                        self.at += 1;
                        self.key()?;
                        break;
                    }
                    (Some(b','), false) => {
                        self.at += 1;
                        break;
                    }
                    (Some(b'}'), true) | (Some(b']'), false) => self.close(),
                    (_, true) => return self.fault("',' or '}' is expected"),
                    (_, false) => return self.fault("',' or ']' is expected"),
                }
            }
        }
    }

    /// Reads a value; whether it is a container that has something in it, of which the first value comes next.
    fn value(&mut self) -> Result<bool, Fault> {
        let first = self.peek();
        match first {
            Some(b'"') => self.string()?,
            Some(b'{' | b'[') => return self.container(first == Some(b'{')),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word(b"true", Kind::True)?,
            Some(b'f') => self.word(b"false", Kind::False)?,
            Some(b'n') => self.word(b"null", Kind::Null)?,
            Some(b'N' | b'I') => return self.fault("NaN and Infinity are no JSON numbers; a value is expected"),
            _ => return self.fault("a value is expected"),
        }
        Ok(false)
    }

    fn container(&mut self, object: bool) -> Result<bool, Fault> {
        if self.open.len() == self.limits.depth {
            return self.fault("it is nested too deeply");
        }
        let node = self.nodes.len() as u32;
        self.push(self.at, self.at, if object { Kind::Object } else { Kind::Array })?;
        self.open.push(Open { node, object, values: 0 });
        self.at += 1;
        match (self.peek(), object) {
            (Some(b'}'), true) | (Some(b']'), false) => {
                self.close();
                Ok(false)
            }
            (_, true) => self.key().map(|()| true),
            (_, false) => Ok(true),
        }
    }

    /// At its closing bracket.
    fn close(&mut self) {
        self.at += 1;
        let Some(open) = self.open.pop() else { return };
        let next = self.nodes.len() as u32;
        let node = &mut self.nodes[open.node as usize];
        node.count = Node::told(open.values);
        node.end = self.at as u32;
        node.next = next;
    }

    fn key(&mut self) -> Result<(), Fault> {
        if self.peek() != Some(b'"') {
            return self.fault("a key in double quotes is expected");
        }
        self.string()?;
        if self.peek() != Some(b':') {
            return self.fault("':' is expected");
        }
        self.at += 1;
        Ok(())
    }

    #[inline]
    fn string(&mut self) -> Result<(), Fault> {
        let start = self.at;
        let mut kind = Kind::Plain;
        let mut at = start + 1;
        loop {
            at = plain_run(self.text, at);
            match self.text.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    kind = Kind::Escaped;
                    at = self.escape(at)?;
                }
                Some(_) => return Err(Fault { what: "a control character must be escaped, but stands bare", at }),
                None => return Err(Fault { what: "a string has no end; it begins", at: start }),
            }
        }
        self.at = at + 1;
        self.push(start, self.at, kind)
    }

    /// Behind the escape at `at`. Half a surrogate pair is let through, as `json.loads` does.
    fn escape(&self, at: usize) -> Result<usize, Fault> {
        match self.text.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
            Some(b'u') => match self.text.get(at + 2..at + 6) {
                Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => Ok(at + 6),
                _ => Err(Fault { what: "four hexadecimal digits are expected behind '\\u'", at }),
            },
            _ => Err(Fault { what: "there is no such escape", at }),
        }
    }

    fn number(&mut self) -> Result<(), Fault> {
        let start = self.at;
        let digits = |mut at: usize| {
            while matches!(self.text.get(at), Some(b'0'..=b'9')) {
                at += 1;
            }
            at
        };
        let some_digits = |at: usize| match digits(at) {
            end if end == at => Err(Fault { what: "a digit is expected", at }),
            end => Ok(end),
        };
        let mut kind = Kind::Int;
        let sign = usize::from(self.text[start] == b'-');
        let mut at = start + sign;
        at = if self.text.get(at) == Some(&b'0') { at + 1 } else { some_digits(at)? };
        if self.text.get(at) == Some(&b'.') {
            kind = Kind::Float;
            at = some_digits(at + 1)?;
        }
        if let Some(b'e' | b'E') = self.text.get(at) {
            kind = Kind::Float;
            at += 1 + usize::from(matches!(self.text.get(at + 1), Some(b'+' | b'-')));
            at = some_digits(at)?;
        }
        if kind == Kind::Int && at - start - sign > MAX_DIGITS {
            return Err(Fault { what: "an integer has more than 4300 digits", at: start });
        }
        self.at = at;
        self.push(start, at, kind)
    }

    fn word(&mut self, word: &'static [u8], kind: Kind) -> Result<(), Fault> {
        if !self.text[self.at..].starts_with(word) {
            return self.fault("a value is expected");
        }
        let start = self.at;
        self.at += word.len();
        self.push(start, self.at, kind)
    }

    fn end(&mut self) -> Result<(), Fault> {
        match self.peek() {
            None => Ok(()),
            Some(_) => self.fault("nothing more is expected"),
        }
    }

    #[inline]
    fn push(&mut self, start: usize, end: usize, kind: Kind) -> Result<(), Fault> {
        if self.nodes.len() >= self.limits.nodes {
            return Err(Fault { what: "it has too many values", at: start });
        }
        let next = self.nodes.len() as u32 + 1;
        self.nodes.push(Node { start: start as u32, end: end as u32, next, kind, count: [0; 3] });
        Ok(())
    }

    /// The next byte that is no white space; `at` is there.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                found => return found.copied(),
            }
        }
    }

    fn fault<T>(&self, what: &'static str) -> Result<T, Fault> {
        Err(Fault { what, at: self.at })
    }
}

/// The first byte from `at` on that ends a run of plain text: a quote, a backslash or a control character. Eight bytes at a time: strings
/// are most of what there is.
fn plain_run(text: &[u8], mut at: usize) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    // The high bit of each byte that is zero; right for the lowest such byte, which is all that is asked.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    while let Some(&word) = text.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(word);
        let quotes = zeros(word ^ (ONES * u64::from(b'"')));
        let backslashes = zeros(word ^ (ONES * u64::from(b'\\')));
        let controls = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let found = quotes | backslashes | controls;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while text.get(at).is_some_and(|&byte| byte != b'"' && byte != b'\\' && byte >= 0x20) {
        at += 1;
    }
    at
}
