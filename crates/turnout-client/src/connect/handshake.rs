//! The TLS handshake, and what is said when it fails. Keeps one rustls configuration for each [`Tls`], with its sessions.

use std::io;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::stream::Stream;
use super::tls::{Tls, TlsVersion, Trust};
use crate::error::{Error, Kind};
use crate::options::Http2;

/// Configurations kept. Most processes have one or two; one that makes a new certificate for each call makes them again.
const MAX_CONFIGURATIONS: usize = 64;

/// One per connector: forgotten with it, so that a forked child begins anew.
#[derive(Default)]
pub(super) struct Handshakes {
    kept: Mutex<Vec<Kept>>,
}

/// Which settings, and what was made of them when they were first used.
type Kept = ([u8; 32], Arc<OnceCell<Configurations>>);

/// They differ in what they offer by ALPN, and share their sessions.
struct Configurations {
    negotiate: Arc<ClientConfig>,
    only_http1: Arc<ClientConfig>,
    only_http2: Arc<ClientConfig>,
}

impl Handshakes {
    /// Encrypts `stream` for `host`. Dropped early, it closes the stream.
    pub(super) async fn shake(
        &self,
        stream: Stream,
        host: &str,
        tls: &Arc<Tls>,
        http2: Http2,
    ) -> Result<TlsStream<Stream>, Error> {
        let name = match &tls.server_name {
            Some(name) => name.clone(),
            None => server_name(host)?,
        };
        let config = self.configuration(tls, http2).await?;
        let stream = TlsConnector::from(config)
            .connect(name, stream)
            .await
            .map_err(|error| Error::new(Kind::Tls, explain(&error, host)).caused_by(error))?;
        let agreed = stream.get_ref().1.alpn_protocol();
        if http2 == Http2::Only && agreed != Some(b"h2") {
            return Err(Error::new(
                Kind::Tls,
                format!("{host} speaks no HTTP/2, and nothing else was to be spoken with it"),
            ));
        }
        Ok(stream)
    }

    async fn configuration(&self, tls: &Arc<Tls>, http2: Http2) -> Result<Arc<ClientConfig>, Error> {
        let cell = self.cell(tls.digest());
        let made = cell
            .get_or_try_init(|| async {
                let tls = Arc::clone(tls);
                // Reads some 150 files or one large one: 10 to 40 ms that no loop thread has.
                match tokio::task::spawn_blocking(move || configure(&tls)).await {
                    Ok(result) => result,
                    Err(error) => Err(Error::new(Kind::Tls, "the certificates could not be loaded").caused_by(error)),
                }
            })
            .await?;
        Ok(Arc::clone(match http2 {
            Http2::Negotiate => &made.negotiate,
            Http2::Off => &made.only_http1,
            Http2::Only => &made.only_http2,
        }))
    }

    fn cell(&self, digest: [u8; 32]) -> Arc<OnceCell<Configurations>> {
        let mut kept = self.kept.lock();
        if let Some(index) = kept.iter().position(|(known, _)| *known == digest) {
            // The one that was used last goes last.
            let found = kept.remove(index);
            let cell = Arc::clone(&found.1);
            kept.push(found);
            return cell;
        }
        if kept.len() == MAX_CONFIGURATIONS {
            kept.remove(0);
        }
        let cell = Arc::default();
        kept.push((digest, Arc::clone(&cell)));
        cell
    }
}

fn configure(tls: &Tls) -> Result<Configurations, Error> {
    let failed = |error: rustls::Error| Error::new(Kind::Tls, format!("the certificates cannot be used: {error}"));
    let provider = Arc::new(ring::default_provider());
    let versions: &[_] = if tls.oldest == TlsVersion::V13 { &[&TLS13] } else { &[&TLS13, &TLS12] };
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions).map_err(failed)?;
    let builder = match &tls.trust {
        Trust::Platform => builder.dangerous().with_custom_certificate_verifier(platform(&provider)?),
        Trust::PlatformAnd(roots) => {
            let verifier = Verifier::new_with_extra_roots(roots.iter().cloned(), Arc::clone(&provider));
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier.map_err(failed)?))
        }
        Trust::Only(roots) => {
            let mut store = RootCertStore::empty();
            for root in roots {
                store.add(root.clone()).map_err(failed)?;
            }
            builder.with_root_certificates(store)
        }
        Trust::Anybody => builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider))),
    };
    let mut base = match &tls.client {
        Some((chain, key)) => builder.with_client_auth_cert(chain.clone(), key.clone_key()).map_err(failed)?,
        None => builder.with_no_client_auth(),
    };
    let mut offering = |protocols: &[&[u8]]| {
        base.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Arc::new(base.clone())
    };
    Ok(Configurations {
        negotiate: offering(&[b"h2", b"http/1.1"]),
        only_http1: offering(&[b"http/1.1"]),
        only_http2: offering(&[b"h2"]),
    })
}

