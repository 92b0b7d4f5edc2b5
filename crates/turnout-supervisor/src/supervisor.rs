//! The supervisor's life: one thread that polls for signals and status lines, and looks at its workers.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, wait};
use serde_json::value::RawValue;

use crate::event::Event;
use crate::hang::{Hang, TICK};
use crate::link::Message;
use crate::seat::{Outfit, Seat, describe};
use crate::signals::{Signals, name};
use crate::slots::Slots;

/// A worker ends itself when its drain is over; so much later it is taken for stuck and killed.
const KILL_AFTER: Duration = Duration::from_secs(4);
/// How long workers of a server that did not start have to go away.
const FAILED_START_GRACE: Duration = Duration::from_secs(3);

/// What to run.
#[derive(Debug)]
pub struct Plan {
    /// Program and arguments of a worker.
    pub command: Vec<OsString>,
    /// One set of listening sockets for all workers, or one a worker. They live as long as the supervisor, so that connections
    /// in a queue survive the worker that would have accepted them.
    pub listeners: Vec<Vec<OwnedFd>>,
    /// How many workers.
    pub workers: usize,
    /// A file on which workers tell what they do. Handed to each of them and not looked into: [`Event::Gone`] says when a worker does not
    /// write any more.
    pub board: OwnedFd,
    /// JSON, handed on.
    pub settings: String,
    /// How long requests may go on once told to stop.
    pub drain: Duration,
    /// Replace a worker whose heart stood still for so long.
    pub hang_limit: Option<Duration>,
}

/// Runs until told to end; the value is the exit status of the process: 0 after a drain, 128 + the number of a second signal, what
/// the worker said when the first ones could not start.
///
/// The listening sockets are closed when the end begins: who connects then is refused at once instead of waiting for nobody.
/// Takes over SIGTERM, SIGINT, SIGHUP and SIGCHLD of this process, and reaps all its children.
pub fn run(plan: Plan, report: &mut dyn FnMut(Event<'_>)) -> io::Result<u8> {
    Supervisor::new(plan, report)?.run()
}

/// Why nobody is started any more.
#[derive(Debug, Clone, Copy)]
struct Ending {
    status: u8,
    /// When those that are left are killed.
    deadline: Instant,
}

struct Supervisor<'a> {
    plan: Plan,
    settings: Box<RawValue>,
    report: &'a mut dyn FnMut(Event<'_>),
    signals: Signals,
    slots: Slots,
    /// Workers hold the reading end: when this process is gone, however it went, they read the end.
    lifeline: OwnedFd,
    #[expect(dead_code, reason = "held open, that is its use")]
    lifeline_writer: OwnedFd,
    seats: Vec<Seat>,
    ending: Option<Ending>,
    looked: Instant,
    banner_shown: bool,
    all_were_ready: bool,
}

