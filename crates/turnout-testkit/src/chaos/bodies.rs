//! Faults of encoded bodies: bombs, and what is none of the encodings it claims to be.

use std::io::{self, Write};

use flate2::write::{DeflateEncoder, GzEncoder};
use flate2::{Compress, Compression, Crc, FlushCompress};

use super::http1::reply;
use super::peer::{Next, Peer, Request};
use super::{Fault, How};

/// What a bomb becomes: twice what a client allows by default.
const BOMB: usize = 64 << 20;

pub(super) const FAULTS: &[Fault] = &[
    encoded("gzip-bomb", "64 MiB of zeros in 100 KiB", |peer, request| send(peer, request, "gzip", &gzip_bomb())),
    encoded("deflate-bomb", "64 MiB of zeros in 100 KiB", |peer, request| send(peer, request, "deflate", &zlib_bomb())),
    encoded("br-bomb", "64 MiB of zeros in 106 bytes", |peer, request| send(peer, request, "br", BROTLI_BOMB)),
    encoded("zstd-bomb", "64 MiB of zeros in 2 KiB", |peer, request| send(peer, request, "zstd", &zstd_bomb())),
    encoded("double-bomb", "a gzip-bomb in gzip again", |peer, request| {
        let bomb = gzip_bomb();
        send(peer, request, "gzip, gzip", &gzip(|into| into.write_all(&bomb)))
    }),
    encoded("zstd-window", "asks for 2 TiB to look back", |peer, request| {
        // A frame head whose window is the largest there is, and one empty block (RFC 8878, 3.1.1).
        send(peer, request, "zstd", &[&ZSTD_MAGIC[..], &[0, 0xFF, 1, 0, 0]].concat())
    }),
    encoded("gzip-broken", "bytes that are no gzip", |peer, request| send(peer, request, "gzip", b"not compressed")),
    encoded("br-broken", "bytes that are no brotli", |peer, request| send(peer, request, "br", &[0xFF; 64])),
    encoded("zstd-broken", "bytes that are no zstd", |peer, request| send(peer, request, "zstd", b"not compressed")),
    encoded("deflate-broken", "bytes that are no deflate", |peer, request| {
        send(peer, request, "deflate", b"not compressed")
    }),
    encoded("gzip-cut", "half of a gzip, with the right length", |peer, request| {
        let whole = gzip(fine);
        send(peer, request, "gzip", &whole[..whole.len() / 2])
    }),
    encoded("gzip-bad-sum", "a gzip with a wrong checksum", |peer, request| {
        let mut whole = gzip(fine);
        let sum = whole.len() - 8;
        whole[sum] ^= 1;
        send(peer, request, "gzip", &whole)
    }),
    encoded("many-encodings", "says gzip ten times", |peer, request| {
        send(peer, request, &["gzip"; 10].join(", "), &gzip(fine))
    }),
    // Not wrong, and often seen.
    encoded("gzip-fine", "gzip", |peer, request| send(peer, request, "gzip", &gzip(fine))),
    encoded("deflate-raw", "deflate without its head, as many servers send it", |peer, request| {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        fine(&mut encoder)?;
        send(peer, request, "deflate", &encoder.finish()?)
    }),
    encoded("unknown-encoding", "an encoding that nobody asked for", |peer, request| {
        send(peer, request, "x-chaos", b"fine")
    }),
];

const fn encoded(name: &'static str, does: &'static str, act: fn(&mut Peer, &Request) -> io::Result<Next>) -> Fault {
    Fault { name, does, how: How::Path(act) }
}

fn send(peer: &mut Peer, request: &Request, encoding: &str, body: &[u8]) -> io::Result<Next> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {}\r\n\r\n", body.len());
    let body = if request.method == "HEAD" { &[] } else { body };
    reply(peer, request, [head.as_bytes(), body].concat(), Next::Again)
}

fn fine(into: &mut dyn Write) -> io::Result<()> {
    into.write_all(b"fine")
}

fn gzip(what: impl Fn(&mut dyn Write) -> io::Result<()>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    what(&mut encoder).and_then(|()| encoder.finish()).expect("a vector takes all")
}

/// A gzip head, the zeros, and their sum and length (RFC 1952).
fn gzip_bomb() -> Vec<u8> {
    let mut piece = Crc::new();
    piece.update(&vec![0; PIECE]);
    let mut sum = Crc::new();
    (0..BOMB / PIECE).for_each(|_| sum.combine(&piece));
    let head = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF];
    [&head[..], &deflated_zeros(), &sum.sum().to_le_bytes(), &(BOMB as u32).to_le_bytes()].concat()
}

