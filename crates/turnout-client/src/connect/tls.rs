//! What a client believes and shows: certificates read and checked once, told apart by a digest. Opens nothing: see `handshake`.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;

use ring::digest::{Context, SHA256};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use crate::error::{Error, Kind};

/// What goes into [`Tls`].
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// Believe what the system believes. `SSL_CERT_FILE` and `SSL_CERT_DIR` are respected.
    pub platform_roots: bool,
    /// Authorities believed too, or instead.
    pub roots: Vec<Certificates>,
    /// Shown to upstreams that ask for one.
    pub client: Option<ClientCertificate>,
    /// No protection from anybody between us and the upstream. For tests of other things.
    pub dangerous_accept_any_certificate: bool,
    /// Nothing older is spoken.
    pub oldest: TlsVersion,
    /// The name that the upstream's certificate must have, and that is asked for (SNI), instead of the URL's host.
    pub server_name: Option<String>,
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self {
            platform_roots: true,
            roots: Vec::new(),
            client: None,
            dangerous_accept_any_certificate: false,
            oldest: TlsVersion::V12,
            server_name: None,
        }
    }
}

/// A version of TLS. Those before are broken (RFC 8996).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersion {
    /// RFC 5246.
    #[default]
    V12,
    /// RFC 8446.
    V13,
}

/// PEM with any number of them, or one in DER.
#[derive(Clone)]
pub enum Certificates {
    /// A file, or a folder of files. Read once: a client made later sees what has changed since.
    Path(PathBuf),
    /// In memory.
    Bytes(Vec<u8>),
}

impl fmt::Debug for Certificates {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(formatter, "{}", path.display()),
            // May be a private key.
            Self::Bytes(bytes) => write!(formatter, "{} bytes", bytes.len()),
        }
    }
}

/// Who we are.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// Ours first, then those that lead to the authority.
    pub chain: Certificates,
    /// Ours, without a passphrase. May be in the same file.
    pub key: Certificates,
}

/// Which certificates are believed and shown. Equal if they were made from equal bytes, whatever the files were called: such clients
/// share connections, sessions and the parsed roots.
#[derive(Default)]
pub struct Tls {
    digest: [u8; 32],
    pub(super) trust: Trust,
    pub(super) client: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    pub(super) server_name: Option<ServerName<'static>>,
    pub(super) oldest: TlsVersion,
}

