//! Digest authentication (RFC 7616): MD5, SHA-256 and SHA-512-256, each with `-sess`; `auth`, `auth-int`, or as in RFC 2069.

use std::fmt::Write as _;

use http::header::{HeaderName, HeaderValue};
use md5::{Digest as _, Md5};
use parking_lot::Mutex;
use ring::rand::{SecureRandom, SystemRandom};
use url::Position;

use super::challenge::{Challenge, challenges, parameters};
use super::secret;
use crate::answer::Head;
use crate::call::{Body, Call};

/// Origins whose challenges are remembered; the oldest goes.
const MAX_ORIGINS: usize = 64;

/// A nonce is counted in 8 hexadecimal digits (RFC 7616, 3.4).
const MAX_COUNT: u32 = u32::MAX;

/// Credentials, and what upstreams asked of them.
pub(super) struct Digest {
    user: String,
    password: String,
    known: Mutex<Vec<(String, Session)>>,
}

/// One challenge, and how often it was answered.
#[derive(Clone)]
struct Session {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    protection: Protection,
    hash_user: bool,
    /// One for as long as the nonce: so `-sess` is the same however often its first half is computed.
    client_nonce: String,
    count: u32,
}

#[derive(Clone)]
struct Algorithm {
    /// As the upstream wrote it, which may not have.
    name: Option<String>,
    hash: Hash,
    session: bool,
}

#[derive(Clone, Copy)]
enum Hash {
    Md5,
    Sha256,
    Sha512Half,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Protection {
    /// RFC 2069.
    Old,
    Auth,
    /// The body too.
    AuthInt,
}

impl Digest {
    pub(super) fn new(user: &str, password: &str) -> Self {
        Self { user: user.to_owned(), password: password.to_owned(), known: Mutex::default() }
    }

    /// What to show without having been asked, if this origin asked before.
    pub(super) fn respond(&self, call: &Call) -> Option<HeaderValue> {
        let session = {
            let mut known = self.known.lock();
            let origin = origin(call);
            let (_, session) = known.iter_mut().find(|(own, _)| *own == origin)?;
            session.count = session.count.checked_add(1).unwrap_or(MAX_COUNT);
            session.clone()
        };
        self.authorization(&session, call)
    }

    /// What to show after `401`. `again`: something was shown already, and only an old nonce is a reason to show something else.
    pub(super) fn challenged(&self, call: &Call, head: &Head, again: bool) -> Option<HeaderValue> {
        let found = challenges(&head.headers);
        // The upstream's order is its preference: the first that is understood (RFC 7616, 3.7).
        let (challenge, session) = found.iter().find_map(|challenge| Some((challenge, Session::of(challenge)?)))?;
        let origin = origin(call);
        let mut known = self.known.lock();
        let before = known.iter().position(|(own, _)| *own == origin).map(|index| known.remove(index));
        let stale = challenge.parameter("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true"));
        // Some forget to say that it is stale; a refused password comes with the nonce that was shown.
        let renewed = before.is_some_and(|(_, before)| before.nonce != session.nonce);
        if again && !stale && !renewed {
            return None;
        }
        if known.len() == MAX_ORIGINS {
            known.remove(0);
        }
        known.push((origin, session.clone()));
        drop(known);
        self.authorization(&session, call)
    }

    /// A nonce for the next call may come with an answer (RFC 7616, 3.5).
    pub(super) fn hear(&self, call: &Call, head: &Head) {
        const INFO: HeaderName = HeaderName::from_static("authentication-info");
        let Some(info) = head.headers.get(INFO) else { return };
        let info = parameters(&String::from_utf8_lossy(info.as_bytes()));
        let Some(next) = info.parameter("nextnonce") else { return };
        let origin = origin(call);
        if let Some((_, session)) = self.known.lock().iter_mut().find(|(own, _)| *own == origin)
            && session.nonce != next
        {
            next.clone_into(&mut session.nonce);
            session.client_nonce = random();
            session.count = 0;
        }
    }

