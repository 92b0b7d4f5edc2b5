//! Takes content codings off a body, piece by piece, within caps on size and ratio.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::Method;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use tokio::time::Instant;

use super::codec::{Broken, Codec, Step};
use super::coding::{Coding, codings, has_body};
use crate::answer::{Answer, AnswerBody, BodyStream, Chunks, Head};
use crate::call::Call;
use crate::cpu::Cpu;
use crate::error::{Error, Kind};

/// So much may any body become, however small it came.
const FREE_OUTPUT: u64 = 1 << 20;

/// Beyond [`FREE_OUTPUT`], at most so many bytes from one. Real JSON and HTML stay below 100; DEFLATE ends at 1032, the others have no end.
const MAX_RATIO: u64 = 500;

/// Decoded at once, on the thread that reads the network: 0.1 to 0.4 ms of work. The rest of a larger body goes to [`Cpu`].
const INLINE: usize = 64 << 10;

/// A piece of a stream, and what passes between two codings.
const PIECE: usize = 32 << 10;

/// What an attempt brought is not yet as its call wants it.
pub(crate) fn is_coded(call: &Call, answer: &Answer) -> bool {
    call.options.decode && answer.head.headers.contains_key(CONTENT_ENCODING)
}

/// Then it is decoded.
pub(crate) async fn decode(cpu: &Cpu, call: &Call, answer: &mut Answer) -> Result<(), Error> {
    let begun = Instant::now();
    let body = std::mem::replace(&mut answer.body, AnswerBody::Whole(Bytes::new()));
    let unpacked = unpack(cpu, &call.method, &mut answer.head, body, call.options.max_body).await;
    answer.body = unpacked.map_err(Error::after_sending)?;
    answer.timings.decode = Some(begun.elapsed());
    Ok(())
}

/// Takes off what `head` says lies on `body`, and the fields that say so; what it does not know it leaves alone. At most `max` bytes come
/// out. Dropped early, it leaves at most one running job behind, which is bounded by `max`.
pub async fn unpack(
    cpu: &Cpu,
    method: &Method,
    head: &mut Head,
    body: AnswerBody,
    max: usize,
) -> Result<AnswerBody, Error> {
    if !head.headers.contains_key(CONTENT_ENCODING) || !has_body(method, head.status) {
        return Ok(body);
    }
    let codings = codings(&head.headers)?;
    if codings.is_empty() {
        return Ok(body);
    }
    let decoder = Decoder::new(&codings, max)?;
    head.headers.remove(CONTENT_ENCODING);
    head.headers.remove(CONTENT_LENGTH);
    Ok(match body {
        AnswerBody::Whole(bytes) => AnswerBody::Whole(whole(cpu, decoder, bytes).await?),
        AnswerBody::Stream(stream) => AnswerBody::Stream(BodyStream::new(Unpacking::new(decoder, stream))),
    })
}

async fn whole(cpu: &Cpu, decoder: Decoder, input: Bytes) -> Result<Bytes, Error> {
    let mut work = Whole { decoder, input, output: Vec::new() };
    work.decoder.received(work.input.len());
    if work.input.len() <= INLINE && work.run(INLINE)? {
        return Ok(work.output.into());
    }
    cpu.run(move || work.run(usize::MAX).map(|_| Bytes::from(work.output))).await?
}

/// A collected body on its way.
struct Whole {
    decoder: Decoder,
    input: Bytes,
    output: Vec<u8>,
}

