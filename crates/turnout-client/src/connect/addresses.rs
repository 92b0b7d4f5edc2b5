//! Which addresses may be connected to. Asked at connect, about the address itself, for each hop and each attempt: what a name meant when the
//! URL was checked is no matter (DNS rebinding).

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};

use super::networks::{Network, is_public};
use super::resolver::literal;
use crate::error::{Error, Kind};

/// Where connections may lead. What is denied is denied; else what is allowed is allowed; else the base says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressPolicy {
    base: Base,
    allow: Vec<Rule>,
    deny: Vec<Rule>,
    hash: u64,
}

/// For what no rule is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Base {
    /// All addresses: for upstreams that the project names itself, also private ones.
    #[default]
    Any,
    /// The public internet only: for URLs that users give.
    Public,
    /// None.
    Nothing,
}

/// One line of a policy: all that is given must be true.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Rule {
    whom: Whom,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Whom {
    Everyone,
    Network(Network),
    /// A name in lower case; with a dot in front, all names below it.
    Name(Box<str>),
}

impl AddressPolicy {
    /// All addresses.
    pub fn any() -> Self {
        Self::default()
    }

    /// The public internet only, at any port.
    pub fn public_only() -> Self {
        Self { base: Base::Public, hash: 1, ..Self::default() }
    }

    /// Rules are networks (`10.0.0.0/8`), addresses, names (`api.example`, `*.example` for all below it), each with a port if only that is
    /// meant (`api.example:443`, `[::1]:80`), a port alone (`:25`), or `*`. A rule with a name trusts whoever answers for that name, wherever it
    /// leads.
    pub fn new<S: AsRef<str>>(
        base: Base,
        allow: impl IntoIterator<Item = S>,
        deny: impl IntoIterator<Item = S>,
    ) -> Result<Self, Error> {
        let rules = |texts: Vec<S>| texts.iter().map(|text| Rule::parse(text.as_ref())).collect::<Result<Vec<_>, _>>();
        let allow = rules(allow.into_iter().collect())?;
        let deny = rules(deny.into_iter().collect())?;
        if allow.is_empty() && deny.is_empty() && base != Base::Nothing {
            return Ok(if base == Base::Any { Self::any() } else { Self::public_only() });
        }
        let mut hasher = DefaultHasher::new();
        (base, &allow, &deny).hash(&mut hasher);
        Ok(Self { base, allow, deny, hash: hasher.finish() })
    }

    /// Of the addresses of `host`, those that may be connected to.
    pub(super) fn permitted(&self, host: &str, port: u16, addresses: Vec<IpAddr>) -> Result<Vec<SocketAddr>, Error> {
        let with_port = |address: IpAddr| SocketAddr::new(address, port);
        if self.is_any() {
            return Ok(addresses.into_iter().map(with_port).collect());
        }
        let permitted: Vec<SocketAddr> =
            addresses.into_iter().filter(|address| self.permits(host, port, Some(*address))).map(with_port).collect();
        // Which address it was is not said: whoever gave the URL might be shown this, and would learn what a name means inside.
        if permitted.is_empty() {
            Err(forbidden(host, "leads where the address policy forbids"))
        } else {
            Ok(permitted)
        }
    }

    /// Whether `host` may be left to a proxy to resolve: only if its name alone decides.
    pub(super) fn permit_unresolved(&self, host: &str, port: u16) -> Result<(), Error> {
        if self.is_any() || self.permits(host, port, literal(host)) {
            return Ok(());
        }
        Err(forbidden(
            host,
            "would be resolved by the proxy, where the address policy cannot see it: allow the name, use no proxy, or socks5://",
        ))
    }

    fn is_any(&self) -> bool {
        self.base == Base::Any && self.deny.is_empty()
    }

    /// Without an address: whether it is permitted wherever the name leads.
    fn permits(&self, host: &str, port: u16, address: Option<IpAddr>) -> bool {
        let about = |rule: &Rule| rule.is_about(host, port, address);
        if self.deny.iter().any(|rule| about(rule) || (address.is_none() && rule.depends_on_address(port))) {
            return false;
        }
        self.allow.iter().any(about)
            || match self.base {
                Base::Any => true,
                Base::Public => address.is_some_and(is_public),
                Base::Nothing => false,
            }
    }
}

impl Hash for AddressPolicy {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Rule {
    fn parse(text: &str) -> Result<Self, Error> {
        let wrong = || {
            let message = format!(
                "{text:?} is no rule of an address policy: a network, an address, a name, each with or without :port"
            );
            Error::new(Kind::LocalProtocol, message)
        };
        let text = text.trim();
        if let Ok(network) = text.parse() {
            return Ok(Self { whom: Whom::Network(network), port: None });
        }
        let (whom, port) = match text.rsplit_once(':') {
            Some((whom, port)) => (whom, Some(port.parse().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let bare = whom.strip_prefix('[').and_then(|whom| whom.strip_suffix(']')).unwrap_or(whom);
        let whom = if whom == "*" || (whom.is_empty() && port.is_some()) {
            Whom::Everyone
        } else if let Ok(network) = bare.parse() {
            Whom::Network(network)
        } else {
            let name = whom.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(whom);
            let (dot, name) = name.strip_prefix('.').map_or(("", name), |rest| (".", rest));
            // As it stands in a URL: lower case, punycode.
            match url::Host::parse(name) {
                Ok(url::Host::Domain(name)) if !name.contains('*') => {
                    Whom::Name(format!("{dot}{}", name.trim_end_matches('.')).into())
                }
                _ => return Err(wrong()),
            }
        };
        Ok(Self { whom, port })
    }

    fn is_about(&self, host: &str, port: u16, address: Option<IpAddr>) -> bool {
        if self.port.is_some_and(|own| own != port) {
            return false;
        }
        let host = host.strip_suffix('.').unwrap_or(host);
        match &self.whom {
            Whom::Everyone => true,
            Whom::Network(network) => address.is_some_and(|address| network.holds(address)),
            Whom::Name(name) if name.starts_with('.') => {
                host.len() > name.len() && host.is_char_boundary(host.len() - name.len()) && {
                    host[host.len() - name.len()..].eq_ignore_ascii_case(name)
                }
            }
            Whom::Name(name) => host.eq_ignore_ascii_case(name),
        }
    }

    fn depends_on_address(&self, port: u16) -> bool {
        matches!(self.whom, Whom::Network(_)) && self.port.is_none_or(|own| own == port)
    }
}

fn forbidden(host: &str, why: &str) -> Error {
    Error::new(Kind::ForbiddenAddress, format!("{host} {why}: nothing was sent"))
}
