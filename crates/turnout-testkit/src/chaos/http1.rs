//! Faults of HTTP/1.1, after the head of a request was read.

use std::io;
use std::time::Duration;

use super::peer::{Next, Peer, Request};
use super::{Fault, How, faults};

/// Between the bytes of what drips.
pub(super) const DRIP: Duration = Duration::from_millis(20);

/// More than any client should read of a head or of interim answers, and little enough for a test.
const ENDLESS: usize = 64 << 20;

const FINE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine";
const POISON: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";

/// Request after request: the path says how each goes wrong; what is no fault's name goes well.
pub(super) fn serve(peer: &mut Peer) -> io::Result<Next> {
    loop {
        let Some(request) = peer.request()? else { return Ok(Next::Close) };
        let name = request.path.trim_start_matches('/').split(['/', '?']).next().unwrap_or_default();
        let fault = faults().find_map(|fault| match fault.how {
            How::Path(act) if fault.name == name => Some((fault.name, act)),
            _ => None,
        });
        let (name, act) = fault.unwrap_or(("fine", fine));
        peer.saw(name);
        let next = act(peer, &request)?;
        if next != Next::Again {
            return Ok(next);
        }
    }
}

fn fine(peer: &mut Peer, request: &Request) -> io::Result<Next> {
    reply(peer, request, FINE, Next::Again)
}

/// The whole request is read, then this is sent.
pub(super) fn reply(peer: &mut Peer, request: &Request, bytes: impl AsRef<[u8]>, next: Next) -> io::Result<Next> {
    peer.skip_body(request)?;
    peer.send(bytes)?;
    Ok(next)
}

fn then_nothing(peer: &mut Peer, request: &Request, bytes: &str) -> io::Result<Next> {
    reply(peer, request, bytes, Next::Again)?;
    peer.wait_for_the_end()
}

const fn path(name: &'static str, does: &'static str, act: fn(&mut Peer, &Request) -> io::Result<Next>) -> Fault {
    Fault { name, does, how: How::Path(act) }
}

