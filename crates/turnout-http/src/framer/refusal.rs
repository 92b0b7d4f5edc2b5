//! Every reason to refuse, with its status and the section that says so. One table, so that it can be read as policy.

use http::StatusCode;

use crate::body::BodyError;

/// Why a request is refused. Its text goes to the peer and to the access log, and holds nothing the peer sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the answer.
    pub status: StatusCode,
    /// What is wrong, with the section of the RFC.
    pub why: &'static str,
}

macro_rules! refusals {
    ($($name:ident = $status:ident $why:literal;)*) => {
        impl Refusal {
            $(pub(crate) const $name: Self = Self { status: StatusCode::$status, why: $why };)*
        }
    };
}

refusals! {
    // The request line.
    EMPTY_LINES = BAD_REQUEST "more than one empty line before the request line (RFC 9112 section 2.2)";
    METHOD = BAD_REQUEST "the method is not a token (RFC 9110 section 9.1)";
    METHOD_LONG = NOT_IMPLEMENTED "the method is longer than any known one (RFC 9112 section 3)";
    REQUEST_LINE = BAD_REQUEST "the request line is not method, target and version with one space between (RFC 9112 section 3)";
    TARGET_LONG = URI_TOO_LONG "the request target is too long (RFC 9112 section 3)";
    TARGET_BYTES = BAD_REQUEST "the request target has bytes that must be percent-encoded, or a fragment (RFC 9112 section 3.2, RFC 3986 section 2)";
    TARGET_FORM = BAD_REQUEST "the request target has none of the forms this method may have (RFC 9112 section 3.2)";
    TARGET_AUTHORITY = BAD_REQUEST "the authority of the request target is not a host and a port (RFC 9110 sections 4.2.1 and 4.2.4)";
    CONNECT = NOT_IMPLEMENTED "this is no proxy: CONNECT is not implemented (RFC 9110 section 9.3.6)";
    VERSION = BAD_REQUEST "the protocol version is malformed (RFC 9112 section 2.3)";
    VERSION_OTHER = HTTP_VERSION_NOT_SUPPORTED "only HTTP/1.1 and HTTP/1.0 are served here (RFC 9110 section 15.6.6)";
    // Lines and fields.
    BARE_LF = BAD_REQUEST "a line ends with LF alone (RFC 9112 section 2.2)";
    BARE_CR = BAD_REQUEST "a CR without LF (RFC 9112 section 2.2)";
    HEAD_LARGE = REQUEST_HEADER_FIELDS_TOO_LARGE "the request head is too large (RFC 6585 section 5)";
    FIELDS_MANY = REQUEST_HEADER_FIELDS_TOO_LARGE "too many field lines (RFC 6585 section 5)";
    FOLDED = BAD_REQUEST "a line begins with white space (RFC 9112 sections 2.2 and 5.2)";
    NO_COLON = BAD_REQUEST "a field line without a colon (RFC 9112 section 5)";
    FIELD_NAME = BAD_REQUEST "a field name that is not a token directly before its colon (RFC 9112 section 5.1)";
    FIELD_VALUE = BAD_REQUEST "a control character in a field value (RFC 9110 section 5.5)";
    HOST_MISSING = BAD_REQUEST "no Host field (RFC 9112 section 3.2)";
    HOST_TWICE = BAD_REQUEST "two Host fields (RFC 9112 section 3.2)";
    HOST_VALUE = BAD_REQUEST "the Host field is not a host and a port (RFC 9112 section 3.2)";
    LENGTH_TWICE = BAD_REQUEST "two Content-Length fields (RFC 9112 section 6.3)";
    LENGTH_VALUE = BAD_REQUEST "the Content-Length is not one number (RFC 9110 section 8.6)";
    LENGTH_AND_CODING = BAD_REQUEST "both Content-Length and Transfer-Encoding (RFC 9112 section 6.1)";
    CODING_IN_1_0 = BAD_REQUEST "Transfer-Encoding in HTTP/1.0 (RFC 9112 section 6.1)";
    CODING_VALUE = BAD_REQUEST "the Transfer-Encoding does not end with one chunked (RFC 9112 section 6.3)";
    CODING_UNKNOWN = NOT_IMPLEMENTED "a transfer coding other than chunked (RFC 9112 section 6.1)";
    FRAMING_IN_DISGUISE = BAD_REQUEST "a framing field spelled with `_` (RFC 9112 section 11.2)";
    CONNECTION_VALUE = BAD_REQUEST "the Connection field is not a list of tokens (RFC 9110 section 7.6.1)";
    TYPE_TWICE = BAD_REQUEST "two Content-Type fields (RFC 9110 sections 5.3 and 8.3)";
    TRACE_CONTENT = BAD_REQUEST "a TRACE with content (RFC 9110 section 9.3.8)";
    // Content.
    CHUNK_SIZE = BAD_REQUEST "the chunk size is not a hexadecimal number (RFC 9112 section 7.1)";
    CHUNK_EXTENSION = BAD_REQUEST "a malformed chunk extension (RFC 9112 section 7.1.1)";
    CHUNK_EXTENSION_LONG = BAD_REQUEST "the chunk extensions are too long (RFC 9112 section 7.1.1)";
    CHUNK_END = BAD_REQUEST "chunk data is not followed by CRLF (RFC 9112 section 7.1)";
    TRAILER_FIELD = BAD_REQUEST "a field that must not be in a trailer section (RFC 9110 section 6.5.1)";
    TRAILERS_LARGE = REQUEST_HEADER_FIELDS_TOO_LARGE "the trailer section is too large (RFC 6585 section 5)";
    CONTENT_LARGE = PAYLOAD_TOO_LARGE "the content is larger than this server accepts (RFC 9110 section 15.5.14)";
    // Time, and a peer that leaves in the middle.
    HEAD_SLOW = REQUEST_TIMEOUT "the request head did not come in time (RFC 9110 section 15.5.9)";
    BODY_SLOW = REQUEST_TIMEOUT "the content comes too slowly (RFC 9110 section 15.5.9)";
    HEAD_CUT = BAD_REQUEST "the connection was closed inside a request head (RFC 9112 section 8)";
    BODY_CUT = BAD_REQUEST "the connection was closed inside the content (RFC 9112 section 8)";
}

impl Refusal {
    /// What the reader of a body that was refused is told.
    pub(crate) fn as_body_error(self) -> BodyError {
        match self {
            Self::CONTENT_LARGE => BodyError::TooLarge,
            Self::BODY_SLOW => BodyError::TooSlow,
            Self::BODY_CUT => BodyError::Disconnected,
            _ => BodyError::Malformed,
        }
    }

    /// The whole answer as bytes; the connection is closed after it.
    pub(crate) fn answer(self, without_content: bool) -> Vec<u8> {
        let Self { status, why } = self;
        let reason = status.canonical_reason().unwrap_or_default();
        let date = httpdate::fmt_http_date(std::time::SystemTime::now());
        let length = why.len() + 1;
        let mut answer = format!(
            "HTTP/1.1 {} {reason}\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {length}\r\ndate: {date}\r\n\r\n",
            status.as_str(),
        );
        if !without_content {
            answer.push_str(why);
            answer.push('\n');
        }
        answer.into_bytes()
    }
}
