//! Faults before a request is read: at accept, in the handshake, in the first word.

use std::io;

use super::http1;
use super::peer::{Next, Peer};
use super::{Fault, How};

pub(super) const FAULTS: &[Fault] = &[
    Fault { name: "absent", does: "nobody listens", how: How::Absent },
    Fault { name: "deaf", does: "listens and never accepts", how: How::Deaf },
    Fault {
        name: "reset-at-accept",
        does: "RST to whoever connects",
        how: How::Port(|peer| unless_healed(peer, |_| Ok(Next::Reset))),
    },
    Fault {
        name: "close-at-accept",
        does: "FIN to whoever connects",
        how: How::Port(|peer| unless_healed(peer, |_| Ok(Next::Close))),
    },
    Fault {
        name: "speaks-first",
        does: "an answer before there is a request",
        how: How::Port(|peer| {
            unless_healed(peer, |peer| {
                peer.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")?;
                peer.wait_for_the_end()
            })
        }),
    },
    Fault {
        name: "tls-reset",
        does: "RST after the client's first word",
        how: How::Tls(|peer| {
            peer.fill()?;
            Ok(Next::Reset)
        }),
    },
    Fault {
        name: "tls-close",
        does: "FIN after the client's first word",
        how: How::Tls(|peer| {
            peer.fill()?;
            Ok(Next::Close)
        }),
    },
    Fault { name: "tls-silent", does: "reads and says nothing", how: How::Tls(Peer::wait_for_the_end) },
    Fault {
        name: "tls-garbage",
        does: "bytes that are no handshake",
        how: How::Tls(|peer| {
            peer.fill()?;
            peer.send(garbage(4096))?;
            peer.wait_for_the_end()
        }),
    },
    Fault {
        name: "tls-alert",
        does: "a fatal alert: handshake failure",
        how: How::Tls(|peer| {
            peer.fill()?;
            peer.send([0x15, 3, 3, 0, 2, 2, 40])?;
            Ok(Next::Close)
        }),
    },
    Fault {
        name: "tls-plain",
        does: "an answer in the clear: somebody mixed up the ports",
        how: How::Tls(|peer| {
            peer.fill()?;
            peer.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
            Ok(Next::Close)
        }),
    },
    Fault {
        name: "tls-endless",
        does: "a handshake record that announces 16 KiB and drips",
        how: How::Tls(|peer| {
            peer.fill()?;
            peer.send([0x16, 3, 3, 0x40, 0])?;
            peer.drip(std::iter::repeat(0), http1::DRIP)?;
            Ok(Next::Close)
        }),
    },
];

fn unless_healed(peer: &mut Peer, fault: fn(&mut Peer) -> io::Result<Next>) -> io::Result<Next> {
    if peer.is_healed() { http1::serve(peer) } else { fault(peer) }
}

/// Bytes that follow no rule and are the same each time; the first is no record type of TLS and no letter.
pub(super) fn garbage(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_u32;
    let noise = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 24) as u8
    });
    std::iter::once(0xFF).chain(noise).take(length).collect()
}
