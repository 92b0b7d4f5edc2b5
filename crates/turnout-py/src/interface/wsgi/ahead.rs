//! Small request bodies, read before a thread is given to the request: a slow client then costs no thread.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, EXPECT};
use turnout_http::{BodyError, RequestBody};

use crate::interface::head::Head;

/// What is read ahead: forms and JSON documents, and no more memory than the kernel would hold for the socket.
const SMALL: u64 = 64 * 1024;
/// A client that takes longer to send so little gets its thread all the same: the app may have something to say before.
const SOON: Duration = Duration::from_millis(100);

/// The beginning of the body, or all of it.
///
/// Nothing of a body of unknown length, which may be one side of a conversation, and nothing of one whose client waits for the app to
/// want it.
pub(super) async fn read(head: &Head, body: &mut RequestBody) -> Result<Bytes, BodyError> {
    if body.is_end() || announced(head).is_none_or(|length| length > SMALL) || head.headers.contains_key(EXPECT) {
        return Ok(Bytes::new());
    }
    let mut ahead = BytesMut::new();
    let mut first = Bytes::new();
    let all = async {
        while let Some(chunk) = body.next().await.transpose()? {
            if first.is_empty() && ahead.is_empty() {
                first = chunk;
            } else {
                ahead.extend_from_slice(&std::mem::take(&mut first));
                ahead.extend_from_slice(&chunk);
            }
        }
        Ok(())
    };
    // What came in time is kept either way.
    if let Ok(Err(error)) = tokio::time::timeout(SOON, all).await {
        return Err(error);
    }
    Ok(if first.is_empty() { ahead.freeze() } else { first })
}

/// What the client said that it sends.
fn announced(head: &Head) -> Option<u64> {
    head.headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}
