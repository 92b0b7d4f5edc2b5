//! Reads `WWW-Authenticate` (RFC 9110, 11.6.1): several challenges in one field, each with parameters, both separated by commas.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

/// Longer fields are not read.
const MAX_FIELD: usize = 8 << 10;

/// One scheme that the upstream would take.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Challenge {
    /// In lower case.
    pub(super) scheme: String,
    /// Names in lower case, values without quotes.
    parameters: Vec<(String, String)>,
}

impl Challenge {
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// All challenges of an answer, in the order in which the upstream would like them to be taken.
pub(super) fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    let mut found = Vec::new();
    for value in headers.get_all(WWW_AUTHENTICATE) {
        let text = String::from_utf8_lossy(value.as_bytes());
        if text.len() <= MAX_FIELD {
            read(&text, &mut found);
        }
    }
    found
}

/// Parameters alone, as in `Authentication-Info`.
pub(super) fn parameters(text: &str) -> Challenge {
    let mut found = vec![Challenge::default()];
    if text.len() <= MAX_FIELD {
        read(text, &mut found);
    }
    found.swap_remove(0)
}

fn read(text: &str, found: &mut Vec<Challenge>) {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (word, after) = split_token(rest);
        if word.is_empty() {
            return;
        }
        let value = after.trim_start_matches([' ', '\t']).strip_prefix('=');
        match (value, found.last_mut()) {
            // A name with a value: of the challenge that has begun. "==" is the end of a token68.
            (Some(value), Some(challenge)) if !value.starts_with('=') => {
                let (value, after) = read_value(value.trim_start_matches([' ', '\t']));
                challenge.parameters.push((word.to_ascii_lowercase(), value));
                rest = after;
            }
            (Some(_), _) => rest = after.trim_start_matches([' ', '\t', '=']),
            // A word alone begins a challenge; what follows it without a comma may be its first parameter or a token68.
            (None, _) => {
                found.push(Challenge { scheme: word.to_ascii_lowercase(), ..Challenge::default() });
                rest = after;
                if let Some(next) = rest.strip_prefix(' ') {
                    let (first, after) = split_token68(next.trim_start());
                    let alone = after.trim_start().is_empty() || after.trim_start().starts_with(',');
                    if alone && !first.is_empty() {
                        rest = after;
                    }
                }
            }
        }
    }
}

fn read_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (token, rest) = split_token(text);
        // What is neither is skipped up to the next comma.
        let rest = if token.is_empty() { text.find(',').map_or("", |comma| &text[comma..]) } else { rest };
        return (token.to_owned(), rest);
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(letters.next().map(|(_, letter)| letter)),
            letter => value.push(letter),
        }
    }
    (value, "")
}

fn split_token(text: &str) -> (&str, &str) {
    let of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    text.split_at(text.bytes().position(|byte| !of_token(byte)).unwrap_or(text.len()))
}

fn split_token68(text: &str) -> (&str, &str) {
    let of_token68 = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    let end = text.bytes().position(|byte| !of_token68(byte)).unwrap_or(text.len());
    let padding = text[end..].bytes().take_while(|byte| *byte == b'=').count();
    text.split_at(end + padding)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schemes(text: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        read(text, &mut found);
        let line = |challenge: &Challenge| {
            let parameters: Vec<_> =
                challenge.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
            (challenge.scheme.clone(), parameters.join("|"))
        };
        found.iter().map(line).collect()
    }

    #[test]
    fn challenges_and_their_parameters_are_told_apart() {
        let table: [(&str, &[(&str, &str)]); 10] = [
            ("", &[]),
            ("Basic", &[("basic", "")]),
            (r#"Basic realm="a, b""#, &[("basic", "realm=a, b")]),
            (r#"Digest realm="x" , NONCE = "n\"q" ,qop=auth"#, &[("digest", r#"realm=x|nonce=n"q|qop=auth"#)]),
            (r#"Basic realm="a", Digest realm=b, nonce="c""#, &[("basic", "realm=a"), ("digest", "realm=b|nonce=c")]),
            ("Negotiate, Basic realm=a", &[("negotiate", ""), ("basic", "realm=a")]),
            ("NTLM TlRMTVNTUAAC==, Basic realm=a", &[("ntlm", ""), ("basic", "realm=a")]),
            (",, Digest ,nonce=n", &[("digest", "nonce=n")]),
            (r#"Digest nonce="open"#, &[("digest", "nonce=open")]),
            ("Digest nonce=\u{e9}, realm=a", &[("digest", "nonce=|realm=a")]),
        ];
        for (text, expected) in table {
            let expected: Vec<_> = expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
            assert_eq!(schemes(text), expected, "{text}");
        }
        assert_eq!(parameters(r#"nextnonce="n", qop=auth"#).parameter("nextnonce"), Some("n"));
    }

    proptest::proptest! {
        #[test]
        fn no_field_is_too_strange(text in ".{0,200}") {
            read(&text, &mut Vec::new());
        }
    }
}
