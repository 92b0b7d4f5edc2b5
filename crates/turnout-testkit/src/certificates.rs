//! Authorities and certificates (RFC 5280) made while a test runs: nothing in the repository expires, and nothing secret is in it. P-256,
//! and just as many extensions as verifiers ask for.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

const SEQUENCE: u8 = 0x30;
const ECDSA_WITH_SHA256: &[u8] = &[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const EC_PUBLIC_KEY: &[u8] = &[0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const PRIME256V1: &[u8] = &[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const COMMON_NAME: &[u8] = &[0x06, 3, 0x55, 4, 3];
const BASIC_CONSTRAINTS: &[u8] = &[0x06, 3, 0x55, 0x1d, 19];
const SUBJECT_ALT_NAME: &[u8] = &[0x06, 3, 0x55, 0x1d, 17];
const TRUE: &[u8] = &[0x01, 1, 0xff];

/// A day, for validities.
pub const DAY: Duration = Duration::from_secs(86_400);

/// Who signs.
pub struct Authority {
    name: String,
    key: Key,
    der: Vec<u8>,
}

/// A certificate and its key.
pub struct Certified {
    /// The certificate, in DER.
    pub der: Vec<u8>,
    /// Its private key, in PKCS #8.
    pub key: Vec<u8>,
}

struct Key {
    pkcs8: Vec<u8>,
    pair: EcdsaKeyPair,
}

impl Authority {
    /// Signed by itself.
    ///
    /// # Panics
    /// Without randomness, as everything here.
    pub fn new(name: &str) -> Self {
        let key = Key::generate();
        let basic = extension(BASIC_CONSTRAINTS, true, &tlv(SEQUENCE, &[TRUE]));
        let now = SystemTime::now();
        let der = sign(&key, name, name, &key, (now - DAY, now + 30 * DAY), &basic);
        Self { name: name.to_owned(), key, der }
    }

    /// Its own certificate, in DER: what has to be believed.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The same in PEM.
    pub fn pem(&self) -> String {
        pem("CERTIFICATE", &self.der)
    }

    /// For host names and addresses, valid today.
    pub fn issue(&self, names: &[&str]) -> Certified {
        let now = SystemTime::now();
        self.issue_for(names, now - DAY, now + 30 * DAY)
    }

    /// With another validity.
    pub fn issue_for(&self, names: &[&str], from: SystemTime, until: SystemTime) -> Certified {
        let key = Key::generate();
        let names: Vec<Vec<u8>> = names
            .iter()
            .map(|name| match name.parse() {
                Ok(IpAddr::V4(address)) => tlv(0x87, &[&address.octets()]),
                Ok(IpAddr::V6(address)) => tlv(0x87, &[&address.octets()]),
                Err(_) => tlv(0x82, &[name.as_bytes()]),
            })
            .collect();
        let names = extension(SUBJECT_ALT_NAME, false, &tlv(SEQUENCE, &slices(&names)));
        let der = sign(&self.key, &self.name, "turnout test", &key, (from, until), &names);
        Certified { der, key: key.pkcs8 }
    }
}

impl Certified {
    /// Certificate and key, as one file.
    pub fn pem(&self) -> String {
        pem("CERTIFICATE", &self.der) + &pem("PRIVATE KEY", &self.key)
    }
}

impl Key {
    fn generate() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).expect("randomness");
        let pkcs8 = pkcs8.as_ref().to_vec();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8, &random).expect("just made");
        Self { pkcs8, pair }
    }
}

fn sign(
    issuer_key: &Key,
    issuer: &str,
    subject: &str,
    subject_key: &Key,
    (from, until): (SystemTime, SystemTime),
    extension: &[u8],
) -> Vec<u8> {
    let algorithm = tlv(SEQUENCE, &[ECDSA_WITH_SHA256]);
    let mut serial = [0_u8; 8];
    ring::rand::SecureRandom::fill(&SystemRandom::new(), &mut serial).expect("randomness");
    serial[0] = serial[0] & 0x7f | 0x40; // positive, and no leading zero
    let key = tlv(SEQUENCE, &[EC_PUBLIC_KEY, PRIME256V1]);
    let key = tlv(SEQUENCE, &[&key, &bit_string(subject_key.pair.public_key().as_ref())]);
    let to_be_signed = tlv(
        SEQUENCE,
        &[
            &tlv(0xa0, &[&tlv(0x02, &[&[2]])]), // version 3
            &tlv(0x02, &[&serial]),
            &algorithm,
            &name(issuer),
            &tlv(SEQUENCE, &[&time(from), &time(until)]),
            &name(subject),
            &key,
            &tlv(0xa3, &[&tlv(SEQUENCE, &[extension])]),
        ],
    );
    let signature = issuer_key.pair.sign(&SystemRandom::new(), &to_be_signed).expect("randomness");
    tlv(SEQUENCE, &[&to_be_signed, &algorithm, &bit_string(signature.as_ref())])
}

fn name(common: &str) -> Vec<u8> {
    let attribute = tlv(SEQUENCE, &[COMMON_NAME, &tlv(0x0c, &[common.as_bytes()])]);
    tlv(SEQUENCE, &[&tlv(0x31, &[&attribute])])
}

fn extension(id: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    tlv(SEQUENCE, &[id, if critical { TRUE } else { &[] }, &tlv(0x04, &[value])])
}

/// UTCTime before 2050, GeneralizedTime from then on (RFC 5280, 4.1.2.5).
fn time(at: SystemTime) -> Vec<u8> {
    let seconds = at.duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let (mut days, second) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1970;
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut month = 0;
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    let (month, day) = (month + 1, days + 1);
    let text = format!("{year:04}{month:02}{day:02}{:02}{:02}{:02}Z", second / 3600, second / 60 % 60, second % 60);
    if year < 2050 { tlv(0x17, &[&text.as_bytes()[2..]]) } else { tlv(0x18, &[text.as_bytes()]) }
}

fn bit_string(bytes: &[u8]) -> Vec<u8> {
    tlv(0x03, &[&[0], bytes])
}

fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut der = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => der.push(short),
        Ok(byte) => der.extend([0x81, byte]),
        Err(_) => {
            der.push(0x82);
            der.extend(u16::try_from(length).expect("certificates are small").to_be_bytes());
        }
    }
    for part in parts {
        der.extend_from_slice(part);
    }
    der
}

fn slices(parts: &[Vec<u8>]) -> Vec<&[u8]> {
    parts.iter().map(Vec::as_slice).collect()
}

fn pem(label: &str, der: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut letters = String::new();
    for three in der.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for index in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * index) & 63) as usize];
            letters.push(if index <= three.len() { char::from(letter) } else { '=' });
        }
    }
    let lines: Vec<_> = letters.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line)).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