pub(super) const FAULTS: &[Fault] = &[
    path("fine", "behaves", fine),
    // Instead of an answer.
    path("silent", "never answers", |peer, request| then_nothing(peer, request, "")),
    path("reset-before-head", "RST instead of an answer", |peer, request| reply(peer, request, "", Next::Reset)),
    path("close-before-head", "FIN instead of an answer", |peer, request| reply(peer, request, "", Next::Close)),
    path("not-http", "another protocol", |peer, request| reply(peer, request, "SSH-2.0-chaos\r\n", Next::Close)),
    path("garbage", "bytes without a meaning", |peer, request| {
        reply(peer, request, super::early::garbage(2048), Next::Close)
    }),
    // In the head.
    path("reset-half-head", "RST in the head", |peer, request| reply(peer, request, HALF_HEAD, Next::Reset)),
    path("close-half-head", "FIN in the head", |peer, request| reply(peer, request, HALF_HEAD, Next::Close)),
    path("stop-half-head", "half a head, then nothing", |peer, request| then_nothing(peer, request, HALF_HEAD)),
    path("drip-head", "a head at a byte every 20 ms that does not end", |peer, request| {
        peer.skip_body(request)?;
        peer.drip("HTTP/1.1 200 OK\r\nX-Long: ".bytes().chain(std::iter::repeat(b'x')), DRIP)?;
        Ok(Next::Close)
    }),
    path("huge-header", "one field of 2 MiB", |peer, request| {
        let head = format!("HTTP/1.1 200 OK\r\nX-Huge: {}\r\nContent-Length: 4\r\n\r\nfine", "x".repeat(2 << 20));
        reply(peer, request, head, Next::Again)
    }),
    path("endless-header", "one field that does not end", |peer, request| {
        reply(peer, request, "HTTP/1.1 200 OK\r\nX-Endless: ", Next::Again)?;
        let piece = "x".repeat(64 << 10);
        for _ in 0..ENDLESS / piece.len() {
            peer.send(&piece)?;
        }
        Ok(Next::Close)
    }),
    path("many-headers", "20,000 fields", |peer, request| {
        let fields = "X-Many: y\r\n".repeat(20_000);
        reply(peer, request, format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 4\r\n\r\nfine"), Next::Again)
    }),
    path("bad-status", "a status that is no number", |peer, request| {
        reply(peer, request, "HTTP/1.1 two OK\r\nContent-Length: 4\r\n\r\nfine", Next::Again)
    }),
    path("bad-version", "a version that does not exist", |peer, request| {
        reply(peer, request, "HTTP/7.3 200 OK\r\nContent-Length: 4\r\n\r\nfine", Next::Again)
    }),
    path("bad-field", "a field with a NUL in its name", |peer, request| {
        reply(peer, request, "HTTP/1.1 200 OK\r\nX-\0: y\r\nContent-Length: 4\r\n\r\nfine", Next::Again)
    }),
    // Interim answers.
    path("interim", "three interim answers, then one", |peer, request| {
        let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(3);
        reply(peer, request, interim + FINE, Next::Again)
    }),
    path("interim-flood", "interim answers without an end", |peer, request| {
        peer.skip_body(request)?;
        let flood = "HTTP/1.1 100 Continue\r\n\r\n".repeat(1024);
        for _ in 0..ENDLESS / flood.len() {
            peer.send(&flood)?;
        }
        Ok(Next::Close)
    }),
    path("interim-drip", "an interim answer every 20 ms, without an end", |peer, request| {
        peer.skip_body(request)?;
        loop {
            peer.send("HTTP/1.1 102 Processing\r\n\r\n")?;
            peer.pause(DRIP)?;
        }
    }),
    path("switching", "changes the protocol although nobody asked", |peer, request| {
        then_nothing(peer, request, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: chaos\r\nConnection: upgrade\r\n\r\n")
    }),
    // The length.
    path("length-too-long", "announces 100 bytes, sends 4, closes", |peer, request| {
        reply(peer, request, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfine", Next::Close)
    }),
    path("length-too-short", "announces 4 bytes and sends more", |peer, request| {
        reply(peer, request, format!("{FINE}{}", "and more".repeat(100)), Next::Again)
    }),
    path("length-twice", "two lengths that differ", |peer, request| {
        reply(peer, request, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 6\r\n\r\npoison", Next::Again)
    }),
    path("length-negative", "a length below zero", |peer, request| {
        reply(peer, request, "HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\nfine", Next::Again)
    }),
    path("length-huge", "announces 8 EiB and sends 4 bytes", |peer, request| {
        then_nothing(peer, request, "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\nfine")
    }),
    path("body-on-204", "a body where there is none", |peer, request| {
        reply(peer, request, format!("HTTP/1.1 204 No Content\r\n\r\n{POISON}"), Next::Again)
    }),
    path("body-on-head", "a body although only the head was asked for", fine),
    // The body.
    path("reset-half-body", "RST in the body", |peer, request| reply(peer, request, HALF_BODY, Next::Reset)),
    path("stop-half-body", "half a body, then nothing", |peer, request| then_nothing(peer, request, HALF_BODY)),
    path("drip-body", "a body at a byte every 20 ms that does not end", |peer, request| {
        reply(peer, request, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", Next::Again)?;
        peer.drip(std::iter::repeat(b'x'), DRIP)?;
        Ok(Next::Close)
    }),
    path("endless-body", "64 MiB", |peer, request| {
        reply(peer, request, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", Next::Again)?;
        let piece = "x".repeat(64 << 10);
        for _ in 0..ENDLESS / piece.len() {
            peer.send(&piece)?;
        }
        Ok(Next::Close)
    }),
    path("chunk-nonsense", "a chunk whose size is no number", |peer, request| {
        reply(peer, request, format!("{CHUNKED}zz\r\nfine\r\n0\r\n\r\n"), Next::Again)
    }),
    path("chunk-overflow", "a chunk larger than numbers are", |peer, request| {
        reply(peer, request, format!("{CHUNKED}FFFFFFFFFFFFFFFFFF\r\nfine\r\n0\r\n\r\n"), Next::Again)
    }),
    path("chunk-too-short", "a chunk that is longer than it says", |peer, request| {
        reply(peer, request, format!("{CHUNKED}2\r\nfine\r\n0\r\n\r\n"), Next::Again)
    }),
    path("chunk-cut", "FIN between two chunks", |peer, request| {
        reply(peer, request, format!("{CHUNKED}4\r\nfine\r\n"), Next::Close)
    }),
    path("chunk-extensions", "chunk extensions without an end", |peer, request| {
        reply(peer, request, format!("{CHUNKED}4;"), Next::Again)?;
        let piece = "x".repeat(64 << 10);
        for _ in 0..ENDLESS / piece.len() {
            peer.send(&piece)?;
        }
        Ok(Next::Close)
    }),
    path("trailer-flood", "trailers without an end", |peer, request| {
        reply(peer, request, format!("{CHUNKED}4\r\nfine\r\n0\r\n"), Next::Again)?;
        let flood = "X-Trailer: y\r\n".repeat(4096);
        for _ in 0..ENDLESS / flood.len() {
            peer.send(&flood)?;
        }
        Ok(Next::Close)
    }),
    // The request.
    path("early-answer", "answers and closes before the body of the request is read", |peer, _| {
        peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfine")?;
        Ok(Next::Close)
    }),
    path("never-reads", "takes the head of the request and no more", |peer, _| {
        peer.pause(super::LONGEST)?;
        Ok(Next::Close)
    }),
    path("redirect-loop", "redirects to itself", |peer, request| {
        let answer = "HTTP/1.1 302 Found\r\nLocation: /redirect-loop\r\nContent-Length: 0\r\n\r\n";
        reply(peer, request, answer, Next::Again)
    }),
    path("redirect-nowhere", "redirects to what is no URL", |peer, request| {
        let answer = "HTTP/1.1 302 Found\r\nLocation: http://[::x/\r\nContent-Length: 0\r\n\r\n";
        reply(peer, request, answer, Next::Again)
    }),
    // After a good answer: the next call must not suffer from it.
    path("stray-answer", "a second answer that nobody asked for, with the first", |peer, request| {
        reply(peer, request, format!("{FINE}{POISON}"), Next::Again)
    }),
    path("late-stray-answer", "a second answer that nobody asked for, a moment later", |peer, request| {
        reply(peer, request, FINE, Next::Again)?;
        peer.pause(Duration::from_millis(1))?;
        peer.send(POISON)?;
        Ok(Next::Again)
    }),
    path("closes-idle", "FIN at some moment within 4 ms after the answer", |peer, request| {
        reply(peer, request, FINE, Next::Again)?;
        peer.pause(Duration::from_micros(peer.number.wrapping_mul(0x9E37_79B9) % 4000))?;
        Ok(Next::Close)
    }),
    path("resets-idle", "RST at some moment within 4 ms after the answer", |peer, request| {
        reply(peer, request, FINE, Next::Again)?;
        peer.pause(Duration::from_micros(peer.number.wrapping_mul(0x9E37_79B9) % 4000))?;
        Ok(Next::Reset)
    }),
    path("resets-second", "answers the first request of a connection, and RST to its second", |peer, request| {
        reply(peer, request, FINE, Next::Again)?;
        peer.request()?;
        Ok(Next::Reset)
    }),
];

const HALF_HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Le";
const HALF_BODY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nfine";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
