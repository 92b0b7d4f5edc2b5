//! Closing so that the peer gets our last words: answer a refusal, send FIN, read what it still sends for a while.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::ready;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::framer::Refusal;
use crate::wire::Wire;

/// What a lingering connection may still send before we stop caring whether it gets our answer.
const LINGER_BYTES: usize = 64 * 1024 * 1024;

/// Closes a connection that hyper is done with. Gives up after `time`, or when `aborted` is ready.
pub(crate) async fn close(
    wire: &Wire,
    refused: Option<(Refusal, bool)>,
    time: Duration,
    aborted: impl Future<Output = ()>,
) {
    let must_linger = wire.lock().must_linger();
    let work = async {
        if let Some((refusal, without_content)) = refused {
            write(wire, &refusal.answer(without_content)).await?;
        }
        wire.lock().stream.shutdown_write()?;
        if must_linger {
            drain(wire).await?;
        }
        io::Result::Ok(())
    };
    tokio::select! {
        // The peer may be gone already: nobody is left to be told.
        _ = tokio::time::timeout(time, work) => {}
        () = aborted => {}
    }
}

async fn write(wire: &Wire, mut rest: &[u8]) -> io::Result<()> {
    while !rest.is_empty() {
        let written = poll_fn(|cx| Pin::new(&mut wire.lock().stream).poll_write(cx, rest)).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        rest = &rest[written..];
    }
    Ok(())
}

async fn drain(wire: &Wire) -> io::Result<()> {
    let mut scratch = [0; 4096];
    let mut left = LINGER_BYTES;
    while left > 0 {
        let read = poll_fn(|cx| {
            let mut buffer = ReadBuf::new(&mut scratch);
            ready!(Pin::new(&mut wire.lock().stream).poll_read(cx, &mut buffer))?;
            std::task::Poll::Ready(io::Result::Ok(buffer.filled().len()))
        })
        .await?;
        if read == 0 {
            break;
        }
        left = left.saturating_sub(read);
    }
    Ok(())
}
