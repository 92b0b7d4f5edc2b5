//! Calls that become several: redirects, cookies, credentials that are asked for. Against an upstream that does what a test says.
#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod auth;
mod cookies;
mod redirects;
mod upstream;