impl Whole {
    /// Decodes until all is done or `enough` bytes are there; whether all is done.
    fn run(&mut self, enough: usize) -> Result<bool, Error> {
        while self.output.len() < enough {
            // Grows with what has come out, never with what a header promises.
            let start = self.output.len();
            self.output.resize(start + start.clamp(PIECE / 8, 1 << 20), 0);
            let written = self.decoder.pull(&mut self.input, &mut self.output[start..])?;
            self.output.truncate(start + written);
            if written == 0 {
                self.decoder.finish()?;
                self.output.shrink_to_fit();
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// A stream being decoded as it is read.
struct Unpacking {
    decoder: Decoder,
    inner: BodyStream,
    input: Bytes,
    buffer: Box<[u8]>,
    over: bool,
}

impl Unpacking {
    fn new(decoder: Decoder, inner: BodyStream) -> Self {
        Self { decoder, inner, input: Bytes::new(), buffer: vec![0; PIECE].into(), over: false }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        loop {
            let written = self.decoder.pull(&mut self.input, &mut self.buffer)?;
            if written > 0 {
                return Poll::Ready(Ok(Some(Bytes::copy_from_slice(&self.buffer[..written]))));
            }
            match ready!(self.inner.poll_next(context)) {
                Some(piece) => self.input = piece?,
                None => return Poll::Ready(self.decoder.finish().map(|()| None)),
            }
            self.decoder.received(self.input.len());
        }
    }
}

impl Chunks for Unpacking {
    fn poll_chunk(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        if self.over {
            return Poll::Ready(None);
        }
        let next = ready!(self.poll(context));
        self.over = !matches!(next, Ok(Some(_)));
        Poll::Ready(next.transpose())
    }
}

/// One or two codings, one behind the other, and the caps of each.
struct Decoder {
    outer: Stage,
    /// What the outer one has made of the input and the inner one has not yet read.
    inner: Option<(Vec<u8>, Stage)>,
    received: u64,
    max: usize,
}

struct Stage {
    codec: Codec,
    written: u64,
}

impl Decoder {
    fn new(codings: &[Coding], max: usize) -> Result<Self, Error> {
        let stage = |coding: Coding| match Codec::new(coding) {
            Ok(codec) => Ok(Stage { codec, written: 0 }),
            Err(broken) => Err(broken.told(coding)),
        };
        let (outer, inner) = match codings {
            [outer] => (stage(*outer)?, None),
            [outer, inner] => (stage(*outer)?, Some((Vec::new(), stage(*inner)?))),
            _ => return Err(Error::new(Kind::Decoding, "a body has one or two codings to take off")),
        };
        Ok(Self { outer, inner, received: 0, max })
    }

    /// More input is there: what the ratio is reckoned from.
    fn received(&mut self, bytes: usize) {
        self.received += bytes as u64;
    }

    /// Fills `output` as far as `input` goes. Zero: `input` is used up.
    fn pull(&mut self, input: &mut Bytes, output: &mut [u8]) -> Result<usize, Error> {
        let caps = (self.received, self.max);
        let Some((between, inner)) = &mut self.inner else {
            let step = self.outer.fill(input, output, caps)?;
            input.advance(step.read);
            return Ok(step.written);
        };
        let mut written = 0;
        loop {
            let step = inner.fill(between, &mut output[written..], caps)?;
            between.drain(..step.read);
            written += step.written;
            if written == output.len() {
                return Ok(written);
            }
            let start = between.len();
            between.resize(start + PIECE, 0);
            let step = self.outer.fill(input, &mut between[start..], caps)?;
            between.truncate(start + step.written);
            input.advance(step.read);
            if step.written == 0 {
                return Ok(written);
            }
        }
    }

    /// The input is over: was that its end?
    fn finish(&self) -> Result<(), Error> {
        for stage in [Some(&self.outer), self.inner.as_ref().map(|(_, stage)| stage)].into_iter().flatten() {
            if !stage.codec.is_complete() {
                let name = stage.codec.coding.name();
                return Err(Error::new(Kind::Decoding, format!("the upstream's {name} body ends in the middle")));
            }
        }
        Ok(())
    }
}

impl Stage {
    /// Until `output` is full or `input` used up.
    fn fill(&mut self, input: &[u8], output: &mut [u8], (received, max): (u64, usize)) -> Result<Step, Error> {
        let mut total = Step::default();
        while total.written < output.len() {
            let step = self
                .codec
                .step(&input[total.read..], &mut output[total.written..])
                .map_err(|broken| broken.told(self.codec.coding))?;
            total.read += step.read;
            total.written += step.written;
            self.written += step.written as u64;
            if self.written > max as u64 {
                let message = format!("the upstream's body is larger than max_body ({max} bytes) once it is decoded");
                return Err(Error::new(Kind::ResponseTooLarge, message));
            }
            if self.written > FREE_OUTPUT && self.written / MAX_RATIO > received {
                let message =
                    format!("the upstream's body grows more than {MAX_RATIO}-fold when it is decoded: a bomb?");
                return Err(Error::new(Kind::ResponseTooLarge, message));
            }
            if step == Step::default() {
                break;
            }
        }
        Ok(total)
    }
}

impl Broken {
    fn told(self, coding: Coding) -> Error {
        let name = coding.name();
        let error = |message: String| Error::new(Kind::Decoding, message);
        match self {
            Self::Corrupt(why) => {
                error(format!("the upstream's body is not the {name} that Content-Encoding says")).caused_by(why)
            }
            Self::Trailing => error(format!("the upstream's {name} body is followed by bytes that are not part of it")),
            Self::Members => error(format!("the upstream's {name} body is cut into far too many members")),
        }
    }
}
