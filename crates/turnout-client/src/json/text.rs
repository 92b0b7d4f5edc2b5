//! Strings, out of their quotes and back into them.

use std::borrow::Cow;

use memchr::memchr;

/// What stands in a string.
#[derive(Debug, PartialEq, Eq)]
pub struct Unescaped<'a> {
    /// UTF-8; where `lone` is set, with halves of surrogate pairs as three bytes each.
    pub bytes: Cow<'a, [u8]>,
    /// There is half a surrogate pair in it: `"\ud83d"`, as broken JavaScript cuts its strings.
    pub lone: bool,
}

/// `inner` is what stands between the quotes of a string that the index has let pass.
pub fn unescape(inner: &[u8]) -> Unescaped<'_> {
    let Some(mut at) = memchr(b'\\', inner) else { return Unescaped { bytes: Cow::Borrowed(inner), lone: false } };
    let mut bytes = Vec::with_capacity(inner.len());
    let mut lone = false;
    let mut rest = inner;
    loop {
        bytes.extend_from_slice(&rest[..at]);
        let (code, length) = escape(&rest[at..]);
        if let Some(character) = char::from_u32(code) {
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            lone = true;
            let low = |shift: u32| 0x80 | (code >> shift & 0x3F) as u8;
            bytes.extend_from_slice(&[0xE0 | (code >> 12) as u8, low(6), low(0)]);
        }
        rest = &rest[at + length..];
        match memchr(b'\\', rest) {
            Some(next) => at = next,
            None => break,
        }
    }
    bytes.extend_from_slice(rest);
    Unescaped { bytes: Cow::Owned(bytes), lone }
}

/// The code point that an escape stands for, and how long it is. Two escapes that are one pair are one.
fn escape(text: &[u8]) -> (u32, usize) {
    let code = match text.get(1) {
        Some(b'b') => 0x08,
        Some(b'f') => 0x0C,
        Some(b'n') => 0x0A,
        Some(b'r') => 0x0D,
        Some(b't') => 0x09,
        Some(b'u') => {
            let first = hex(text, 2);
            if (0xD800..0xDC00).contains(&first) && text[6..].starts_with(b"\\u") {
                let second = hex(text, 8);
                if (0xDC00..0xE000).contains(&second) {
                    return (0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00), 12);
                }
            }
            return (first, 6);
        }
        Some(&other) => u32::from(other),
        None => u32::from(b'\\'),
    };
    (code, 2)
}

fn hex(text: &[u8], at: usize) -> u32 {
    let digits = text.get(at..at + 4).unwrap_or_default();
    digits.iter().fold(0, |code, &digit| code << 4 | char::from(digit).to_digit(16).unwrap_or(0))
}

/// Writes `text` as a string, with no more escapes than JSON asks for.
pub fn quote(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut plain = 0;
    let bytes = text.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        let short = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0C => b'f',
            0..0x20 => b'u',
            _ => continue,
        };
        out.extend_from_slice(&bytes[plain..at]);
        out.extend_from_slice(&[b'\\', short]);
        if short == b'u' {
            let digit = |value: u8| b"0123456789abcdef"[usize::from(value)];
            out.extend_from_slice(&[b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
        }
        plain = at + 1;
    }
    out.extend_from_slice(&bytes[plain..]);
    out.push(b'"');
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(inner: &str) -> String {
        String::from_utf8(unescape(inner.as_bytes()).bytes.into_owned()).unwrap()
    }

    #[test]
    fn escapes_are_read() {
        assert_eq!(text(r#"a\"\\\/\b\f\n\r\tz"#), "a\"\\/\u{8}\u{c}\n\r\tz");
        assert_eq!(text(r"\u0041\u00e9\u20AC\ud83d\ude00"), "A\u{e9}\u{20ac}\u{1f600}");
    }

    #[test]
    fn half_a_pair_is_kept() {
        let halves = unescape(br"\ud83d!\ude00\ud83d\u0041");
        assert!(halves.lone);
        assert_eq!(&*halves.bytes, b"\xED\xA0\xBD!\xED\xB8\x80\xED\xA0\xBDA");
    }

    proptest! {
        #[test]
        fn what_is_quoted_reads_back(any in ".*") {
            let mut quoted = Vec::new();
            quote(&any, &mut quoted);
            prop_assert_eq!(&serde_json::from_slice::<String>(&quoted).unwrap(), &any);
            prop_assert_eq!(text(std::str::from_utf8(&quoted[1..quoted.len() - 1]).unwrap()), any);
        }
    }
}
