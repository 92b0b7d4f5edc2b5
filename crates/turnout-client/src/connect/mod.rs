//! From a place to a connection: names, addresses, proxies, TLS. Knows no HTTP but what a proxy's CONNECT needs.

mod addresses;
mod dns;
mod handshake;
mod networks;
mod proxies;
mod race;
mod resolver;
mod socks;
mod stream;
mod tls;
mod tunnel;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub use addresses::{AddressPolicy, Base};
pub use dns::NameServers;
pub use proxies::{Proxies, ProxySettings};
pub use stream::Stream;
pub use tls::{Certificates, ClientCertificate, Tls, TlsSettings, TlsVersion};

use crate::error::{Error, Kind};
use crate::options::Http2;
use handshake::Handshakes;
use proxies::{Protocol, Proxy};
use resolver::Resolver;

/// All that makes two connections interchangeable: the pool's key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// `https`.
    pub secure: bool,
    /// As in the URL: a name in ASCII, or an address.
    pub host: Arc<str>,
    /// Explicit, or the scheme's.
    pub port: u16,
    /// What is believed and shown.
    pub tls: Arc<Tls>,
    /// Through what.
    pub proxies: Arc<Proxies>,
    /// Whereto at all.
    pub addresses: Arc<AddressPolicy>,
    /// Spoken there.
    pub http2: Http2,
    /// Calls of two lanes never share a connection: a hedge must not share the fate of what it hedges. 0 but for those.
    pub lane: u8,
}

/// A connection just made.
#[derive(Debug)]
pub struct Connected {
    /// The bytes.
    pub stream: Stream,
    /// HTTP/2 was agreed upon.
    pub http2: bool,
    /// Requests need the absolute form of the target: there is a plain proxy in between. Its `Proxy-Authorization`, if it wants one.
    pub forward: Option<Option<http::HeaderValue>>,
    /// The peer: the proxy's address if there is one.
    pub remote: SocketAddr,
    /// Name to addresses.
    pub dns: Duration,
    /// Until an address took it.
    pub connect: Duration,
    /// The handshake.
    pub tls: Option<Duration>,
}

/// Makes connections, and remembers what that takes: names, certificates, TLS sessions. One a process; nothing in it belongs to one runtime,
/// and no socket is open between two connections. A forked child makes its own.
pub struct Connector {
    resolver: Resolver,
    handshakes: Handshakes,
}

impl Connector {
    /// Reads and opens nothing yet.
    pub fn new(names: NameServers) -> Self {
        Self { resolver: Resolver::new(names), handshakes: Handshakes::default() }
    }

    /// Makes a connection to `place`. Dropped early, it leaves nothing behind but a lookup that ends by itself. The caller limits the time.
    pub async fn connect(&self, place: &Place) -> Result<Connected, Error> {
        let connected = match place.proxies.choose(place.secure, &place.host, place.port) {
            None => self.open(&place.host, place.port, &place.addresses).await?,
            Some((proxy, tls)) => self.through(proxy, tls, place).await?,
        };
        if place.secure {
            return self.encrypt(connected, &place.host, &place.tls, place.http2).await;
        }
        Ok(Connected { http2: place.http2 == Http2::Only, ..connected })
    }

    /// A connection that a proxy passes on to `place`, or one to a proxy that is to be asked for each URL.
    async fn through(&self, proxy: &Proxy, tls: &Arc<Tls>, place: &Place) -> Result<Connected, Error> {
        let Place { host, port, addresses, .. } = place;
        let blame =
            |error: Error| Error::new(Kind::Proxy, format!("the proxy {proxy}: {}", error.message())).caused_by(error);
        // Before anything is opened: whether the target may be reached, and what it is called there.
        let resolving = Instant::now();
        let target = if proxy.protocol == Protocol::Socks5 {
            let permitted = addresses.permitted(host, *port, self.resolver.resolve(host).await?)?;
            // Who is behind a proxy may lack IPv6, hardly ever IPv4.
            permitted.iter().min_by_key(|address| address.is_ipv6()).map(|address| socks::Target::Address(address.ip()))
        } else {
            addresses.permit_unresolved(host, *port)?;
            resolver::literal(host).map(socks::Target::Address)
        };
        let resolved = resolving.elapsed();
        // The proxy itself is the operator's choice, and usually at a private address.
        let mut over = self.open(&proxy.host, proxy.port, &AddressPolicy::any()).await.map_err(blame)?;
        over.dns += resolved;
        match proxy.protocol {
            Protocol::Socks5 | Protocol::Socks5h => {
                let target = target.unwrap_or(socks::Target::Name(host));
                socks::open(&mut over.stream, target, *port, proxy.credentials.as_ref()).await.map_err(blame)?;
            }
            Protocol::Http | Protocol::Https => {
                if proxy.protocol == Protocol::Https {
                    over = self.encrypt(over, &proxy.host, tls, Http2::Off).await.map_err(blame)?;
                }
                let authorization = proxy.authorization();
                if place.secure || place.http2 == Http2::Only {
                    let authority = format!("{host}:{port}");
                    tunnel::open(&mut over.stream, &authority, authorization.as_ref()).await.map_err(blame)?;
                } else {
                    over.forward = Some(authorization);
                }
            }
        }
        Ok(over)
    }

    /// A socket to whichever address of `host` is first. That one is the one that was checked: nothing is resolved again.
    async fn open(&self, host: &str, port: u16, policy: &AddressPolicy) -> Result<Connected, Error> {
        let started = Instant::now();
        let addresses = policy.permitted(host, port, self.resolver.resolve(host).await?)?;
        let resolved = Instant::now();
        let (socket, remote) = race::connect(&addresses).await.map_err(|refusals| refused(host, port, refusals))?;
        if remote.is_ipv4() && addresses.first().is_some_and(SocketAddr::is_ipv6) {
            self.resolver.prefer_v4(host);
        }
        Ok(Connected {
            stream: Stream::Plain(socket),
            http2: false,
            forward: None,
            remote,
            dns: resolved - started,
            connect: resolved.elapsed(),
            tls: None,
        })
    }

    async fn encrypt(&self, over: Connected, host: &str, tls: &Arc<Tls>, http2: Http2) -> Result<Connected, Error> {
        let started = Instant::now();
        let stream = self.handshakes.shake(over.stream, host, tls, http2).await?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let tls = Some(over.tls.unwrap_or_default() + started.elapsed());
        Ok(Connected { stream: Stream::Tls(Box::new(stream)), http2, tls, ..over })
    }
}

impl Default for Connector {
    fn default() -> Self {
        Self::new(NameServers::System)
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Connector")
    }
}

/// All that the addresses have said, in one sentence.
fn refused(host: &str, port: u16, mut refusals: race::Refusals) -> Error {
    let reasons: Vec<String> =
        refusals
            .iter()
            .map(|(address, error)| {
                if resolver::literal(host).is_some() { error.to_string() } else { format!("{}: {error}", address.ip()) }
            })
            .collect();
    let error = Error::new(Kind::Connect, format!("no connection to {host}:{port}: {}", reasons.join("; ")));
    match refusals.pop() {
        Some((_, last)) => error.caused_by(last),
        None => error,
    }
}