/// A zlib head, the zeros, and their sum (RFC 1950): of zeros it is 1, and how many there are modulo a prime.
fn zlib_bomb() -> Vec<u8> {
    let sum = ((BOMB as u32 % 65_521) << 16) | 1;
    [&[0x78, 0xDA][..], &deflated_zeros(), &sum.to_be_bytes()].concat()
}

const PIECE: usize = 64 << 10;

/// Compressed piece by piece, each as if nothing had come before it, so that one is enough; then an empty last block.
fn deflated_zeros() -> Vec<u8> {
    let mut piece = Vec::with_capacity(PIECE);
    let mut compress = Compress::new(Compression::best(), false);
    compress.compress_vec(&vec![0; PIECE], &mut piece, FlushCompress::Full).expect("zeros can be compressed");
    [piece.repeat(BOMB / PIECE), vec![3, 0]].concat()
}

const ZSTD_MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// One frame of blocks that each say "so many times this byte" (RFC 8878, 3.1.1.2).
fn zstd_bomb() -> Vec<u8> {
    const BLOCK: usize = 128 << 10;
    const REPEAT: u32 = 1 << 1;
    // No size, no checksum; a window of 128 KiB.
    let mut frame = [&ZSTD_MAGIC[..], &[0, 7 << 3]].concat();
    for left in (0..BOMB / BLOCK).rev() {
        let last = u32::from(left == 0);
        frame.extend_from_slice(&((BLOCK as u32) << 3 | REPEAT | last).to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}

/// 64 MiB of zeros, made by Google's encoder at its best.
const BROTLI_BOMB: &[u8] = &[
    0xCB, 0xFF, 0xFF, 0x3F, 0xF8, 0x27, 0x00, 0xE2, 0xB1, 0x40, 0x20, 0xF7, 0xFE, 0x8F, 0xFF, 0xFF, 0x7F, 0xF0, 0x4F,
    0x00, 0xC4, 0x61, 0x11, 0x80, 0xEE, 0xFD, 0x1F, 0xFF, 0xFF, 0xFF, 0xE0, 0x9F, 0x00, 0x88, 0xC3, 0x02, 0x00, 0xDD,
    0xFB, 0x3F, 0xFE, 0xFF, 0xFF, 0xC1, 0x3F, 0x01, 0x10, 0x87, 0x05, 0x00, 0xBA, 0xF7, 0x7F, 0xFC, 0xFF, 0xFF, 0x83,
    0x7F, 0x02, 0x20, 0x0E, 0x0B, 0x00, 0x74, 0xEF, 0xFF, 0xF8, 0xFF, 0xFF, 0x07, 0xFF, 0x04, 0x40, 0x1C, 0x16, 0x00,
    0xE8, 0xDE, 0xFF, 0xF1, 0xFF, 0xFF, 0x0F, 0xFE, 0x09, 0x80, 0x38, 0x2C, 0x00, 0xD0, 0xBD, 0xFF, 0xE3, 0xFF, 0xFF,
    0x1F, 0xFC, 0x13, 0x00, 0x71, 0x58, 0x00, 0xA0, 0x7B, 0xFF, 0x37,
];

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn zeros_in(mut decoder: impl Read) -> usize {
        let mut piece = vec![0; 64 << 10];
        let mut all = 0;
        loop {
            let read = decoder.read(&mut piece).expect("it can be decoded");
            assert!(piece[..read] == vec![0; read]);
            all += read;
            if read == 0 {
                return all;
            }
        }
    }

    #[test]
    fn bombs_explode() {
        assert_eq!(zeros_in(flate2::read::GzDecoder::new(&gzip_bomb()[..])), BOMB);
        assert_eq!(zeros_in(flate2::read::ZlibDecoder::new(&zlib_bomb()[..])), BOMB);
        assert_eq!(zeros_in(brotli_decompressor::Decompressor::new(BROTLI_BOMB, 4096)), BOMB);
        assert_eq!(zeros_in(zstd::Decoder::new(&zstd_bomb()[..]).expect("a frame")), BOMB);
        assert!(gzip_bomb().len() < 110_000 && zstd_bomb().len() < 2100);
    }
}