impl<'a> Supervisor<'a> {
    fn new(plan: Plan, report: &'a mut dyn FnMut(Event<'_>)) -> io::Result<Self> {
        let now = Instant::now();
        let (reader, writer) = io::pipe()?;
        Ok(Self {
            settings: serde_json::from_str(&plan.settings)?,
            report,
            signals: Signals::install()?,
            slots: Slots::create(plan.workers)?,
            lifeline: reader.into(),
            lifeline_writer: writer.into(),
            seats: (0..plan.workers).map(|index| Seat::new(index, now)).collect(),
            ending: None,
            looked: now,
            banner_shown: false,
            all_were_ready: false,
            plan,
        })
    }

    fn run(mut self) -> io::Result<u8> {
        loop {
            self.start_due(Instant::now());
            if let Some(ending) = self.ending
                && self.seats.iter().all(|seat| seat.worker.is_none())
            {
                return Ok(ending.status);
            }
            self.wait()?;
            for signal in self.signals.take() {
                self.asked_to_end(signal);
            }
            self.hear();
            self.reap()?;
            self.look(Instant::now());
        }
    }

    /// Sleeps until something happens or something is due.
    fn wait(&self) -> io::Result<()> {
        let descriptors: Vec<BorrowedFd<'_>> = std::iter::once(self.signals.as_fd())
            .chain(self.seats.iter().filter_map(|seat| seat.worker.as_ref()?.status()))
            .collect();
        let mut polled: Vec<_> = descriptors.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
        let timeout = self.timeout(Instant::now()).map(|it| Timespec {
            tv_sec: it.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: it.subsec_nanos().into(),
        });
        match poll(&mut polled, timeout.as_ref()) {
            Err(rustix::io::Errno::INTR) | Ok(_) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn timeout(&self, now: Instant) -> Option<Duration> {
        let starts = self.seats.iter().filter_map(|seat| seat.due).min();
        let end = self.ending.map(|ending| ending.deadline);
        let tick = self.plan.hang_limit.map(|_| self.looked + TICK);
        [starts, end, tick].into_iter().flatten().min().map(|at| at.saturating_duration_since(now))
    }

    fn start_due(&mut self, now: Instant) {
        if self.ending.is_some() {
            return;
        }
        for seat in self.seats.iter_mut().filter(|seat| seat.due.is_some_and(|due| due <= now)) {
            let sets = &self.plan.listeners;
            let outfit = Outfit {
                command: &self.plan.command,
                listeners: sets.get(seat.index % sets.len().max(1)).map_or(&[], Vec::as_slice),
                lifeline: &self.lifeline,
                slots: &self.slots,
                board: &self.plan.board,
                workers: self.plan.workers,
                settings: &self.settings,
            };
            let worker = seat.index + 1;
            match seat.start(&outfit, now) {
                Ok(pid) => (self.report)(Event::Started { worker, pid: pid.as_raw_pid() }),
                Err(error) => {
                    // Out of processes or descriptors, perhaps for a moment: tried again, more and more slowly.
                    (self.report)(Event::Unstartable { worker, error: &error });
                    seat.due = Some(now + seat.pace.after_death(Duration::ZERO).max(Duration::from_secs(1)));
                }
            }
        }
        if !self.banner_shown && self.seats.iter().all(|seat| seat.worker.is_none()) {
            self.end(1, now + FAILED_START_GRACE, Signal::TERM);
        }
    }

    fn asked_to_end(&mut self, signal: Signal) {
        let now = Instant::now();
        if self.ending.is_some() {
            self.end(u8::try_from(128 + signal.as_raw()).unwrap_or(u8::MAX), now + KILL_AFTER, Signal::KILL);
            return;
        }
        (self.report)(Event::Draining { signal: name(signal.as_raw()), limit: self.plan.drain });
        self.end(0, now + self.plan.drain + KILL_AFTER, Signal::TERM);
    }

    fn end(&mut self, status: u8, deadline: Instant, signal: Signal) {
        self.ending = Some(Ending { status, deadline });
        self.plan.listeners.clear();
        for seat in &mut self.seats {
            seat.due = None;
            if let Some(worker) = &seat.worker {
                worker.kill(signal);
            }
        }
    }

    /// Reads what workers say.
    fn hear(&mut self) {
        for index in 0..self.seats.len() {
            self.hear_one(index);
        }
        if !self.all_were_ready && self.seats.iter().all(|seat| seat.was_ready) {
            self.all_were_ready = true;
            let pids: Vec<_> =
                self.seats.iter().filter_map(|seat| seat.worker.as_ref()).map(|it| it.pid.as_raw_pid()).collect();
            (self.report)(Event::Ready { pids: &pids });
        }
    }

    fn hear_one(&mut self, index: usize) {
        let seat = &mut self.seats[index];
        let Some(worker) = &mut seat.worker else { return };
        for message in worker.messages() {
            match message {
                Message::Ready { banner } => {
                    worker.ready = true;
                    if seat.was_ready {
                        (self.report)(Event::Replaced { worker: index + 1, pid: worker.pid.as_raw_pid() });
                    }
                    seat.was_ready = true;
                    if !self.banner_shown {
                        self.banner_shown = true;
                        (self.report)(Event::Banner(&banner));
                    }
                }
                Message::Failed { message, status } => worker.failed = Some((message, status)),
            }
        }
    }

    /// Waits for all children that ended: workers, and orphans of theirs where this process is the init of a container.
    fn reap(&mut self) -> io::Result<()> {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => self.ended(pid, status),
                Ok(None) | Err(rustix::io::Errno::CHILD) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn ended(&mut self, pid: Pid, status: WaitStatus) {
        let Some(index) = self.seats.iter().position(|seat| seat.worker.as_ref().is_some_and(|it| it.pid == pid))
        else {
            return;
        };
        // Its last words may have come after the last look.
        self.hear_one(index);
        // A record nobody clears would only make others think it has room: they look again soon.
        let _ = self.slots.clear(index);
        let now = Instant::now();
        let seat = &mut self.seats[index];
        let Some(worker) = seat.worker.take() else { return };
        (self.report)(Event::Gone { worker: index + 1, pid: pid.as_raw_pid() });
        if self.ending.is_some() {
            return;
        }
        let number = index + 1;
        if let Some((message, _)) = &worker.failed {
            (self.report)(Event::Failed { worker: number, message });
        }
        let starting_over = self.banner_shown;
        if !starting_over && !worker.ready {
            // Nobody was ever ready: this is no accident, the project does not start.
            if worker.failed.is_none() {
                let how = format!("{} before it was ready", describe(status));
                let message = format!("worker {number} {how}");
                (self.report)(Event::Failed { worker: number, message: &message });
            }
            let status = worker.failed.map_or(1, |(_, status)| status);
            self.end(status, now + FAILED_START_GRACE, Signal::TERM);
            return;
        }
        let pause = seat.pace.after_death(worker.lived(now));
        seat.due = Some(now + pause);
        let how = describe(status);
        let young_deaths = seat.pace.young_deaths();
        (self.report)(Event::Died { worker: number, pid: pid.as_raw_pid(), how, pause, young_deaths });
    }

    /// Looks for workers that are stuck.
    fn look(&mut self, now: Instant) {
        if let Some(ending) = self.ending
            && now >= ending.deadline
        {
            // Until all are reaped, not more often than a tick: SIGKILL needs no second one, but a fresh process may need its first.
            self.ending = Some(Ending { deadline: now + TICK, ..ending });
            for seat in &self.seats {
                if let Some(worker) = &seat.worker {
                    (self.report)(Event::Overdue { worker: seat.index + 1, pid: worker.pid.as_raw_pid() });
                    worker.kill(Signal::KILL);
                }
            }
        }
        let Some(limit) = self.plan.hang_limit else { return };
        if now < self.looked + TICK {
            return;
        }
        self.looked = now;
        for seat in &mut self.seats {
            let Some(worker) = &mut seat.worker else { continue };
            let Ok(beat) = self.slots.beat(seat.index) else { continue };
            let still = worker.hang.look(beat, now);
            if still >= limit {
                (self.report)(Event::Hung { worker: seat.index + 1, pid: worker.pid.as_raw_pid(), still });
                worker.kill(Signal::KILL);
                // Said once: it is reaped in a moment, or hangs in the kernel where nothing helps.
                worker.hang = Hang::new(now);
            }
        }
    }
}
