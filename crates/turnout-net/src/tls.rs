//! TLS under a certificate that is made when the process starts and is gone with it: what simulated upstreams speak, and what nobody else believes.
//!
//! It stands here because rustls is reached through this crate and turnout-client alone. Called by turnout-lab.

use std::io;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// An encrypted connection, from the server's side.
pub type TlsStream = tokio_rustls::server::TlsStream<TcpStream>;

/// Makes plain connections encrypted ones. Cheap to clone.
#[derive(Clone)]
pub struct PassingTls {
    acceptor: TlsAcceptor,
    authority: Arc<str>,
}

/// Why there is no certificate.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The names do not fit into one, or the system has no random numbers.
    #[error("no certificate could be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// rustls does not take it.
    #[error("the certificate is of no use: {0}")]
    Configuration(#[from] rustls::Error),
}

/// In the order in which a server likes them best (RFC 7301).
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

impl PassingTls {
    /// A new authority, and under it a certificate for these names and addresses.
    pub fn new(names: &[&str]) -> Result<Self, TlsError> {
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.distinguished_name.push(DnType::CommonName, "turnout: an authority for one process");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let root = authority.self_signed(&key)?;
        let issuer = Issuer::new(authority, key);

        let mut leaf = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
        leaf.distinguished_name.push(DnType::CommonName, names.first().copied().unwrap_or("localhost"));
        // Python's default context asks for it (RFC 5280, 4.2.1.1).
        leaf.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = leaf.signed_by(&key, &issuer)?;

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), authority: root.pem().into() })
    }

    /// The authority's certificate in PEM: what a client has to believe.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The handshake, and whether the client chose HTTP/2. The caller limits the time; dropped early, the connection is closed.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<(TlsStream, bool)> {
        let stream = self.acceptor.accept(stream).await?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(PROTOCOLS[0]);
        Ok((stream, http2))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName};
    use rustls::{ClientConfig, RootCertStore};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsConnector;

    use super::*;

    /// What a client that believes `authority` says to `tls`: the protocol they agree on and a byte, or why not.
    async fn talk(tls: &PassingTls, authority: &str, name: &str, offers: &[&str]) -> io::Result<(bool, u8)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let server = async {
            let (mut stream, http2) = tls.accept(listener.accept().await?.0).await?;
            stream.write_u8(42).await?;
            stream.shutdown().await?;
            Ok(http2)
        };
        let client = async {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).expect("PEM")).expect("a certificate");
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let mut config = ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .expect("ring has them")
                .with_root_certificates(roots)
                .with_no_client_auth();
            config.alpn_protocols = offers.iter().map(|offer| offer.as_bytes().to_vec()).collect();
            let name = ServerName::try_from(name.to_owned()).expect("a name");
            let connector = TlsConnector::from(Arc::new(config));
            let mut stream = connector.connect(name, TcpStream::connect(address).await?).await?;
            stream.read_u8().await
        };
        let (http2, byte): (io::Result<bool>, io::Result<u8>) = tokio::join!(server, client);
        byte.and_then(|byte| Ok((http2?, byte)))
    }

    #[tokio::test]
    async fn who_believes_the_authority_gets_through_and_chooses_the_protocol() -> io::Result<()> {
        let tls = PassingTls::new(&["localhost", "127.0.0.1"]).expect("random numbers");
        for (name, offers, http2) in [
            ("localhost", &["h2", "http/1.1"] as &[&str], true),
            ("127.0.0.1", &["http/1.1"], false),
            ("localhost", &[], false),
        ] {
            assert_eq!(talk(&tls, tls.authority(), name, offers).await?, (http2, 42), "{name} {offers:?}");
        }
        Ok(())
    }

    #[tokio::test]
    async fn another_authority_or_name_is_not_believed() {
        let (tls, other) = (PassingTls::new(&["localhost"]), PassingTls::new(&["localhost"]));
        let (tls, other) = (tls.expect("random numbers"), other.expect("random numbers"));
        assert!(talk(&tls, other.authority(), "localhost", &[]).await.is_err());
        assert!(talk(&tls, tls.authority(), "example.org", &[]).await.is_err());
    }
}
