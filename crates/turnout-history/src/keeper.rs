//! The thread that has the file: minutes are handed to it and never waited for, questions are answered in between.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::Builder;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::file::{Failure, File};
use crate::{Bounds, MINUTE, Minute, OpenError, Question, Window};

/// Minutes that wait while the disk is full or does not answer. After an hour the oldest are lost: they take memory.
const MOST_WAITING: usize = 60;
/// Questions that wait: each is a page that somebody looks at.
const MOST_QUESTIONS: usize = 16;
/// After a failure it is tried again: with the next minute, or after this time.
const AGAIN: Duration = Duration::from_secs(60);
/// A disk that does not answer does not keep the server from ending for longer.
const END: Duration = Duration::from_secs(5);
/// How often names that are no longer used are looked for, in minutes: once a day, and once after the start.
const NAMES_EVERY: u64 = 24 * 60;

/// What is done with an answer.
type Reply = Box<dyn FnOnce(Result<Window, Unanswered>) + Send>;
/// Where one line for the operator goes.
type Say = Box<dyn Fn(&str) + Send>;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// Too many ask at once.
    Busy,
    /// The file cannot be read at this moment.
    Unreadable,
    /// It would be more rows than are read at once.
    TooMuch,
}

/// A file that is kept. Dropping it writes what was handed over, and waits for that at most five seconds.
pub struct History(Arc<Shared>);

#[derive(Default)]
struct Shared {
    inbox: Mutex<Inbox>,
    news: Condvar,
}

#[derive(Default)]
struct Inbox {
    minutes: VecDeque<Minute>,
    questions: VecDeque<(Question, Reply)>,
    /// How many minutes ever came.
    came: u64,
    /// Minutes that gave way to later ones.
    lost: u64,
    /// Nothing more will come.
    ended: bool,
    /// Everything that came is written, or will never be.
    over: bool,
}

impl History {
    /// Takes the file, which is made where there is none, and begins. `say` is told in one line when it can no longer be written, and when it can again.
    pub fn open(path: &Path, bounds: Bounds, say: Say) -> Result<Self, OpenError> {
        let keeper = Keeper {
            file: Some(File::open(path, bounds)?),
            path: path.to_owned(),
            bounds,
            say,
            failed: None,
            said: false,
            written: 0,
            shared: Arc::default(),
        };
        let shared = Arc::clone(&keeper.shared);
        let thread = Builder::new().name("turnout-history".into()).spawn(move || keeper.run());
        thread.map_err(|source| OpenError::System { path: path.to_owned(), source })?;
        Ok(Self(shared))
    }

    /// Hands a minute over. Never waits.
    pub fn write(&self, minute: Minute) {
        let mut inbox = self.0.inbox.lock();
        inbox.minutes.push_back(minute);
        inbox.came += 1;
        inbox.bound();
        self.0.news.notify_all();
    }

    /// Has `reply` called with the answer, on another thread. Never waits.
    pub fn ask(&self, question: Question, reply: impl FnOnce(Result<Window, Unanswered>) + Send + 'static) {
        let mut inbox = self.0.inbox.lock();
        if inbox.questions.len() < MOST_QUESTIONS {
            inbox.questions.push_back((question, Box::new(reply)));
            self.0.news.notify_all();
        } else {
            drop(inbox);
            reply(Err(Unanswered::Busy));
        }
    }
}

impl Drop for History {
    fn drop(&mut self) {
        let mut inbox = self.0.inbox.lock();
        inbox.ended = true;
        self.0.news.notify_all();
        self.0.news.wait_while_for(&mut inbox, |inbox| !inbox.over, END);
    }
}

impl std::fmt::Debug for History {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str("History(..)")
    }
}

impl Inbox {
    fn bound(&mut self) {
        while self.minutes.len() > MOST_WAITING {
            self.minutes.pop_front();
            self.lost += 1;
        }
    }
}

/// What there is to do.
enum Job {
    Write(Minute),
    Answer(Question, Reply),
    End,
}