    fn authorization(&self, session: &Session, call: &Call) -> Option<HeaderValue> {
        let Session { realm, nonce, opaque, algorithm, protection, hash_user, client_nonce, count } = session;
        let hash = |text: &str| algorithm.hash.of(text.as_bytes());
        let uri = &call.url[Position::BeforePath..Position::AfterQuery];
        let mut first = hash(&format!("{}:{realm}:{}", self.user, self.password));
        if algorithm.session {
            first = hash(&format!("{first}:{nonce}:{client_nonce}"));
        }
        let second = match (protection, &call.body) {
            (Protection::AuthInt, Body::Whole(bytes)) => {
                hash(&format!("{}:{uri}:{}", call.method, algorithm.hash.of(bytes)))
            }
            (Protection::AuthInt, Body::Empty) => hash(&format!("{}:{uri}:{}", call.method, hash(""))),
            // Its bytes are not known yet.
            (Protection::AuthInt, Body::Stream(..)) => return None,
            _ => hash(&format!("{}:{uri}", call.method)),
        };
        let quality = if *protection == Protection::AuthInt { "auth-int" } else { "auth" };
        let response = match protection {
            Protection::Old => hash(&format!("{first}:{nonce}:{second}")),
            _ => hash(&format!("{first}:{nonce}:{count:08x}:{client_nonce}:{quality}:{second}")),
        };
        let mut text = "Digest ".to_owned();
        let mut quoted = |name: &str, value: &str| {
            let _ = write!(text, "{name}=\"{}\", ", value.replace('\\', "\\\\").replace('"', "\\\""));
        };
        if *hash_user {
            quoted("username", &hash(&format!("{}:{realm}", self.user)));
        } else {
            quoted("username", &self.user);
        }
        quoted("realm", realm);
        quoted("nonce", nonce);
        quoted("uri", uri);
        quoted("response", &response);
        if let Some(opaque) = opaque {
            quoted("opaque", opaque);
        }
        if let Some(name) = &algorithm.name {
            let _ = write!(text, "algorithm={name}, ");
        }
        if *protection != Protection::Old {
            let _ = write!(text, "qop={quality}, nc={count:08x}, cnonce=\"{client_nonce}\", ");
        }
        if *hash_user {
            text.push_str("userhash=true, ");
        }
        text.truncate(text.len() - 2);
        // Names that are not ASCII go as UTF-8, as browsers send them; bytes that no field can have, not at all.
        HeaderValue::from_bytes(text.as_bytes()).ok().or_else(|| secret(&text).ok()).map(|mut value| {
            value.set_sensitive(true);
            value
        })
    }
}

impl Session {
    /// `None`: nothing that can be answered.
    fn of(challenge: &Challenge) -> Option<Self> {
        if challenge.scheme != "digest" {
            return None;
        }
        let parameter = |name: &str| challenge.parameter(name).map(str::to_owned);
        let qualities: Vec<&str> = challenge.parameter("qop").unwrap_or_default().split(',').map(str::trim).collect();
        let offers = |name: &str| qualities.iter().any(|quality| quality.eq_ignore_ascii_case(name));
        let protection = match challenge.parameter("qop") {
            None => Protection::Old,
            Some(_) if offers("auth") => Protection::Auth,
            Some(_) if offers("auth-int") => Protection::AuthInt,
            Some(_) => return None,
        };
        Some(Self {
            realm: parameter("realm")?,
            nonce: parameter("nonce")?,
            opaque: parameter("opaque"),
            algorithm: Algorithm::of(challenge.parameter("algorithm"))?,
            protection,
            hash_user: challenge.parameter("userhash").is_some_and(|value| value.eq_ignore_ascii_case("true")),
            client_nonce: random(),
            count: 1,
        })
    }
}

