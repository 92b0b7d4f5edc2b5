//! What a key does to what is wanted.

use termion::event::Key;

use crate::choice::{Choice, Mode, WINDOWS};

/// A page of the table, in rows: its true height is the screen's business, and a little less keeps the eye on its place.
const PAGE: usize = 10;
/// A filter is the part of a name that somebody types.
const LONGEST_FILTER: usize = 200;

/// What is to be done about a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// Paint again.
    Paint,
    /// Another window: ask the server at once.
    Ask,
    Quit,
}

pub(crate) fn press(choice: &mut Choice, key: Key) -> Then {
    if choice.mode == Mode::Typing && key != Key::Ctrl('c') {
        type_filter(choice, key);
        return Then::Paint;
    }
    match key {
        Key::Char('q') | Key::Ctrl('c') => return Then::Quit,
        Key::Char('f') if choice.mode == Mode::Table => turn_to(choice, Mode::Findings),
        Key::Char('f') | Key::Esc if choice.mode == Mode::Findings => turn_to(choice, Mode::Table),
        Key::Char('/') => turn_to(choice, Mode::Typing),
        Key::Esc => choice.filter.clear(),
        Key::Char('>' | 's') | Key::Right => choice.step(1),
        Key::Char('<') | Key::Left => choice.step(crate::choice::Sort::ALL.len() - 1),
        Key::Char('r') => choice.down = !choice.down,
        Key::Char('p') => {
            choice.paused = !choice.paused;
            return Then::Ask;
        }
        Key::Char(digit @ '1'..='4') => {
            choice.seconds = WINDOWS[digit as usize - '1' as usize].0;
            return Then::Ask;
        }
        // The end is found when it is painted.
        Key::Down | Key::Char('j') => choice.first += 1,
        Key::Up | Key::Char('k') => choice.first = choice.first.saturating_sub(1),
        Key::PageDown | Key::Char(' ') => choice.first += PAGE,
        Key::PageUp => choice.first = choice.first.saturating_sub(PAGE),
        Key::Home => choice.first = 0,
        Key::End => choice.first = usize::MAX,
        _ => {}
    }
    Then::Paint
}

fn turn_to(choice: &mut Choice, mode: Mode) {
    (choice.mode, choice.first) = (mode, 0);
}

fn type_filter(choice: &mut Choice, key: Key) {
    match key {
        Key::Char('\n') => choice.mode = Mode::Table,
        Key::Esc => {
            choice.mode = Mode::Table;
            choice.filter.clear();
        }
        Key::Backspace => {
            choice.filter.pop();
        }
        Key::Char(letter) if !letter.is_control() && choice.filter.len() < LONGEST_FILTER => choice.filter.push(letter),
        _ => {}
    }
    choice.first = 0;
}
