//! CONNECT (RFC 9110, 9.3.6): a proxy makes a connection and then passes bytes on.

use http::HeaderValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::stream::Stream;
use crate::error::{Error, Kind};

/// The longest head of a proxy's answer; its fields are of no interest.
const MAX_HEAD: usize = 16 << 10;

/// Asks for `authority` and reads the answer, and no byte of what follows it: that belongs to the tunnel. Errors say what the proxy did.
pub(super) async fn open(
    stream: &mut Stream,
    authority: &str,
    authorization: Option<&HeaderValue>,
) -> Result<(), Error> {
    let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n").into_bytes();
    if let Some(value) = authorization {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(value.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    let broke = |error| Error::new(Kind::Proxy, "it hung up when asked for a tunnel").caused_by(error);
    stream.write_all(&request).await.map_err(broke)?;
    stream.flush().await.map_err(broke)?;

    let mut head = Vec::with_capacity(256);
    while !head.ends_with(b"\r\n\r\n") && !head.ends_with(b"\n\n") {
        if head.len() == MAX_HEAD {
            return Err(Error::new(Kind::Proxy, format!("the head of its answer is longer than {MAX_HEAD} bytes")));
        }
        // One at a time, so that none of the tunnel's is taken: once a connection, some hundred system calls.
        head.push(stream.read_u8().await.map_err(broke)?);
    }
    judge(&head, authority, authorization.is_some())
}

fn judge(head: &[u8], authority: &str, authorized: bool) -> Result<(), Error> {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
    let line: String = String::from_utf8_lossy(line).chars().filter(|letter| !letter.is_control()).take(120).collect();
    let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).and_then(|code| code.parse::<u16>().ok());
    let message = match status {
        Some(200..300) => return Ok(()),
        Some(407) if authorized => "it refused our credentials (407)".to_owned(),
        Some(407) => "it wants credentials (407): put them into its URL, as user:password@".to_owned(),
        Some(_) => format!("it makes no connection to {authority}: {}", line[9..].trim()),
        None => format!("it does not speak HTTP/1.1: {line:?}"),
    };
    Err(Error::new(Kind::Proxy, message))
}
