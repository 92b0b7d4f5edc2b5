//! Reading a request body whole: in memory while it is small, in an unnamed temporary file when it is not.

use std::fs::File;
use std::io::{self, Seek, Write};

use bytes::{Bytes, BytesMut};

use crate::body::{BodyError, Collected, RequestBody};

/// How much is gathered before one trip to a thread that may block: fewer trips, still bounded.
const BATCH: usize = 256 * 1024;

pub(crate) async fn collect(mut body: RequestBody, in_memory: usize) -> Result<Collected, BodyError> {
    let Some(first) = body.next().await.transpose()? else { return Ok(Collected::Memory(Bytes::new())) };
    if body.is_end() && first.len() <= in_memory {
        // The usual small form: no copy.
        return Ok(Collected::Memory(first));
    }
    let mut held = BytesMut::from(first);
    while held.len() <= in_memory {
        match body.next().await.transpose()? {
            Some(chunk) => held.extend_from_slice(&chunk),
            None => return Ok(Collected::Memory(held.freeze())),
        }
    }
    spool(body, held).await
}

async fn spool(mut body: RequestBody, mut held: BytesMut) -> Result<Collected, BodyError> {
    let mut file = None;
    let mut length = 0;
    loop {
        let next = body.next().await.transpose()?;
        let ended = next.is_none();
        if let Some(chunk) = next {
            held.extend_from_slice(&chunk);
        }
        if ended || held.len() >= BATCH {
            length += held.len() as u64;
            let batch = held.split().freeze();
            file = Some(append(file, batch, ended).await?);
        }
        if ended && let Some(file) = file {
            return Ok(Collected::File(file, length));
        }
    }
}

/// One trip to a thread that may block. At the end the file is rewound for its reader.
async fn append(file: Option<File>, batch: Bytes, ended: bool) -> Result<File, BodyError> {
    let work = move || -> io::Result<File> {
        let mut file = match file {
            Some(file) => file,
            None => tempfile::tempfile()?,
        };
        file.write_all(&batch)?;
        if ended {
            file.rewind()?;
        }
        Ok(file)
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(file)) => Ok(file),
        Ok(Err(error)) => Err(BodyError::Spool(error.kind())),
        Err(_) => Err(BodyError::Spool(io::ErrorKind::Other)),
    }
}
