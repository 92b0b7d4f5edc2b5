//! Authorities and certificates made while a test runs: nothing in the repository expires, and nothing secret is in it.

use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// A day, for validities.
pub const DAY: Duration = Duration::from_secs(86_400);

/// Who signs.
pub struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
pub struct Certified {
    /// The certificate, in DER.
    pub der: Vec<u8>,
    /// Its private key, in PKCS #8.
    pub key: Vec<u8>,
    pem: String,
}

impl Authority {
    /// Signed by itself.
    ///
    /// # Panics
    /// Without randomness, as everything here.
    pub fn new(name: &str) -> Self {
        let now = SystemTime::now();
        let mut params = params(&[], name, now - DAY, now + 30 * DAY);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = key();
        let certificate = params.self_signed(&key).expect("randomness");
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// Its own certificate, in DER: what has to be believed.
    pub fn der(&self) -> &[u8] {
        self.certificate.der()
    }

    /// The same in PEM.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// For host names and addresses, valid today.
    pub fn issue(&self, names: &[&str]) -> Certified {
        let now = SystemTime::now();
        self.issue_for(names, now - DAY, now + 30 * DAY)
    }

    /// With another validity.
    pub fn issue_for(&self, names: &[&str], from: SystemTime, until: SystemTime) -> Certified {
        let key = key();
        let params = params(names, "turnout test", from, until);
        let certificate = params.signed_by(&key, &self.issuer).expect("randomness");
        Certified {
            der: certificate.der().to_vec(),
            key: key.serialize_der(),
            pem: certificate.pem() + &key.serialize_pem(),
        }
    }
}

impl Certified {
    /// Certificate and key, as one file.
    pub fn pem(&self) -> String {
        self.pem.clone()
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("randomness")
}

fn params(names: &[&str], subject: &str, from: SystemTime, until: SystemTime) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names in ASCII");
    params.distinguished_name.push(DnType::CommonName, subject);
    (params.not_before, params.not_after) = (from.into(), until.into());
    params
}
