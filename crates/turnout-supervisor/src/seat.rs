//! One worker's place: the process that sits in it, or when the next one will.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::process::Command;
use std::time::{Duration, Instant};

use command_fds::CommandFdExt;
use rustix::process::{Pid, Signal, WaitStatus, kill_process};
use serde_json::value::RawValue;

use crate::hang::Hang;
use crate::link::{Message, Offer, VARIABLE};
use crate::pace::Pace;
use crate::signals::name;
use crate::slots::Slots;

/// A status line is a banner at most; a worker that says more is not listened to any longer.
const LONGEST_LINE: usize = 256 * 1024;

/// A worker's place, numbered from 0.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) index: usize,
    /// Who sits there.
    pub(crate) worker: Option<Worker>,
    /// When the next one starts, while nobody does.
    pub(crate) due: Option<Instant>,
    /// How often it died young.
    pub(crate) pace: Pace,
    /// Whether anybody was ever ready here.
    pub(crate) was_ready: bool,
}

/// A process and what is known of it. Dropping it closes the status pipe and nothing else: only a reaped worker is dropped.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) pid: Pid,
    pub(crate) started: Instant,
    pub(crate) ready: bool,
    pub(crate) hang: Hang,
    /// Its own words why it does not start.
    pub(crate) failed: Option<(String, u8)>,
    status: Option<File>,
    pending: Vec<u8>,
}

/// Everything a new worker gets.
pub(crate) struct Outfit<'a> {
    pub(crate) command: &'a [OsString],
    pub(crate) listeners: &'a [OwnedFd],
    pub(crate) lifeline: &'a OwnedFd,
    pub(crate) slots: &'a Slots,
    pub(crate) board: &'a OwnedFd,
    pub(crate) workers: usize,
    pub(crate) settings: &'a RawValue,
}

impl Seat {
    pub(crate) fn new(index: usize, due: Instant) -> Self {
        Self { index, worker: None, due: Some(due), pace: Pace::default(), was_ready: false }
    }

    /// Starts a worker in this seat.
    pub(crate) fn start(&mut self, outfit: &Outfit<'_>, now: Instant) -> io::Result<Pid> {
        let (status_ours, status_theirs) = io::pipe()?;
        let status_ours = File::from(OwnedFd::from(status_ours));
        rustix::io::ioctl_fionbio(&status_ours, true)?;

        // Copies under numbers of their own: what the offer says is true in the child, whatever this process has open.
        let listeners = outfit.listeners.iter().map(OwnedFd::try_clone).collect::<io::Result<Vec<_>>>()?;
        let status = OwnedFd::from(status_theirs);
        let [lifeline, slots, board] =
            [outfit.lifeline.try_clone()?, outfit.slots.as_fd().try_clone_to_owned()?, outfit.board.try_clone()?];
        let offer = Offer {
            index: self.index,
            workers: outfit.workers,
            listeners: listeners.iter().map(AsRawFd::as_raw_fd).collect(),
            status: status.as_raw_fd(),
            lifeline: lifeline.as_raw_fd(),
            slots: slots.as_raw_fd(),
            board: board.as_raw_fd(),
            settings: outfit.settings.to_owned(),
        };
        let inherited = listeners.into_iter().chain([status, lifeline, slots, board]).collect();

        let (program, arguments) =
            outfit.command.split_first().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let mut command = Command::new(program);
        command.args(arguments).env(VARIABLE, serde_json::to_string(&offer)?).preserved_fds(inherited);
        // The handle is not kept: workers are waited for together, orphans of theirs included.
        let pid = Pid::from_child(&command.spawn()?);
        let hang = Hang::new(now);
        let worker = Worker {
            pid,
            started: now,
            ready: false,
            hang,
            failed: None,
            status: Some(status_ours),
            pending: Vec::new(),
        };
        self.worker = Some(worker);
        self.due = None;
        Ok(pid)
    }
}

impl Worker {
    /// To poll for status lines.
    pub(crate) fn status(&self) -> Option<BorrowedFd<'_>> {
        self.status.as_ref().map(AsFd::as_fd)
    }

    /// The messages that came. What is not one is dropped: a worker is the user's code too.
    pub(crate) fn messages(&mut self) -> Vec<Message> {
        self.read();
        let mut messages = Vec::new();
        while let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.pending.drain(..=end).collect();
            messages.extend(serde_json::from_slice::<Message>(&line));
        }
        messages
    }

    fn read(&mut self) {
        let mut piece = [0; 4096];
        while let Some(status) = &mut self.status {
            match status.read(&mut piece) {
                Ok(read) if read > 0 && self.pending.len() < LONGEST_LINE => self.pending.extend(&piece[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The end, a broken pipe, or a babbler. Whether the process lives on is not this pipe's to say.
                Ok(_) | Err(_) => self.status = None,
            }
        }
    }

    pub(crate) fn kill(&self, signal: Signal) {
        // It may be dead and not reaped: nothing to do then.
        let _ = kill_process(self.pid, signal);
    }

    pub(crate) fn lived(&self, now: Instant) -> Duration {
        now.duration_since(self.started)
    }
}

/// "exited with status 3", "was killed by SIGSEGV".
pub(crate) fn describe(status: WaitStatus) -> String {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(signal)) => format!("was killed by {}", name(signal)),
        (None, None) => "ended".to_owned(),
    }
}