/// Whom to believe.
#[derive(Debug, Default)]
pub(super) enum Trust {
    #[default]
    Platform,
    PlatformAnd(Vec<CertificateDer<'static>>),
    Only(Vec<CertificateDer<'static>>),
    Anybody,
}

impl Tls {
    /// Reads and parses all that is named, so that what is wrong is said here.
    pub fn new(settings: &TlsSettings) -> Result<Self, Error> {
        let mut roots = Vec::new();
        for certificates in &settings.roots {
            roots.append(&mut read_certificates(certificates)?);
        }
        let client = match &settings.client {
            Some(client) => Some((read_certificates(&client.chain)?, read_key(&client.key)?)),
            None => None,
        };
        let server_name = match &settings.server_name {
            Some(name) => Some(ServerName::try_from(name.clone()).map_err(|error| {
                Error::new(Kind::Tls, format!("server_name: {name:?} is no host name")).caused_by(error)
            })?),
            None => None,
        };
        let trust = match (settings.dangerous_accept_any_certificate, settings.platform_roots, roots.is_empty()) {
            (true, ..) => Trust::Anybody,
            (false, true, true) => Trust::Platform,
            (false, true, false) => Trust::PlatformAnd(roots),
            (false, false, false) => Trust::Only(roots),
            (false, false, true) => {
                return Err(Error::new(
                    Kind::Tls,
                    "no certificate could ever be believed: without the platform's roots, name your own",
                ));
            }
        };
        let mut tls = Self { digest: [0; 32], trust, client, server_name, oldest: settings.oldest };
        tls.digest = tls.computed_digest();
        Ok(tls)
    }

    pub(super) fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Zero for what is true of [`Tls::default`], which is so made without computing anything.
    fn computed_digest(&self) -> [u8; 32] {
        let Self { trust, client, server_name, oldest, .. } = self;
        if matches!((trust, client, server_name, oldest), (Trust::Platform, None, None, TlsVersion::V12)) {
            return [0; 32];
        }
        let mut context = Context::new(&SHA256);
        // Each part with its length, so that no two settings have the same bytes.
        let mut add = |bytes: &[u8]| {
            context.update(&(bytes.len() as u64).to_be_bytes());
            context.update(bytes);
        };
        let (kind, roots): (u8, &[CertificateDer<'_>]) = match trust {
            Trust::Platform => (0, &[]),
            Trust::PlatformAnd(roots) => (1, roots),
            Trust::Only(roots) => (2, roots),
            Trust::Anybody => (3, &[]),
        };
        add(&[kind, u8::from(client.is_some()), u8::from(*oldest == TlsVersion::V13)]);
        add(&(roots.len() as u64).to_be_bytes());
        for root in roots {
            add(root);
        }
        if let Some((chain, key)) = client {
            add(key.secret_der());
            add(&(chain.len() as u64).to_be_bytes());
            for certificate in chain {
                add(certificate);
            }
        }
        add(server_name.as_ref().map(ServerName::to_str).unwrap_or_default().as_bytes());
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        digest
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trust = match &self.trust {
            Trust::Platform => "the platform's roots".to_owned(),
            Trust::PlatformAnd(roots) => format!("the platform's roots and {} more", roots.len()),
            Trust::Only(roots) => format!("{} roots", roots.len()),
            Trust::Anybody => "anybody".to_owned(),
        };
        write!(formatter, "Tls({trust}{})", if self.client.is_some() { ", with a client certificate" } else { "" })
    }
}

impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Tls {}

impl Hash for Tls {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.digest.first_chunk().copied().map(u64::from_ne_bytes).unwrap_or_default());
    }
}

fn read_certificates(from: &Certificates) -> Result<Vec<CertificateDer<'static>>, Error> {
    let mut found = Vec::new();
    for (name, bytes) in read(from)? {
        if is_pem(&bytes) {
            for certificate in CertificateDer::pem_slice_iter(&bytes) {
                found.push(certificate.map_err(|error| {
                    Error::new(Kind::Tls, format!("{name} is no PEM file of certificates: {error}"))
                })?);
            }
        } else if webpki_reads(&bytes) {
            found.push(CertificateDer::from(bytes));
        } else {
            return Err(Error::new(Kind::Tls, format!("{name} has no certificate, neither in PEM nor in DER")));
        }
    }
    if found.is_empty() {
        return Err(Error::new(Kind::Tls, format!("{from:?} has no certificate")));
    }
    Ok(found)
}

fn read_key(from: &Certificates) -> Result<PrivateKeyDer<'static>, Error> {
    let (name, bytes) = read(from)?.pop().ok_or_else(|| Error::new(Kind::Tls, format!("{from:?} has no key")))?;
    let encrypted = b"ENCRYPTED";
    if is_pem(&bytes) {
        return PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| {
            let hint = if bytes.windows(encrypted.len()).any(|window| window == encrypted) {
                ": it is encrypted; `openssl pkey -in FILE -out FILE2` removes the passphrase"
            } else {
                ""
            };
            Error::new(Kind::Tls, format!("{name} has no private key that can be used{hint}")).caused_by(error)
        });
    }
    PrivateKeyDer::try_from(bytes).map_err(|error| Error::new(Kind::Tls, format!("{name} is no private key: {error}")))
}

/// Each file with its name.
fn read(from: &Certificates) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let path = match from {
        Certificates::Path(path) => path,
        Certificates::Bytes(bytes) => return Ok(vec![("what was given".to_owned(), bytes.clone())]),
    };
    let unreadable = |error| Error::new(Kind::Tls, format!("{} cannot be read: {error}", path.display()));
    if !path.is_dir() {
        return Ok(vec![(path.display().to_string(), std::fs::read(path).map_err(unreadable)?)]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if file.is_file() {
            let bytes = std::fs::read(&file).map_err(unreadable)?;
            if is_pem(&bytes) {
                files.push((file.display().to_string(), bytes));
            }
        }
    }
    files.sort();
    Ok(files)
}

fn is_pem(bytes: &[u8]) -> bool {
    let mark = b"-----BEGIN ";
    bytes.windows(mark.len()).any(|window| window == mark)
}

fn webpki_reads(der: &[u8]) -> bool {
    rustls::RootCertStore::empty().add(CertificateDer::from(der)).is_ok()
}
