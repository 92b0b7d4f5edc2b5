//! Faults of HTTP/2, spoken without asking (RFC 9113, 3.3): frames by hand.

use std::io;

use super::early::garbage;
use super::peer::{Next, Peer};
use super::{Fault, How};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;

/// `:status: 200`, by its number in the static table (RFC 7541, A).
const OK: &[u8] = &[0x88];

/// Frames that no client should read to the end.
const ENDLESS: usize = 4096;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "h2-fine",
        does: "behaves",
        how: How::Http2(|peer| talk(peer, |peer, stream, _| fine(peer, stream))),
    },
    Fault {
        name: "h2-garbage",
        does: "no frames",
        how: How::Http2(|peer| {
            peer.take(PREFACE.len())?;
            peer.send(garbage(4096))?;
            peer.wait_for_the_end()
        }),
    },
    Fault {
        name: "h2-http1",
        does: "the other protocol",
        how: How::Http2(|peer| {
            peer.take(PREFACE.len())?;
            peer.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
            Ok(Next::Close)
        }),
    },
    Fault {
        name: "h2-silent",
        does: "agrees on everything and never answers",
        how: How::Http2(|peer| talk(peer, |_, _, _| Ok(Next::Again))),
    },
    Fault {
        name: "h2-close",
        does: "FIN instead of an answer",
        how: How::Http2(|peer| talk(peer, |_, _, _| Ok(Next::Close))),
    },
    Fault {
        name: "h2-goaway",
        does: "sends every request away unread, with GOAWAY",
        how: How::Http2(|peer| {
            talk(peer, |peer, _, _| {
                send(peer, GOAWAY, 0, 0, &[0; 8])?;
                Ok(Next::Close)
            })
        }),
    },
    Fault {
        name: "h2-goaway-once",
        does: "as h2-goaway, on every second connection",
        how: How::Http2(|peer| {
            talk(peer, |peer, stream, _| {
                if !first_of_two(peer) {
                    return fine(peer, stream);
                }
                send(peer, GOAWAY, 0, 0, &[0; 8])?;
                Ok(Next::Close)
            })
        }),
    },
    Fault {
        name: "h2-goaway-last",
        does: "answers one request a connection: GOAWAY comes between its head and its body",
        how: How::Http2(|peer| {
            talk(peer, |peer, stream, _| {
                send(peer, HEADERS, END_HEADERS, stream, OK)?;
                send(peer, GOAWAY, 0, 0, &[stream.to_be_bytes(), [0; 4]].concat())?;
                send(peer, DATA, END_STREAM, stream, b"fine")?;
                Ok(Next::Close)
            })
        }),
    },
    Fault {
        name: "h2-rst",
        does: "RST_STREAM: internal error",
        how: How::Http2(|peer| talk(peer, |peer, stream, _| rst(peer, stream, INTERNAL_ERROR))),
    },
    Fault {
        name: "h2-refused",
        does: "RST_STREAM: refused, which says that nothing was done",
        how: How::Http2(|peer| talk(peer, |peer, stream, _| rst(peer, stream, REFUSED_STREAM))),
    },
    Fault {
        name: "h2-refused-once",
        does: "as h2-refused, every first request of a connection",
        how: How::Http2(|peer| {
            talk(
                peer,
                |peer, stream, number| {
                    if number > 0 { fine(peer, stream) } else { rst(peer, stream, REFUSED_STREAM) }
                },
            )
        }),
    },
    Fault {
        name: "h2-rst-half-body",
        does: "RST_STREAM in the body",
        how: How::Http2(|peer| {
            talk(peer, |peer, stream, _| {
                send(peer, HEADERS, END_HEADERS, stream, OK)?;
                send(peer, DATA, 0, stream, b"fine")?;
                rst(peer, stream, INTERNAL_ERROR)
            })
        }),
    },
    Fault {
        name: "h2-close-half-body",
        does: "FIN in the body",
        how: How::Http2(|peer| {
            talk(peer, |peer, stream, _| {
                send(peer, HEADERS, END_HEADERS, stream, OK)?;
                send(peer, DATA, 0, stream, b"fine")?;
                Ok(Next::Close)
            })
        }),
    },
    Fault {
        name: "h2-bad-frame",
        does: "DATA on the connection itself",
        how: How::Http2(|peer| {
            talk(peer, |peer, _, _| {
                send(peer, DATA, 0, 0, b"poison")?;
                peer.wait_for_the_end()
            })
        }),
    },
    Fault {
        name: "h2-bad-fields",
        does: "a field block that is no HPACK",
        how: How::Http2(|peer| {
            talk(peer, |peer, stream, _| {
                send(peer, HEADERS, END_HEADERS | END_STREAM, stream, &[0xFF; 16])?;
                peer.wait_for_the_end()
            })
        }),
    },
    Fault {
        name: "h2-continuation-flood",
        does: "a field block without an end",
        how: How::Http2(|peer| {
            talk(peer, |peer, stream, _| {
                send(peer, HEADERS, 0, stream, OK)?;
                // A literal field that is not indexed, its name "x", its value 100 letters.
                let field = [&[0x00, 1, b'x', 100][..], &[b'y'; 100]].concat();
                let block = field.repeat(128);
                for _ in 0..ENDLESS {
                    send(peer, CONTINUATION, 0, stream, &block)?;
                }
                Ok(Next::Close)
            })
        }),
    },
];

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The connection's formalities; each request's stream goes to `act`, with the number of requests before it.
fn talk(peer: &mut Peer, act: fn(&mut Peer, u32, u64) -> io::Result<Next>) -> io::Result<Next> {
    peer.take(PREFACE.len())?;
    send(peer, SETTINGS, 0, 0, &[])?;
    let mut requests = 0;
    loop {
        let head = peer.take(9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let (kind, flags) = (head[3], head[4]);
        let stream = u32::from_be_bytes([head[5] & 0x7F, head[6], head[7], head[8]]);
        let payload = peer.take(length)?;
        match kind {
            SETTINGS if flags & ACK == 0 => send(peer, SETTINGS, ACK, 0, &[])?,
            PING if flags & ACK == 0 => send(peer, PING, ACK, 0, &payload)?,
            GOAWAY => return Ok(Next::Close),
            HEADERS => {
                let next = if peer.is_healed() { fine(peer, stream) } else { act(peer, stream, requests) }?;
                requests += 1;
                if next != Next::Again {
                    return Ok(next);
                }
            }
            _ => {}
        }
    }
}

fn fine(peer: &mut Peer, stream: u32) -> io::Result<Next> {
    send(peer, HEADERS, END_HEADERS, stream, OK)?;
    send(peer, DATA, END_STREAM, stream, b"fine")?;
    Ok(Next::Again)
}

fn rst(peer: &mut Peer, stream: u32, code: u32) -> io::Result<Next> {
    send(peer, RST_STREAM, 0, stream, &code.to_be_bytes())?;
    Ok(Next::Again)
}

/// Of the connections of this port: every other one.
fn first_of_two(peer: &Peer) -> bool {
    peer.number.is_multiple_of(2)
}

fn send(peer: &mut Peer, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
    let length = u32::try_from(payload.len()).expect("frames here are small").to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    peer.send([head.as_slice(), payload].concat())
}