impl Algorithm {
    fn of(name: Option<&str>) -> Option<Self> {
        let upper = name.unwrap_or("MD5").to_ascii_uppercase();
        let (bare, session) = upper.strip_suffix("-SESS").map_or((upper.as_str(), false), |bare| (bare, true));
        let hash = match bare {
            "MD5" => Hash::Md5,
            "SHA-256" => Hash::Sha256,
            "SHA-512-256" => Hash::Sha512Half,
            _ => return None,
        };
        Some(Self { name: name.map(str::to_owned), hash, session })
    }
}

impl Hash {
    /// In hexadecimal, lower case.
    fn of(self, bytes: &[u8]) -> String {
        match self {
            Self::Md5 => hexadecimal(&Md5::digest(bytes)),
            Self::Sha256 => hexadecimal(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref()),
            Self::Sha512Half => hexadecimal(ring::digest::digest(&ring::digest::SHA512_256, bytes).as_ref()),
        }
    }
}

fn random() -> String {
    let mut bytes = [0; 16];
    // Without the system's randomness there is still a number that no other challenge has.
    if SystemRandom::new().fill(&mut bytes).is_err() {
        fastrand::fill(&mut bytes);
    }
    hexadecimal(&bytes)
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn origin(call: &Call) -> String {
    call.url[..Position::BeforePath].to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{HeaderMap, Method};

    use super::*;
    use crate::options::Options;

    /// The examples of RFC 7616, 3.9, and that of RFC 2617, 3.5.
    #[test]
    fn the_answers_are_those_of_the_standards() {
        let table = [
            (Some("MD5"), "Mufasa", "Circle of Life", "http-auth@example.org", "8ca523f5e9506fed4657c9700eebdbec"),
            (
                Some("SHA-256"),
                "Mufasa",
                "Circle of Life",
                "http-auth@example.org",
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
        ];
        for (algorithm, user, password, realm, expected) in table {
            let session = Session {
                realm: realm.to_owned(),
                nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v".to_owned(),
                opaque: Some("FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS".to_owned()),
                algorithm: Algorithm::of(algorithm).expect("known"),
                protection: Protection::Auth,
                hash_user: false,
                client_nonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ".to_owned(),
                count: 1,
            };
            let value =
                Digest::new(user, password).authorization(&session, &call("http://www.example.org/dir/index.html"));
            let value = value.expect("a value");
            let text = value.to_str().expect("ASCII");
            assert!(text.contains(&format!("response=\"{expected}\"")), "{text}");
            assert!(value.is_sensitive());
        }
    }

    #[test]
    fn names_may_be_hashed_and_sha_512_256_is_known() {
        let session = Session {
            realm: "api@example.org".to_owned(),
            nonce: "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK".to_owned(),
            opaque: None,
            algorithm: Algorithm::of(Some("SHA-512-256")).expect("known"),
            protection: Protection::Auth,
            hash_user: true,
            client_nonce: "NTg6RKcb9boFIAS3KrFK9BGeh+niz/sm".to_owned(),
            count: 1,
        };
        let digest = Digest::new("J\u{e4}s\u{f8}n Doe", "Secret, or not?");
        let value = digest.authorization(&session, &call("http://api.example.org/doe.json")).expect("a value");
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        // As Python's hashlib computes them: the RFC's own figures for its example 3.9.2 are wrong (erratum 4897).
        assert!(
            text.contains("username=\"793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b\""),
            "{text}"
        );
        assert!(
            text.contains("response=\"7a4e1192babbba02e91182d2895bfdbf7adafc6e48d4e517ca301974843d840c\""),
            "{text}"
        );
        assert!(text.ends_with("userhash=true"), "{text}");
    }

    fn call(url: &str) -> Call {
        Call {
            method: Method::GET,
            url: url.parse().expect("a URL"),
            headers: HeaderMap::new(),
            body: Body::Empty,
            idempotent: true,
            stream: false,
            options: Arc::new(Options::default()),
        }
    }
}