struct Keeper {
    /// `None`: it was taken away, and no other could be made yet.
    file: Option<File>,
    path: PathBuf,
    bounds: Bounds,
    say: Say,
    /// Since it could not be written: when that was tried last, and how many minutes had come by then.
    failed: Option<(Instant, u64)>,
    /// The operator was told of it.
    said: bool,
    written: u64,
    shared: Arc<Shared>,
}

impl Keeper {
    fn run(mut self) {
        loop {
            match self.next() {
                Job::Write(minute) => self.write(minute),
                Job::Answer(question, reply) => reply(self.answer(&question)),
                Job::End => break,
            }
        }
        self.last_try();
        let Self { file, shared, .. } = self;
        // Closed before anybody who waits goes on: the file is then whole, without a log beside it, and free for the next server.
        drop(file);
        shared.inbox.lock().over = true;
        shared.news.notify_all();
    }

    fn next(&self) -> Job {
        let mut inbox = self.shared.inbox.lock();
        loop {
            if let Some((question, reply)) = inbox.questions.pop_front() {
                return Job::Answer(question, reply);
            }
            let due = self.failed.is_none_or(|(at, came)| at.elapsed() >= AGAIN || inbox.came > came);
            if due && let Some(minute) = inbox.minutes.pop_front() {
                return Job::Write(minute);
            }
            if inbox.ended {
                return Job::End;
            }
            match self.failed {
                Some((at, _)) => {
                    self.shared.news.wait_until(&mut inbox, at + AGAIN);
                }
                None => self.shared.news.wait(&mut inbox),
            }
        }
    }

    fn write(&mut self, minute: Minute) {
        match self.put(&minute) {
            Ok(()) => self.wrote(&minute),
            Err(failure) => {
                if !self.said {
                    (self.say)(&format!(
                        "the history {} cannot be written: {failure}. Requests are served as before; it is tried again each minute.",
                        self.path.display()
                    ));
                }
                self.said = true;
                let mut inbox = self.shared.inbox.lock();
                inbox.minutes.push_front(minute);
                inbox.bound();
                self.failed = Some((Instant::now(), inbox.came));
            }
        }
    }

    fn wrote(&mut self, minute: &Minute) {
        if self.failed.take().is_some() {
            let lost = std::mem::take(&mut self.shared.inbox.lock().lost);
            let lost = if lost > 0 { format!(" {lost} minutes were lost.") } else { String::new() };
            (self.say)(&format!("the history {} is written again.{lost}", self.path.display()));
        }
        self.said = false;
        // The minute is there. What fails now is met again with the next one.
        if let Some(file) = &mut self.file {
            let _ = file.tidy(minute.start.saturating_add(MINUTE));
            if self.written.is_multiple_of(NAMES_EVERY) {
                let _ = file.forget_names();
            }
        }
        self.written += 1;
    }

    /// Where somebody took the file away, a new one begins with this minute.
    fn put(&mut self, minute: &Minute) -> Result<(), Failure> {
        match self.file.as_mut().map(|file| file.write(minute)) {
            Some(Err(Failure::Removed)) | None => {}
            Some(done) => return done,
        }
        // Closed first: with it goes what lies beside the file by its name.
        self.file = None;
        let file = File::open(&self.path, self.bounds).map_err(|error| std::io::Error::other(error.to_string()))?;
        self.file.insert(file).write(minute)
    }

    /// At the end: what stood in the way may be gone.
    fn last_try(&mut self) {
        let waiting = std::mem::take(&mut self.shared.inbox.lock().minutes);
        for minute in waiting {
            if self.put(&minute).is_err() {
                break;
            }
        }
    }

    fn answer(&self, question: &Question) -> Result<Window, Unanswered> {
        match self.file.as_ref().map(|file| file.window(question)) {
            Some(Ok(Some(window))) => Ok(window),
            Some(Ok(None)) => Err(Unanswered::TooMuch),
            Some(Err(_)) | None => Err(Unanswered::Unreadable),
        }
    }
}
