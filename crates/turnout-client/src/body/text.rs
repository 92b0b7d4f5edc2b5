//! Which encoding the text of a body has.

use std::borrow::Cow;

use http::HeaderValue;

/// As Python's codecs call it, so that a byte order mark is taken off: by that mark if there is one, else by the `charset` of
/// `Content-Type` (RFC 9110, 8.3.2), in lower case and whether anybody knows it or not, else UTF-8.
pub fn encoding(kind: Option<&HeaderValue>, body: &[u8]) -> Cow<'static, str> {
    const MARKS: [(&[u8], &str); 5] = [
        (b"\xEF\xBB\xBF", "utf-8-sig"),
        (b"\xFF\xFE\0\0", "utf-32"),
        (b"\0\0\xFE\xFF", "utf-32"),
        (b"\xFF\xFE", "utf-16"),
        (b"\xFE\xFF", "utf-16"),
    ];
    if let Some((_, name)) = MARKS.iter().find(|(mark, _)| body.starts_with(mark)) {
        return Cow::Borrowed(name);
    }
    match kind.and_then(|kind| kind.to_str().ok()).and_then(charset) {
        Some(said) => Cow::Owned(said),
        None => Cow::Borrowed("utf-8"),
    }
}

/// The first `charset`, out of its quotes. A `;` inside the quotes of another parameter ends nothing.
fn charset(kind: &str) -> Option<String> {
    let mut rest = &kind[kind.find(';')? + 1..];
    loop {
        let end = rest.find(['=', ';'])?;
        let name = rest[..end].trim();
        if rest[end..].starts_with(';') {
            rest = &rest[end + 1..];
            continue;
        }
        let (value, behind) = value(rest[end + 1..].trim_start());
        if name.eq_ignore_ascii_case("charset") {
            let value = value.trim().to_ascii_lowercase();
            return (!value.is_empty()).then_some(value);
        }
        rest = behind;
    }
}

/// A token or a quoted string, and what follows its `;`.
fn value(text: &str) -> (String, &str) {
    let behind = |rest: &'_ str| rest.find(';').map_or(rest.len(), |at| at + 1);
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        return (text[..end].to_owned(), &text[behind(text)..]);
    };
    let mut said = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => {
                let rest = &quoted[at + 1..];
                return (said, &rest[behind(rest)..]);
            }
            '\\' => said.extend(characters.next().map(|(_, escaped)| escaped)),
            _ => said.push(character),
        }
    }
    (said, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: &'static str, body: &[u8]) -> String {
        encoding(Some(&HeaderValue::from_static(kind)), body).into_owned()
    }

    #[test]
    fn the_charset_is_what_the_type_says() {
        for (kind, name) in [
            ("text/html; charset=ISO-8859-1", "iso-8859-1"),
            ("text/html;charset=\"Shift_JIS\"; x=y", "shift_jis"),
            ("text/html; Charset = koi8-r", "koi8-r"),
            ("text/html; title=\"a; charset=b\\\"\"; charset=c", "c"),
            ("text/html; flag; charset=d; charset=e", "d"),
            ("text/html", "utf-8"),
            ("text/html;", "utf-8"),
            ("text/html; charset=", "utf-8"),
            ("text/html; charset", "utf-8"),
            ("text/html; charset=\"", "utf-8"),
            ("charset=x", "utf-8"),
        ] {
            assert_eq!(of(kind, b"x"), name, "{kind}");
        }
        assert_eq!(encoding(None, b""), "utf-8");
    }

    #[test]
    fn a_byte_order_mark_knows_better() {
        let latin = "text/plain; charset=latin-1";
        assert_eq!(of(latin, b"\xEF\xBB\xBFx"), "utf-8-sig");
        assert_eq!(of(latin, b"\xFF\xFEx\0"), "utf-16");
        assert_eq!(of(latin, b"\xFE\xFF\0x"), "utf-16");
        assert_eq!(of(latin, b"\xFF\xFE\0\0"), "utf-32");
        assert_eq!(of(latin, b"\xFF"), "latin-1");
    }
}
