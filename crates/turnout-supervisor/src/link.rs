//! What a worker is given when it starts, and what it says back.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{OwnedFd, RawFd};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::slots::{Slot, Slots};

/// The environment variable that holds a worker's [`Offer`].
pub const VARIABLE: &str = "TURNOUT_LINK";

/// What stands in [`VARIABLE`]: numbers of inherited descriptors and the settings.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Offer {
    pub(crate) index: usize,
    pub(crate) workers: usize,
    pub(crate) listeners: Vec<RawFd>,
    pub(crate) status: RawFd,
    pub(crate) lifeline: RawFd,
    pub(crate) slots: RawFd,
    pub(crate) board: RawFd,
    pub(crate) settings: Box<RawValue>,
}

/// A line of a worker's status pipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Message {
    /// The worker could not start and ends with this status: 1, the project's fault; 2, the command line's.
    Failed {
        /// One line.
        message: String,
        /// For the supervisor's own end, if no worker was ever ready.
        status: u8,
    },
    /// The worker accepts connections.
    Ready {
        /// What it found out about the project, for people.
        banner: String,
    },
}

/// Why a process is no worker.
#[derive(Debug, Error)]
pub enum LinkError {
    /// A descriptor it was promised is not there.
    #[error("descriptor {number} was not inherited: {source}")]
    Descriptor {
        /// The promised number.
        number: RawFd,
        /// What the system says.
        source: io::Error,
    },
    /// The variable does not hold an offer.
    #[error("{VARIABLE} is not what a supervisor writes: {0}")]
    Offer(#[from] serde_json::Error),
}

/// The worker's end of everything its supervisor gave it.
#[derive(Debug)]
pub struct Link {
    /// Which worker of how many, from 0.
    pub index: usize,
    /// How many workers there are.
    pub workers: usize,
    /// The settings as JSON, as the supervisor was given them.
    pub settings: String,
    /// Listening sockets, in the order of the binds.
    pub listeners: Vec<OwnedFd>,
    /// This worker's record.
    pub slot: Slot,
    /// See [`Plan::board`](crate::Plan::board).
    pub board: Option<OwnedFd>,
    status: File,
    lifeline: Option<File>,
}

impl Link {
    /// Reads the value of [`VARIABLE`]; `take` makes an owner of an inherited descriptor and closes it on exec.
    pub fn accept(text: &str, mut take: impl FnMut(RawFd) -> io::Result<OwnedFd>) -> Result<Self, LinkError> {
        let offer: Offer = serde_json::from_str(text)?;
        let mut take = |number| take(number).map_err(|source| LinkError::Descriptor { number, source });
        let slots = Arc::new(Slots::open(take(offer.slots)?, offer.workers));
        Ok(Self {
            index: offer.index,
            workers: offer.workers,
            settings: offer.settings.get().to_owned(),
            listeners: offer.listeners.into_iter().map(&mut take).collect::<Result<_, _>>()?,
            slot: slots.slot(offer.index),
            board: Some(take(offer.board)?),
            status: take(offer.status)?.into(),
            lifeline: Some(take(offer.lifeline)?.into()),
        })
    }

    /// Says something to the supervisor. One write: lines of a pipe shorter than PIPE_BUF never mix, and this pipe has one writer.
    pub fn say(&mut self, message: &Message) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        self.status.write_all(&line)
    }

    /// Starts the thread that notices that the supervisor is gone, however it went: the other end of the lifeline is closed then.
    ///
    /// The worker drains as on SIGTERM; `limit` later it is killed, even if Python holds everything else up.
    pub fn watch_lifeline(&mut self, limit: Duration) -> io::Result<()> {
        let Some(mut lifeline) = self.lifeline.take() else { return Ok(()) };
        thread::Builder::new().name("turnout-lifeline".into()).spawn(move || {
            while matches!(lifeline.read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::Interrupted) {}
            let _ = kill_process(getpid(), Signal::TERM);
            thread::sleep(limit);
            let _ = kill_process(getpid(), Signal::KILL);
        })?;
        Ok(())
    }
}
