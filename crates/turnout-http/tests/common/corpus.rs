//! Requests, byte for byte, with the verdict of the RFCs: one table for what a server does with them and for what its two
//! readers, the framer and hyper, make of them.

use Verdict::{Answered, AnsweredThenRefused, Refused, RefusedBody};

/// Every table below.
pub(crate) const ALL: [&[Row]; 8] =
    [CONTENT_LENGTH, TRANSFER_ENCODING, CHUNKS, BODIES, REQUEST_LINE, TARGETS, FIELDS, HOSTS];

/// What must come of a row.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Verdict {
    /// Refused with this status, the app not called.
    Refused(u16),
    /// The head is good and the app called, its body is not: this status, and the connection closed.
    RefusedBody(u16),
    /// So many requests, each answered once with 200; the connection stays good for another.
    Answered(usize),
    /// So many answered, then this refusal.
    AnsweredThenRefused(usize, u16),
}

/// What, the section that decides, the bytes, the verdict.
pub(crate) type Row = (&'static str, &'static str, &'static [u8], Verdict);

#[rustfmt::skip] // one row a line
pub(crate) const CONTENT_LENGTH: &[Row] = &[
    ("Content-Length and chunked", "9112 6.1", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(400)),
    ("chunked and Content-Length", "9112 6.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", Refused(400)),
    ("two lengths, the same", "9112 6.3 (may)", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", Refused(400)),
    ("two lengths, different", "9112 6.3", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", Refused(400)),
    ("two lengths as a list", "9112 6.3 (may)", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello", Refused(400)),
    ("length +1", "9110 8.6", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx", Refused(400)),
    ("length -1", "9110 8.6", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nx", Refused(400)),
    ("length -0", "9110 8.6", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -0\r\n\r\n", Refused(400)),
    ("length 0x5", "9110 8.6", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello", Refused(400)),
    ("length 0_1", "9110 8.6", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0_1\r\n\r\nx", Refused(400)),
    ("length with a space inside", "9110 8.6", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3 1\r\n\r\nxyz", Refused(400)),
    ("length empty", "9110 8.6", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n", Refused(400)),
    ("length beyond 64 bits", "9110 8.6", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", Refused(400)),
    ("length beyond 63 bits", "9110 8.6", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\n", Refused(400)),
    ("length with leading zeros", "9110 8.6", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 005\r\n\r\nhello", Answered(1)),
    ("length 0", "9110 8.6", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", Answered(1)),
    ("length with OWS around", "9110 5.5", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \t5 \t\r\n\r\nhello", Answered(1)),
    ("no length, no coding", "9112 6.3", b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", Answered(1)),
    ("a length in disguise", "9112 11.2", b"GET / HTTP/1.1\r\nHost: a\r\nContent_Length: 7\r\n\r\n", Refused(400)),
];

#[rustfmt::skip]
pub(crate) const TRANSFER_ENCODING: &[Row] = &[
    ("xchunked", "9112 6.3", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", Refused(400)),
    ("identity, chunked, identity", "9112 6.3", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked, identity\r\n\r\n0\r\n\r\n", Refused(400)),
    ("chunked, gzip", "9112 6.3", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", Refused(400)),
    ("chunked, gzip on two lines", "9112 6.3", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n", Refused(400)),
    ("chunked twice", "9112 6.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", Refused(400)),
    ("chunked twice on two lines", "9112 6.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(400)),
    ("gzip, chunked", "9112 6.1 (501)", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", Refused(501)),
    ("identity, chunked on two lines", "9112 6.1 (501)", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(501)),
    ("identity", "9112 6.3", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", Refused(400)),
    ("empty", "9112 6.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \r\n\r\n0\r\n\r\n", Refused(400)),
    ("leading comma", "9112 6.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: , chunked\r\n\r\n0\r\n\r\n", Refused(400)),
    ("trailing comma", "9112 6.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked,\r\n\r\n0\r\n\r\n", Refused(400)),
    ("a parameter", "9112 7", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", Refused(400)),
    ("quoted", "9112 6.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", Refused(400)),
    ("a tab before it is OWS", "9110 5.6.3", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n", Answered(1)),
    ("a space after it is OWS", "9110 5.6.3", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked \r\n\r\n0\r\n\r\n", Answered(1)),
    ("any case", "9112 7", b"POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: Chunked\r\n\r\n0\r\n\r\n", Answered(1)),
    ("VT before it", "9110 5.5", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", Refused(400)),
    ("FF after it", "9110 5.5", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\x0c\r\n\r\n0\r\n\r\n", Refused(400)),
    ("NUL in it", "9110 5.5", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chu\0nked\r\n\r\n0\r\n\r\n", Refused(400)),
    ("0x85 before it", "9112 6.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x85chunked\r\n\r\n0\r\n\r\n", Refused(400)),
    ("folded", "9112 5.2", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", Refused(400)),
    ("a space before the colon", "9112 5.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", Refused(400)),
    ("Transfer_Encoding", "9112 11.2", b"GET / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n\r\n", Refused(400)),
    ("Transfer_Encoding beside a length", "9112 11.2", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello", Refused(400)),
    ("another name with `_` is dropped", "9110 5.1", b"POST / HTTP/1.1\r\nHost: a\r\nContent_Type: x\r\nContent-Length: 5\r\n\r\nhello", Answered(1)),
    ("in HTTP/1.0", "9112 6.1", b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(400)),
];

#[rustfmt::skip]
pub(crate) const CHUNKS: &[Row] = &[
    ("several chunks", "9112 7.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", Answered(1)),
    ("upper and lower case, leading zeros", "9112 7.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n000A\r\n0123456789\r\n0a\r\n0123456789\r\n000\r\n\r\n", Answered(1)),
    ("size 6_0", "9112 7.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n6_0\r\nhello!\r\n0\r\n\r\n", RefusedBody(400)),
    ("size +5", "9112 7.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n", RefusedBody(400)),
    ("size -5", "9112 7.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n", RefusedBody(400)),
    ("size 0x5", "9112 7.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", RefusedBody(400)),
    ("a space before the size", "9112 7.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n 0\r\n\r\n", RefusedBody(400)),
    ("a space after the size", "9112 7.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n", RefusedBody(400)),
    ("size empty", "9112 7.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n", RefusedBody(400)),
    ("size beyond 64 bits", "9112 7.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n", RefusedBody(400)),
    ("size beyond 63 bits", "9112 7.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n", RefusedBody(400)),
    ("a bare semicolon", "9112 7.1.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;\r\nhello\r\n0\r\n\r\n", RefusedBody(400)),
    ("an extension", "9112 7.1.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a;b=c;d=\"e;\\\" f\"\r\nhello\r\n0;last\r\n\r\n", Answered(1)),
    ("bad white space in an extension", "9112 7.1.1 (BWS)", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5 ; a = b\r\nhello\r\n0\r\n\r\n", Answered(1)),
    ("an extension that is no token", "9112 7.1.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a@b\r\nhello\r\n0\r\n\r\n", RefusedBody(400)),
    ("an extension whose quote never ends", "9112 7.1.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\r\nhello\r\n0\r\n\r\n", RefusedBody(400)),
    ("size line ends with LF", "9112 7.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", RefusedBody(400)),
    ("bare LF in an extension", "9112 7.1.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a\n\r\nhello\r\n0\r\n\r\n", RefusedBody(400)),
    ("bare CR in an extension", "9112 7.1.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a\rb\r\nhello\r\n0\r\n\r\n", RefusedBody(400)),
    ("data longer than its size", "9112 7.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n", RefusedBody(400)),
    ("data ends with LF", "9112 7.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n", RefusedBody(400)),
    ("a trailer", "9112 7.1.2", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Checksum: 1\r\nX-More: 2\r\n\r\n", Answered(1)),
    ("Content-Length in a trailer", "9110 6.5.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n", RefusedBody(400)),
    ("Transfer-Encoding in a trailer", "9110 6.5.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", RefusedBody(400)),
    ("Host in a trailer", "9110 6.5.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nHost: b\r\n\r\n", RefusedBody(400)),
    ("Authorization in a trailer", "9110 6.5.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nAuthorization: x\r\n\r\n", RefusedBody(400)),
    ("a trailer without a colon", "9112 5", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n", RefusedBody(400)),
    ("a folded trailer", "9112 5.2", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: 1\r\n 2\r\n\r\n", RefusedBody(400)),
];

#[rustfmt::skip]
pub(crate) const BODIES: &[Row] = &[
    ("GET with content", "9110 9.3.1", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", Answered(1)),
    ("GET with chunks", "9110 9.3.1", b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Answered(1)),
    ("GET with content, then another", "9112 9.3.2", b"GET /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /2 HTTP/1.1\r\nHost: a\r\n\r\n", Answered(2)),
    ("OPTIONS with content, then another", "9110 9.3.7", b"OPTIONS /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /2 HTTP/1.1\r\nHost: a\r\n\r\n", Answered(2)),
    ("DELETE with content", "9110 9.3.5", b"DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", Answered(1)),
    ("content that looks like a request", "9112 6", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 32\r\n\r\nGET /no HTTP/1.1\r\nHost: evil\r\n\r\n", Answered(1)),
    ("chunks that look like a request", "9112 7.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n20\r\nGET /no HTTP/1.1\r\nHost: evil\r\n\r\n\r\n0\r\n\r\n", Answered(1)),
    ("small content left unread, then another", "9112 9.3", b"POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /2 HTTP/1.1\r\nHost: a\r\n\r\n", Answered(2)),
    ("Expect without content", "9110 10.1.1", b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", Answered(1)),
    ("an expectation nobody knows", "9110 10.1.1 (may)", b"GET / HTTP/1.1\r\nHost: a\r\nExpect: a-miracle\r\n\r\n", Answered(1)),
    ("Upgrade with content", "9110 7.8 (may ignore)", b"POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\nhello", Answered(1)),
    ("TRACE", "9110 9.3.8", b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", Answered(1)),
    ("TRACE with content", "9110 9.3.8", b"TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", Refused(400)),
    ("a good one, then a bad one", "9112 9.3.2", b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", AnsweredThenRefused(1, 400)),
    ("a slow good one, then a bad one", "9112 9.3.2", b"GET /sleep/50 HTTP/1.1\r\nHost: a\r\n\r\nGET /2\r\n\r\n", AnsweredThenRefused(1, 400)),
    ("two good ones, then an old one", "9112 9.3.2", b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nabGET /3 HTTP/3.0\r\n\r\n", AnsweredThenRefused(2, 505)),
    ("rubbish behind chunks", "9112 7.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n0\r\n\r\n", AnsweredThenRefused(1, 400)),
];

#[rustfmt::skip]
pub(crate) const REQUEST_LINE: &[Row] = &[
    ("bare LF", "9112 2.2 (may)", b"GET / HTTP/1.1\nHost: a\n\n", Refused(400)),
    ("CR only", "9112 2.2", b"GET / HTTP/1.1\rHost: a\r\r", Refused(400)),
    ("NUL in the method", "9110 9.1", b"GE\0T / HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("NUL in the target", "9112 3.2", b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("control byte in the target", "9112 3.2", b"GET /\x1b HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("one empty line before it", "9112 2.2", b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Answered(1)),
    ("two empty lines before it", "9112 2.2", b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("an empty line ended by LF", "9112 2.2", b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("white space before it", "9112 3", b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("two spaces", "9112 3", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("a tab between", "9112 3", b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("a space at the end", "9112 3", b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", Refused(400)),
    ("a space in the target", "9112 3.2", b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("no version (0.9)", "9112 3", b"GET /\r\n\r\n", Refused(400)),
    ("no target", "9112 3", b"GET HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("version 0.9", "9110 15.6.6", b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", Refused(505)),
    ("version 1.2", "9110 15.6.6", b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", Refused(505)),
    ("version 2.0", "9110 15.6.6", b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", Refused(505)),
    ("the preface of HTTP/2", "9113 3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refused(505)),
    ("version 111.1", "9112 2.3", b"GET / HTTP/111.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("version in lower case", "9112 2.3", b"GET / http/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("another protocol", "9112 2.3", b"GET / FTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("HTTP/1.0 without Host", "9112 3.2", b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", Answered(1)),
    ("an unknown method", "9110 9.1", b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", Answered(1)),
    ("a method in lower case is another one", "9110 9.1", b"get / HTTP/1.1\r\nHost: a\r\n\r\n", Answered(1)),
    ("a method with odd token characters", "9110 5.6.2", b"A!#$%&'*+-.^_`|~9 / HTTP/1.1\r\nHost: a\r\n\r\n", Answered(1)),
    ("a method with a colon", "9110 9.1", b"GET: / HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("a method in UTF-8", "9110 9.1", b"GET\xc3\x9f / HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("a very long method", "9112 3 (501)", b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\nHost: a\r\n\r\n", Refused(501)),
    ("TLS on a plain port", "9112 3", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", Refused(400)),
    ("CONNECT", "9110 9.3.6 (501)", b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", Refused(501)),
    ("CONNECT with a path", "9110 9.3.6 (501)", b"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", Refused(501)),
];

#[rustfmt::skip]
pub(crate) const TARGETS: &[Row] = &[
    ("OPTIONS *", "9112 3.2.4", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", Answered(1)),
    ("GET *", "9112 3.2.4", b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("authority-form", "9112 3.2.3", b"GET a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", Refused(400)),
    ("a relative path", "9112 3.2", b"GET a/b HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("only a query", "9112 3.2.1", b"GET ?a HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("absolute-form", "9112 3.2.2", b"GET http://a/b?c HTTP/1.1\r\nHost: a\r\n\r\n", Answered(1)),
    ("absolute-form, https", "9112 3.2.2", b"GET https://a:8443/b HTTP/1.1\r\nHost: a\r\n\r\n", Answered(1)),
    ("absolute-form, upper case", "3986 3.1", b"GET HTTP://a/b HTTP/1.1\r\nHost: a\r\n\r\n", Answered(1)),
    ("absolute-form without a path", "9112 3.2.2", b"GET http://a HTTP/1.1\r\nHost: a\r\n\r\n", Answered(1)),
    ("absolute-form, IPv6", "3986 3.2.2", b"GET http://[::1]:80/ HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", Answered(1)),
    ("absolute-form with another Host: the target counts", "9112 3.2.2", b"GET http://a/b HTTP/1.1\r\nHost: other\r\n\r\n", Answered(1)),
    ("absolute-form without Host", "9112 3.2", b"GET http://a/b HTTP/1.1\r\n\r\n", Refused(400)),
    ("absolute-form with user information", "9110 4.2.4", b"GET http://user@a/ HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("absolute-form without a host", "9110 4.2.1", b"GET http:///b HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("absolute-form with a bad port", "3986 3.2.3", b"GET http://a:99999/ HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("absolute-form of another scheme", "9112 3.2.2", b"GET ftp://a/b HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("a fragment", "9112 3.2", b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("a backslash in the path", "3986 3.3", b"GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("what browsers leave raw in a path", "WHATWG URL", b"GET /a|b[c]^d HTTP/1.1\r\nHost: a\r\n\r\n", Answered(1)),
    ("what browsers leave raw in a query", "WHATWG URL", b"GET /?a={b}|\\`^[] HTTP/1.1\r\nHost: a\r\n\r\n", Answered(1)),
    ("a quote in the path", "3986 3.3", b"GET /\"a\" HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("an angle bracket in the query", "3986 3.4", b"GET /?<script> HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("%00", "3986 2.1", b"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", Answered(1)),
    ("%0d%0a", "3986 2.1", b"GET /a%0d%0aX-Evil:%20b HTTP/1.1\r\nHost: a\r\n\r\n", Answered(1)),
    ("%c0", "3986 2.1", b"GET /%c0 HTTP/1.1\r\nHost: a\r\n\r\n", Answered(1)),
    ("overlong UTF-8, encoded", "3986 2.1", b"GET /%c0%ae%c0%ae/ HTTP/1.1\r\nHost: a\r\n\r\n", Answered(1)),
    ("a lone percent sign, as browsers send it", "WHATWG URL", b"GET /100% HTTP/1.1\r\nHost: a\r\n\r\n", Answered(1)),
    ("raw UTF-8 in the path", "9112 3.2", b"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("raw 0xff in the query", "9112 3.2", b"GET /?\xff HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("two slashes", "3986 3.3", b"GET //a//b HTTP/1.1\r\nHost: a\r\n\r\n", Answered(1)),
    ("dot segments", "3986 3.3", b"GET /../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", Answered(1)),
];

#[rustfmt::skip]
pub(crate) const FIELDS: &[Row] = &[
    ("a control byte in a value", "9110 5.5", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x07b\r\n\r\n", Refused(400)),
    ("NUL in a value", "9110 5.5", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", Refused(400)),
    ("DEL in a value", "9110 5.5", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x7fb\r\n\r\n", Refused(400)),
    ("bare CR in a value", "9110 5.5", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", Refused(400)),
    ("bare LF in a value", "9112 2.2", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\nY: b\r\n\r\n", Refused(400)),
    ("0x80 to 0xff in a value", "9110 5.5", b"GET / HTTP/1.1\r\nHost: a\r\nX: \x80\xa0\xff\r\n\r\n", Answered(1)),
    ("0xff in a Cookie", "9110 5.5", b"GET / HTTP/1.1\r\nHost: a\r\nCookie: a=\xff\r\n\r\n", Answered(1)),
    ("0xff in a Content-Type", "9110 5.5", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: \xff\r\n\r\n", Answered(1)),
    ("0xff in Sec-WebSocket fields", "9110 5.5", b"GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Protocol: \x80\xff\r\nSec-WebSocket-Key: \xff\r\nSec-WebSocket-Version: \xff\r\nSec-WebSocket-Extensions: \xff\r\n\r\n", Answered(1)),
    ("0xff in Connection", "9110 7.6.1", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: \xff\r\n\r\n", Refused(400)),
    ("0xff in Host", "9112 3.2", b"GET / HTTP/1.1\r\nHost: \xff\r\n\r\n", Refused(400)),
    ("0xff in Expect", "9110 10.1.1", b"GET / HTTP/1.1\r\nHost: a\r\nExpect: \xff\r\n\r\n", Answered(1)),
    ("0xff in a name", "9110 5.1", b"GET / HTTP/1.1\r\nHost: a\r\nX\xff: b\r\n\r\n", Refused(400)),
    ("NUL in a name", "9110 5.1", b"GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n", Refused(400)),
    ("a space before the colon", "9112 5.1", b"GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n", Refused(400)),
    ("a tab before the colon", "9112 5.1", b"GET / HTTP/1.1\r\nHost: a\r\nX\t: b\r\n\r\n", Refused(400)),
    ("an empty name", "9110 5.1", b"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", Refused(400)),
    ("no colon", "9112 5", b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", Refused(400)),
    ("an empty value", "9110 5.5", b"GET / HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n", Answered(1)),
    ("odd token characters in a name", "9110 5.6.2", b"GET / HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^`|~9: b\r\n\r\n", Answered(1)),
    ("white space before the first field", "9112 2.2", b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", Refused(400)),
    ("folded", "9112 5.2", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", Refused(400)),
    ("folded with a tab", "9112 5.2", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n", Refused(400)),
    ("a line of white space", "9112 5.2", b"GET / HTTP/1.1\r\nHost: a\r\n \r\n\r\n", Refused(400)),
    ("two Content-Types", "9110 5.3", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: a/b\r\nContent-Type: c/d\r\n\r\n", Refused(400)),
    ("X_Forwarded_For is dropped", "CVE-2015-0219", b"GET / HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 1.2.3.4\r\n\r\n", Answered(1)),
    ("X-Forwarded-For twice", "9110 5.3", b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: [2001:db8::1]:4711\r\n\r\n", Answered(1)),
    ("Connection: close", "9112 9.6", b"GET /1 HTTP/1.1\r\nHost: a\r\nConnection: x, , keep-alive\r\n\r\n", Answered(1)),
];

#[rustfmt::skip]
pub(crate) const HOSTS: &[Row] = &[
    ("no Host", "9112 3.2", b"GET / HTTP/1.1\r\n\r\n", Refused(400)),
    ("two Hosts", "9112 3.2", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", Refused(400)),
    ("the same Host twice", "9112 3.2", b"GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", Refused(400)),
    ("two Hosts in HTTP/1.0", "9112 3.2", b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", Refused(400)),
    ("a comma in Host", "9112 3.2", b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", Refused(400)),
    ("a comma without a space", "9112 3.2", b"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", Refused(400)),
    ("user information in Host", "9112 3.2", b"GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", Refused(400)),
    ("a path in Host", "9112 3.2", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", Refused(400)),
    ("a space in Host", "9112 3.2", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", Refused(400)),
    ("a port that is none", "9112 3.2", b"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", Refused(400)),
    ("a port too large", "9112 3.2", b"GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", Refused(400)),
    ("two ports", "9112 3.2", b"GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n", Refused(400)),
    ("an empty Host", "9112 3.2", b"GET / HTTP/1.1\r\nHost:\r\n\r\n", Answered(1)),
    ("a port", "9112 3.2", b"GET / HTTP/1.1\r\nHost: a_b.example:8000\r\n\r\n", Answered(1)),
    ("IPv6", "9112 3.2", b"GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n", Answered(1)),
    ("IPv6 without its bracket", "9112 3.2", b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", Refused(400)),
    ("rubbish in brackets", "9112 3.2", b"GET / HTTP/1.1\r\nHost: [evil]\r\n\r\n", Refused(400)),
];
