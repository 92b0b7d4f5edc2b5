//! Happy eyeballs (RFC 8305): one connection to whichever address answers first. Knows addresses and nothing of names.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use std::{io, mem};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

/// Between two attempts (RFC 8305, 5: "250 milliseconds").
const HEAD_START: Duration = Duration::from_millis(250);

/// More addresses of one name than this are not tried: each is a socket, and a name can be made to have thousands.
const MAX_ADDRESSES: usize = 16;

/// A peer that vanished without a word is noticed after 60 + 4 x 15 s, so that an idle HTTP/2 connection does not stay for ever.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
const KEEPALIVE_EACH: Duration = Duration::from_secs(15);

/// What each address said.
pub(super) type Refusals = Vec<(SocketAddr, io::Error)>;

type Attempt = (SocketAddr, Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>);

/// The first connection of all that `addresses` can give. Dropped early, or when one has won, it closes all others.
pub(super) async fn connect(addresses: &[SocketAddr]) -> Result<(TcpStream, SocketAddr), Refusals> {
    if let [address] = *addresses {
        return open(address).await.map(|socket| (socket, address)).map_err(|error| vec![(address, error)]);
    }
    let mut waiting = interleave(addresses).into_iter().take(MAX_ADDRESSES);
    let mut running: Vec<Attempt> = Vec::new();
    let mut refusals = Refusals::new();
    loop {
        if let Some(address) = waiting.next() {
            running.push((address, Box::pin(open(address))));
        } else if running.is_empty() {
            return Err(refusals);
        }
        let next = Instant::now() + HEAD_START;
        tokio::select! {
            (address, result) = first(&mut running) => match result {
                Ok(socket) => return Ok((socket, address)),
                Err(error) => refusals.push((address, error)),
            },
            () = sleep_until(next), if waiting.len() > 0 => {}
        }
    }
}

/// The result of whichever attempt ends first, which is taken out.
async fn first(running: &mut Vec<Attempt>) -> (SocketAddr, io::Result<TcpStream>) {
    poll_fn(|context| {
        for index in 0..running.len() {
            if let Poll::Ready(result) = running[index].1.as_mut().poll(context) {
                let (address, _) = running.remove(index);
                return Poll::Ready((address, result));
            }
        }
        Poll::Pending
    })
    .await
}

async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(address).await?;
    // Small requests are written whole: nothing is gained by waiting for more (RFC 9293, 3.7.4).
    socket.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EACH).with_retries(4);
    SockRef::from(&socket).set_tcp_keepalive(&keepalive)?;
    Ok(socket)
}

/// One of each family in turn, beginning with that of the first (RFC 8305, 4).
fn interleave(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut next, mut other): (Vec<_>, Vec<_>) = addresses.iter().rev().partition(|it| it.is_ipv6() == first_is_v6);
    let mut order = Vec::with_capacity(addresses.len());
    while let Some(address) = next.pop() {
        order.push(address);
        if !other.is_empty() {
            mem::swap(&mut next, &mut other);
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_and_the_order_within_one_is_kept() {
        let given: Vec<SocketAddr> =
            ["[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1", "192.0.2.1:1", "192.0.2.2:1"]
                .iter()
                .map(|address| address.parse().expect("an address"))
                .collect();
        let order: Vec<String> = interleave(&given).iter().map(SocketAddr::to_string).collect();
        assert_eq!(order, ["[2001:db8::1]:1", "192.0.2.1:1", "[2001:db8::2]:1", "192.0.2.2:1", "[2001:db8::3]:1"]);
    }
}
