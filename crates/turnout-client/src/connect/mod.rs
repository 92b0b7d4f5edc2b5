//! From a place to a connection: names, addresses, proxies, TLS. Knows no HTTP but what a proxy's CONNECT needs.

mod addresses;
mod dns;
mod handshake;
mod networks;
mod race;
mod resolver;
mod stream;
mod tls;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub use addresses::{AddressPolicy, Base};
pub use dns::NameServers;
pub use stream::Stream;
pub use tls::{Certificates, ClientCertificate, Tls, TlsSettings};

use crate::error::{Error, Kind};
use crate::options::Http2;
use handshake::Handshakes;
use resolver::Resolver;

/// Through which proxies.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub struct Proxies {}

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
        let mut connected = self.open(&place.host, place.port, &place.addresses).await?;
        if place.secure {
            connected = self.encrypt(connected, &place.host, &place.tls, place.http2).await?;
        } else {
            connected.http2 = place.http2 == Http2::Only;
        }
        Ok(connected)
    }

    /// A socket to whichever address of `host` is first. That one is the one that was checked: nothing is resolved again.
    async fn open(&self, host: &str, port: u16, policy: &AddressPolicy) -> Result<Connected, Error> {
        let started = Instant::now();
        let addresses = policy.permitted(host, port, self.resolver.resolve(host).await?)?;
        let resolved = Instant::now();
        let (socket, remote) = race::connect(&addresses).await.map_err(|refusals| refused(host, port, refusals))?;
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
