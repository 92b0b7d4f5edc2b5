//! Which proxy a place is reached through. Parses what users and environments say; opens nothing: see `tunnel` and `socks`.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;
use percent_encoding::percent_decode_str;
use url::Url;

use super::networks::Network;
use super::resolver::{is_localhost, literal};
use super::tls::Tls;
use crate::error::{Error, Kind};

/// Through which proxies. The default: none.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    except: Vec<Exception>,
    /// Whether what runs on this machine is reached without.
    spare_loopback: bool,
    tls: Arc<Tls>,
    hash: u64,
}

/// What goes into [`Proxies`]. URLs: `http://`, `https://` (TLS to the proxy), `socks5://` (names are resolved here) or `socks5h://` (by the
/// proxy), with `user:password@` where it wants them; without a scheme, `http://`.
#[derive(Clone, Debug, Default)]
pub struct ProxySettings {
    /// For `http://` URLs.
    pub http: Option<String>,
    /// For `https://` URLs.
    pub https: Option<String>,
    /// Not for these: as the variable `NO_PROXY`, see [`Proxies::from_environment`].
    pub except: String,
    /// What an `https://` proxy must show. Not what upstreams must: a client certificate is for them.
    pub tls: Arc<Tls>,
}

/// One proxy.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Proxy {
    pub(super) protocol: Protocol,
    pub(super) host: Box<str>,
    pub(super) port: u16,
    pub(super) credentials: Option<(Vec<u8>, Vec<u8>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Protocol {
    Http,
    Https,
    /// Given addresses.
    Socks5,
    /// Given names.
    Socks5h,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Exception {
    whom: Whom,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Whom {
    Everyone,
    Network(Network),
    /// And all names below it.
    Domain(Box<str>),
}

impl Proxies {
    /// None at all, whatever the environment says.
    pub fn none() -> Self {
        Self::default()
    }

    /// Checks the URLs.
    pub fn new(settings: &ProxySettings) -> Result<Self, Error> {
        let parse = |url: &Option<String>| url.as_deref().map(Proxy::parse).transpose();
        Ok(Self {
            http: parse(&settings.http)?,
            https: parse(&settings.https)?,
            except: exceptions(&settings.except),
            tls: Arc::clone(&settings.tls),
            ..Self::default()
        }
        .hashed())
    }

    /// As `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` say, in lower case or upper case; lower case first. `HTTP_PROXY` is not
    /// read: where requests become variables (CGI), a client could set it by a field `Proxy`. What runs on this machine needs no proxy.
    ///
    /// `no_proxy` is a list with commas of names (and all below them), addresses, networks, each with `:port` if only that is meant, or `*`.
    pub fn from_environment() -> Result<Self, Error> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// As [`Proxies::from_environment`], from variables that are elsewhere.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let find = |names: &[&str]| {
            names.iter().find_map(|name| {
                variable(name).filter(|value| !value.trim().is_empty()).map(|value| ((*name).to_owned(), value))
            })
        };
        let proxy = |names: &[&str]| match find(names) {
            Some((name, url)) => Proxy::parse(&url).map(Some).map_err(|error| {
                Error::new(Kind::Proxy, format!("the environment variable {name} cannot be used: {error}"))
            }),
            None => Ok(None),
        };
        let except = find(&["no_proxy", "NO_PROXY"]).map(|(_, value)| value).unwrap_or_default();
        Ok(Self {
            http: proxy(&["http_proxy", "all_proxy", "ALL_PROXY"])?,
            https: proxy(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])?,
            except: exceptions(&except),
            spare_loopback: true,
            ..Self::default()
        }
        .hashed())
    }

    /// The one to use for this place, and what it must show.
    pub(super) fn choose(&self, secure: bool, host: &str, port: u16) -> Option<(&Proxy, &Arc<Tls>)> {
        let proxy = if secure { self.https.as_ref() } else { self.http.as_ref() }?;
        let address = literal(host);
        let local = || is_localhost(host) || address.is_some_and(|address| address.to_canonical().is_loopback());
        if (self.spare_loopback && local()) || self.except.iter().any(|except| except.is_about(host, port, address)) {
            return None;
        }
        Some((proxy, &self.tls))
    }

    fn hashed(mut self) -> Self {
        let mut hasher = DefaultHasher::new();
        (&self.http, &self.https, &self.except, self.spare_loopback, &self.tls).hash(&mut hasher);
        self.hash = hasher.finish();
        self
    }
}

