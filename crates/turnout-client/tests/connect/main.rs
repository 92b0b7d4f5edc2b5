//! From a place to a connection, as promised to who calls: against name servers, TLS servers and proxies of our own on loopback.
#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod addresses;
mod dns;
mod dropping;
mod names;
mod place;
mod proxies;
mod sharing;
mod tls;
