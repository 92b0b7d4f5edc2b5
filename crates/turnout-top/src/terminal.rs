//! The terminal: raw mode and the alternate screen, who listens to keys, who asks the server, and what happens in between.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU16};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TermionBackend;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGWINCH};
use signal_hook::iterator::Signals;
use termion::event::Key;
use termion::input::TermRead;
use termion::raw::IntoRawMode;
use termion::screen::IntoAlternateScreen;

use crate::choice::Choice;
use crate::client::Client;
use crate::error::TopError;
use crate::glyphs::Glyphs;
use crate::keys::{self, Then};
use crate::now::Now;
use crate::screen::{Shown, paint};

/// How often the server is asked: its own figures change no faster.
const EVERY: Duration = Duration::from_secs(1);
/// Events on their way: a held key fills it, and then the terminal waits.
const EVENTS: usize = 64;

enum Event {
    Told(Box<Result<Now, TopError>>),
    Key(Key),
    Resized,
    End,
}

/// What the one who asks is to ask for. It is woken when that changes.
struct Wanted {
    seconds: AtomicU16,
    paused: AtomicBool,
}

/// How wide the terminal is, if there is one.
pub(crate) fn columns() -> Option<usize> {
    termion::terminal_size().ok().map(|(columns, _)| usize::from(columns)).filter(|columns| *columns > 0)
}

/// Shows the table until `q`. The terminal is as before afterwards, whatever ended it; the threads end with the process.
pub(crate) fn show(client: Client, first: Now, choice: Choice, glyphs: Glyphs) -> Result<(), TopError> {
    let keys = termion::get_tty()?;
    let (tell, events) = sync_channel(EVENTS);
    listen(keys, tell.clone());
    heed(tell.clone())?;
    let wanted = Arc::new(Wanted { seconds: choice.seconds.into(), paused: false.into() });
    let asking = Arc::clone(&wanted);
    let asker = thread::spawn(move || inquire(&client, &asking, &tell));
    let ask = |choice: &Choice| {
        wanted.seconds.store(choice.seconds, Relaxed);
        wanted.paused.store(choice.paused, Relaxed);
        asker.thread().unpark();
    };

    let screen = io::stdout().into_raw_mode()?.into_alternate_screen()?;
    let mut terminal = Terminal::new(TermionBackend::new(screen))?;
    terminal.hide_cursor()?;
    let mut shown = Shown { now: Some(first), lost: None, choice, glyphs };
    let ended = follow(&mut terminal, &mut shown, &events, ask);
    terminal.show_cursor()?;
    ended
}

fn follow<B: ratatui::backend::Backend<Error = io::Error>>(
    terminal: &mut Terminal<B>,
    shown: &mut Shown,
    events: &Receiver<Event>,
    ask: impl Fn(&Choice),
) -> Result<(), TopError> {
    loop {
        terminal.draw(|frame| paint(frame, shown))?;
        // The senders live as long as their threads, which end with the process.
        let Ok(event) = events.recv() else { return Ok(()) };
        match event {
            // An answer that was on its way when somebody said stop.
            Event::Told(_) if shown.choice.paused => {}
            Event::Told(told) => match *told {
                Ok(now) => (shown.now, shown.lost) = (Some(now), None),
                Err(why) => shown.lost = Some(why.to_string()),
            },
            Event::Key(key) => match keys::press(&mut shown.choice, key) {
                Then::Paint => {}
                Then::Ask => ask(&shown.choice),
                Then::Quit => return Ok(()),
            },
            Event::Resized => {}
            Event::End => return Ok(()),
        }
    }
}

fn listen(keys: std::fs::File, tell: SyncSender<Event>) {
    thread::spawn(move || {
        for key in keys.keys().map_while(Result::ok) {
            if tell.send(Event::Key(key)).is_err() {
                return;
            }
        }
        // The terminal is gone.
        let _ = tell.send(Event::End);
    });
}

fn heed(tell: SyncSender<Event>) -> io::Result<()> {
    let mut signals = Signals::new([SIGWINCH, SIGINT, SIGTERM, SIGHUP])?;
    thread::spawn(move || {
        for signal in signals.forever() {
            let event = if signal == SIGWINCH { Event::Resized } else { Event::End };
            if tell.send(event).is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// Asks once a second, or at once when something else is wanted.
fn inquire(client: &Client, wanted: &Wanted, tell: &SyncSender<Event>) {
    loop {
        thread::park_timeout(EVERY);
        if wanted.paused.load(Relaxed) {
            continue;
        }
        if tell.send(Event::Told(Box::new(client.all(wanted.seconds.load(Relaxed))))).is_err() {
            return;
        }
    }
}