impl Hash for Proxies {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { http, https, except, .. } = self;
        formatter.debug_struct("Proxies").field("http", http).field("https", https).field("except", except).finish()
    }
}

impl Proxy {
    fn parse(text: &str) -> Result<Self, Error> {
        // Never the text itself: it may have a password in it.
        let wrong = |why: &str| Error::new(Kind::Proxy, format!("this is no URL of a proxy: {why}"));
        let text = text.trim();
        let url = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("http://{text}")) };
        let url = url.map_err(|error| wrong(&error.to_string()))?;
        let (protocol, default) = match url.scheme() {
            "http" => (Protocol::Http, 80),
            "https" => (Protocol::Https, 443),
            "socks5" => (Protocol::Socks5, 1080),
            "socks5h" => (Protocol::Socks5h, 1080),
            other => return Err(wrong(&format!("{other}:// is none of http, https, socks5, socks5h"))),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong("there is no host"))?;
        let decode = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (user, password) => Some((decode(user), decode(password.unwrap_or_default()))),
        };
        Ok(Self { protocol, host: host.to_ascii_lowercase().into(), port: url.port().unwrap_or(default), credentials })
    }

    /// `Proxy-Authorization`, if it is given credentials (RFC 7617).
    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        let (user, password) = self.credentials.as_ref()?;
        let encoded = BASE64_STANDARD.encode([user, &b":"[..], password].concat());
        let mut value = HeaderValue::from_str(&format!("Basic {encoded}")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// For errors: never with credentials.
impl fmt::Display for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.protocol {
            Protocol::Http => "http",
            Protocol::Https => "https",
            Protocol::Socks5 => "socks5",
            Protocol::Socks5h => "socks5h",
        };
        write!(formatter, "{scheme}://{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// What cannot be understood is no exception: the variable is shared with other programs, which have other notations.
fn exceptions(list: &str) -> Vec<Exception> {
    list.split(|letter: char| letter == ',' || letter.is_whitespace())
        .filter(|item| !item.is_empty())
        .filter_map(Exception::parse)
        .collect()
}

impl Exception {
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self { whom: Whom::Everyone, port: None });
        }
        if let Ok(network) = text.parse() {
            return Some(Self { whom: Whom::Network(network), port: None });
        }
        let (whom, port) = match text.rsplit_once(':') {
            Some((whom, port)) => (whom, Some(port.parse().ok()?)),
            None => (text, None),
        };
        let bare = whom.strip_prefix('[').and_then(|whom| whom.strip_suffix(']')).unwrap_or(whom);
        if let Ok(network) = bare.parse() {
            return Some(Self { whom: Whom::Network(network), port });
        }
        let domain = whom.strip_prefix('*').unwrap_or(whom);
        let domain = domain.strip_prefix('.').unwrap_or(domain);
        let url::Host::Domain(domain) = url::Host::parse(domain).ok()? else { return None };
        Some(Self { whom: Whom::Domain(domain.trim_end_matches('.').into()), port })
    }

    fn is_about(&self, host: &str, port: u16, address: Option<IpAddr>) -> bool {
        if self.port.is_some_and(|own| own != port) {
            return false;
        }
        match &self.whom {
            Whom::Everyone => true,
            Whom::Network(network) => address.is_some_and(|address| network.holds(address)),
            Whom::Domain(domain) => {
                let host = host.strip_suffix('.').unwrap_or(host);
                host.len()
                    .checked_sub(domain.len())
                    .and_then(|start| Some((host.get(..start)?, host.get(start..)?)))
                    .is_some_and(|(below, end)| {
                        end.eq_ignore_ascii_case(domain) && (below.is_empty() || below.ends_with('.'))
                    })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(variables: &[(&str, &str)], url: &str) -> String {
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let proxies = Proxies::from_variables(find).expect("proxies");
        let url = Url::parse(url).expect("a URL");
        let port = url.port_or_known_default().expect("a port");
        let chosen = proxies.choose(url.scheme() == "https", url.host_str().expect("a host"), port);
        chosen.map_or("none".to_owned(), |(proxy, _)| proxy.to_string())
    }

    #[test]
    fn each_scheme_has_its_variable_and_lower_case_comes_first() {
        type Row<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str);
        let table: [Row<'_>; 10] = [
            (&[], "http://a.example", "none"),
            (&[("http_proxy", "http://p:1")], "http://a.example", "http://p:1"),
            (&[("http_proxy", "http://p:1")], "https://a.example", "none"),
            (&[("https_proxy", "p:1"), ("HTTPS_PROXY", "q:2")], "https://a.example", "http://p:1"),
            (&[("HTTPS_PROXY", "https://q")], "https://a.example", "https://q:443"),
            (&[("all_proxy", "socks5://s")], "http://a.example", "socks5://s:1080"),
            (&[("ALL_PROXY", "socks5h://s:9")], "https://a.example", "socks5h://s:9"),
            (&[("ALL_PROXY", "s:9"), ("https_proxy", "  ")], "https://a.example", "http://s:9"),
            // httpoxy: a CGI request with the field "Proxy" sets this one.
            (&[("HTTP_PROXY", "http://evil:1")], "http://a.example", "none"),
            (&[("http_proxy", "http://user:pa%20ss@[::1]:1")], "http://a.example", "http://[::1]:1"),
        ];
        for (variables, url, expected) in table {
            assert_eq!(chosen(variables, url), expected, "{variables:?} {url}");
        }
    }

    #[test]
    fn no_proxy_has_names_suffixes_ports_addresses_and_networks() {
        let table = [
            ("*", "http://a.example", false),
            ("", "http://a.example", true),
            ("a.example", "http://a.example", false),
            ("a.example", "http://A.EXAMPLE.", false),
            ("a.example", "http://b.a.example", false),
            (".a.example", "http://a.example", false),
            ("*.a.example", "http://b.a.example", false),
            ("a.example", "http://ba.example", true),
            ("b.a.example", "http://a.example", true),
            ("x, a.example:8080 y", "http://a.example:8080", false),
            ("a.example:8080", "http://a.example", true),
            ("a.example:443", "https://a.example", false),
            ("10.0.0.0/8", "http://10.1.2.3", false),
            ("10.0.0.0/8", "http://11.1.2.3", true),
            ("10.0.0.1", "http://10.0.0.1:99", false),
            ("10.0.0.1:80", "http://10.0.0.1:99", true),
            ("fd00::/8", "http://[fd12::1]", false),
            ("[fd12::1]:80", "http://[fd12::1]", false),
            ("10.0.0.0/8", "http://[::ffff:10.1.2.3]", false),
            ("b\u{fc}cher.example", "http://xn--bcher-kva.example", false),
            ("a.example:port,b", "http://b", false),
            // What runs here is reached without being listed.
            ("", "http://localhost:8000", false),
            ("", "http://api.localhost", false),
            ("", "http://127.1.2.3", false),
            ("", "http://[::1]:1", false),
            ("", "http://localhost.example", true),
        ];
        for (list, url, through_proxy) in table {
            let variables = [("all_proxy", "http://p:1"), ("NO_PROXY", list)];
            assert_eq!(chosen(&variables, url) != "none", through_proxy, "{list:?} {url}");
        }
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_refused_without_showing_its_password() {
        for url in ["ftp://user:secret@p", "http://", "http://user:secret@", "socks4://p", "http://p:99999"] {
            let settings = ProxySettings { http: Some(url.to_owned()), ..ProxySettings::default() };
            let error = Proxies::new(&settings).expect_err(url);
            assert_eq!(error.kind(), Kind::Proxy);
            assert!(!error.message().contains("secret"), "{error}");
        }
        let error = Proxies::from_variables(|name| (name == "https_proxy").then(|| "ftp://p".to_owned()));
        assert!(error.expect_err("ftp").message().contains("environment variable https_proxy"));
        let settings = ProxySettings { http: Some("http://user:secret@p".to_owned()), ..ProxySettings::default() };
        let proxies = Proxies::new(&settings).expect("a proxy");
        assert!(!format!("{proxies:?}").contains("secret"));
    }
}
