//! SOCKS 5 (RFC 1928), with a password (RFC 1929) or without.

use std::io;
use std::net::IpAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::stream::Stream;
use crate::error::{Error, Kind};

const VERSION: u8 = 5;
const NO_PASSWORD: u8 = 0;
const PASSWORD: u8 = 2;
const NONE_OF_THESE: u8 = 0xff;
const CONNECT: u8 = 1;

/// Where the proxy is to connect to.
pub(super) enum Target<'a> {
    Address(IpAddr),
    Name(&'a str),
}

/// Asks for a connection. What follows on the stream is the target's. Errors say what the proxy did.
pub(super) async fn open(
    stream: &mut Stream,
    target: Target<'_>,
    port: u16,
    credentials: Option<&(Vec<u8>, Vec<u8>)>,
) -> Result<(), Error> {
    greet(stream, credentials).await?;
    let mut request = vec![VERSION, CONNECT, 0];
    match target {
        Target::Address(IpAddr::V4(address)) => {
            request.push(1);
            request.extend(address.octets());
        }
        Target::Address(IpAddr::V6(address)) => {
            request.push(4);
            request.extend(address.octets());
        }
        Target::Name(name) => {
            request.push(3);
            counted(&mut request, name.as_bytes(), "the host name")?;
        }
    }
    request.extend(port.to_be_bytes());
    stream.write_all(&request).await.map_err(broke)?;
    stream.flush().await.map_err(broke)?;

    let [version, reply, _, kind] = read(stream).await?;
    if version != VERSION {
        return Err(Error::new(Kind::Proxy, "it does not speak SOCKS 5"));
    }
    if reply != 0 {
        return Err(Error::new(Kind::Proxy, format!("it makes no connection: {}", reason(reply))));
    }
    // The address that it connects from, which nobody needs.
    let length = match kind {
        1 => 4,
        3 => usize::from(stream.read_u8().await.map_err(broke)?),
        4 => 16,
        _ => return Err(Error::new(Kind::Proxy, "it does not speak SOCKS 5")),
    };
    stream.read_exact(&mut vec![0; length + 2]).await.map_err(broke)?;
    Ok(())
}

async fn greet(stream: &mut Stream, credentials: Option<&(Vec<u8>, Vec<u8>)>) -> Result<(), Error> {
    let methods: &[u8] = if credentials.is_some() { &[VERSION, 2, NO_PASSWORD, PASSWORD] } else { &[VERSION, 1, 0] };
    stream.write_all(methods).await.map_err(broke)?;
    stream.flush().await.map_err(broke)?;
    let [version, method] = read(stream).await?;
    match (version, method, credentials) {
        (VERSION, NO_PASSWORD, _) => Ok(()),
        (VERSION, PASSWORD, Some((user, password))) => {
            let mut request = vec![1];
            counted(&mut request, user, "the proxy's user name")?;
            counted(&mut request, password, "the proxy's password")?;
            stream.write_all(&request).await.map_err(broke)?;
            stream.flush().await.map_err(broke)?;
            match read(stream).await? {
                [_, 0] => Ok(()),
                _ => Err(Error::new(Kind::Proxy, "it refused our credentials")),
            }
        }
        (VERSION, NONE_OF_THESE, None) => {
            Err(Error::new(Kind::Proxy, "it wants credentials: put them into its URL, as user:password@"))
        }
        (VERSION, ..) => Err(Error::new(Kind::Proxy, "it wants to be shown who we are in a way that we do not know")),
        _ => Err(Error::new(Kind::Proxy, "it does not speak SOCKS 5")),
    }
}

async fn read<const N: usize>(stream: &mut Stream) -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await.map_err(broke)?;
    Ok(bytes)
}

/// With its length in one byte.
fn counted(into: &mut Vec<u8>, bytes: &[u8], what: &str) -> Result<(), Error> {
    let length = u8::try_from(bytes.len())
        .map_err(|_| Error::new(Kind::Proxy, format!("{what} is longer than the 255 bytes that SOCKS 5 can say")))?;
    into.push(length);
    into.extend_from_slice(bytes);
    Ok(())
}

fn broke(error: io::Error) -> Error {
    Error::new(Kind::Proxy, "it hung up when asked for a connection").caused_by(error)
}

fn reason(reply: u8) -> &'static str {
    match reply {
        1 => "general failure",
        2 => "its rules do not allow it",
        3 => "the network is unreachable",
        4 => "the host is unreachable",
        5 => "the connection was refused",
        6 => "it took too many hops",
        7 => "it cannot make connections",
        8 => "it does not know this kind of address",
        _ => "no reason that we know",
    }
}