/// Loaded once a process. Not `get_or_init`: a child forked while another thread is in there would wait for it for ever.
fn platform(provider: &Arc<CryptoProvider>) -> Result<Arc<Verifier>, Error> {
    static LOADED: OnceLock<Arc<Verifier>> = OnceLock::new();
    if let Some(verifier) = LOADED.get() {
        return Ok(Arc::clone(verifier));
    }
    let verifier = Verifier::new(Arc::clone(provider)).map_err(|error| {
        let text = "this system believes no certificate authority: install its package ca-certificates, let SSL_CERT_FILE name a file of \
                    them, or give roots";
        Error::new(Kind::Tls, text).caused_by(error)
    })?;
    let verifier = Arc::new(verifier);
    let _ = LOADED.set(Arc::clone(&verifier));
    Ok(verifier)
}

fn server_name(host: &str) -> Result<ServerName<'static>, Error> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let bare = bare.strip_suffix('.').unwrap_or(bare);
    ServerName::try_from(bare.to_owned()).map_err(|error| {
        Error::new(Kind::InvalidUrl, format!("{host} cannot be the name in a certificate")).caused_by(error)
    })
}

/// Whose fault, and what to do.
fn explain(error: &io::Error, host: &str) -> String {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof => format!("{host} hung up during the TLS handshake"),
            _ => format!("the connection to {host} broke during the TLS handshake: {error}"),
        };
    };
    match tls {
        rustls::Error::InvalidCertificate(reason) => certificate(reason, host),
        rustls::Error::InvalidMessage(_) => {
            format!("{host} does not speak TLS on this port: is the URL to begin with http://?")
        }
        rustls::Error::NoApplicationProtocol
        | rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            format!("{host} speaks no version of HTTP that was offered")
        }
        rustls::Error::PeerIncompatible(what) => {
            format!("{host} speaks TLS of a kind that is no longer safe, or that we do not know: {what:?}")
        }
        rustls::Error::AlertReceived(
            AlertDescription::HandshakeFailure
            | AlertDescription::ProtocolVersion
            | AlertDescription::InsufficientSecurity,
        ) => format!(
            "{host} and we have no version or cipher of TLS in common: nothing older than TLS 1.2 is spoken here"
        ),
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            format!("{host} wants a client certificate, and none was given")
        }
        rustls::Error::AlertReceived(AlertDescription::UnrecognisedName) => {
            format!("{host} does not know itself by this name")
        }
        rustls::Error::AlertReceived(alert) => format!("{host} ended the TLS handshake: {alert:?}"),
        other => format!("the TLS handshake with {host} failed: {other}"),
    }
}

fn certificate(reason: &CertificateError, host: &str) -> String {
    match reason {
        CertificateError::UnknownIssuer => format!(
            "the certificate of {host} is signed by nobody we believe: if the authority is your own, add its certificate to the roots; \
             if not, somebody may be in between, or {host} does not send its intermediate certificates"
        ),
        CertificateError::NotValidForName => format!("the certificate of {host} is for another name"),
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names: Vec<_> = presented.iter().take(8).map(|name| readable(name)).collect();
            format!("the certificate of {host} is for {}, not for {host}", names.join(", "))
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!(
                "the certificate of {host} has expired: it has to be renewed there, or this machine's clock is wrong"
            )
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("the certificate of {host} is not valid yet: this machine's clock may be wrong")
        }
        CertificateError::Revoked => format!("the certificate of {host} has been revoked"),
        other => format!("the certificate of {host} is refused: {other}"),
    }
}

/// rustls quotes names as `DnsName("a")`.
fn readable(name: &str) -> &str {
    name.split('"').nth(1).unwrap_or(name)
}

/// See `TlsSettings::dangerous_accept_any_certificate`. That the peer has the key to its certificate is still checked.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
