//! The four decoders behind one step: some bytes in, some bytes out, nothing allocated by what the input claims to become.

use std::io;

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{DParameter, Decoder as Zstd, Operation};

use super::coding::Coding;

/// 8 MiB, as RFC 8878 (3.1.1.1.2) recommends a decoder to support and HTTP requires of an encoder (RFC 9659): a frame may ask for 2 GiB.
const ZSTD_WINDOW_LOG: u32 = 23;

/// As large as DEFLATE's window gets.
const DEFLATE_WINDOW_BITS: u8 = 15;

/// A gzip member costs a fresh window: bodies of nothing but empty members would be slow rather than large. `bgzip` makes members of up
/// to 64 KiB.
const LEAST_MEMBER: u64 = 1024;
const FREE_MEMBERS: u64 = 64;

/// How a decoder got on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// Bytes of the input that are done with.
    pub(super) read: usize,
    /// Bytes of the output that are filled.
    pub(super) written: usize,
}

/// Why a body cannot be decoded.
#[derive(Debug)]
pub(super) enum Broken {
    /// Not what `Content-Encoding` says, or damaged.
    Corrupt(io::Error),
    /// It is complete, and then something follows.
    Trailing,
    /// Very many members with nothing in them.
    Members,
}

/// One coding being taken off.
pub(super) struct Codec {
    pub(super) coding: Coding,
    state: State,
    /// Bytes that went in.
    read: u64,
    /// A body may end here.
    complete: bool,
}

enum State {
    Gzip {
        inflate: Decompress,
        members: u64,
    },
    /// The first byte, if there is one yet: two of them tell whether the wrapper is there.
    Sniff(Option<u8>),
    Deflate(Decompress),
    Brotli(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>),
    Zstd(Zstd<'static>),
}

impl Codec {
    pub(super) fn new(coding: Coding) -> Result<Self, Broken> {
        let state = match coding {
            Coding::Gzip => State::Gzip { inflate: Decompress::new_gzip(DEFLATE_WINDOW_BITS), members: 1 },
            Coding::Deflate => State::Sniff(None),
            Coding::Brotli => {
                // "Strict": the large windows that no RFC has are refused.
                let alloc = StandardAlloc::default;
                State::Brotli(Box::new(BrotliState::new_strict(alloc(), alloc(), alloc())))
            }
            Coding::Zstd => {
                let mut decoder = Zstd::new().map_err(Broken::Corrupt)?;
                decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG)).map_err(Broken::Corrupt)?;
                State::Zstd(decoder)
            }
        };
        // Servers send an empty body under any name: an error page that a filter cut, a `Content-Length: 0`.
        Ok(Self { coding, state, read: 0, complete: true })
    }

    /// Whether the body may end here.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Decodes what fits. Nothing read and nothing written: it needs more input. `output` must not be empty.
    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Broken> {
        let step = match &mut self.state {
            State::Sniff(first) => {
                let Some((&byte, rest)) = input.split_first() else { return Ok(Step::default()) };
                self.complete = false;
                let Some(first) = *first else {
                    self.state = State::Sniff(Some(byte));
                    self.read += 1;
                    return Ok(Step { read: 1, written: 0 });
                };
                let wrapped = first & 0x0F == 8 && u16::from_be_bytes([first, byte]).is_multiple_of(31);
                let mut inflate = Decompress::new(wrapped);
                let head = run_inflate(&mut inflate, &[first, byte], output)?;
                self.complete = head.1;
                if self.complete && !rest.is_empty() {
                    return Err(Broken::Trailing);
                }
                self.state = State::Deflate(inflate);
                Step { read: 1, written: head.0.written }
            }
            _ if input.is_empty() && self.complete => Step::default(),
            State::Deflate(_) | State::Brotli(_) if self.complete && self.read > 0 => return Err(Broken::Trailing),
            State::Deflate(inflate) => {
                let (step, ended) = run_inflate(inflate, input, output)?;
                self.complete = ended;
                step
            }
            State::Gzip { inflate, members } => {
                if self.complete && self.read > 0 {
                    *members += 1;
                    if *members > FREE_MEMBERS + self.read / LEAST_MEMBER {
                        return Err(Broken::Members);
                    }
                    *inflate = Decompress::new_gzip(DEFLATE_WINDOW_BITS);
                }
                let first = *members == 1;
                let (step, ended) =
                    run_inflate(inflate, input, output).map_err(|broken| match inflate.total_out() {
                        0 if !first => Broken::Trailing,
                        _ => broken,
                    })?;
                self.complete = ended;
                step
            }
            State::Brotli(state) => {
                let (step, ended) = run_brotli(state, input, output)?;
                self.complete = ended;
                step
            }
            State::Zstd(decoder) => {
                let status = decoder.run_on_buffers(input, output).map_err(Broken::Corrupt)?;
                // Zero also says that all of the frame has been written.
                self.complete = status.remaining == 0;
                Step { read: status.bytes_read, written: status.bytes_written }
            }
        };
        self.read += step.read as u64;
        Ok(step)
    }
}

/// And whether the stream has ended.
fn run_inflate(inflate: &mut Decompress, input: &[u8], output: &mut [u8]) -> Result<(Step, bool), Broken> {
    let (read, written) = (inflate.total_in(), inflate.total_out());
    let status = inflate
        .decompress(input, output, FlushDecompress::None)
        .map_err(|error| Broken::Corrupt(io::Error::new(io::ErrorKind::InvalidData, error)))?;
    let step = Step { read: (inflate.total_in() - read) as usize, written: (inflate.total_out() - written) as usize };
    Ok((step, status == Status::StreamEnd))
}

/// And whether the stream has ended.
fn run_brotli(
    state: &mut BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    input: &[u8],
    output: &mut [u8],
) -> Result<(Step, bool), Broken> {
    let (mut left, mut read) = (input.len(), 0);
    let (mut room, mut written, mut total) = (output.len(), 0, 0);
    let result =
        BrotliDecompressStream(&mut left, &mut read, input, &mut room, &mut written, output, &mut total, state);
    match result {
        BrotliResult::ResultFailure => {
            let why = io::Error::new(io::ErrorKind::InvalidData, format!("{:?}", state.error_code));
            Err(Broken::Corrupt(why))
        }
        result => Ok((Step { read, written }, matches!(result, BrotliResult::ResultSuccess))),
    }
}
