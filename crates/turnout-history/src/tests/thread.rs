//! The thread: what is handed over is written, whatever happened in between, and the operator is told once.

use std::sync::mpsc::{Receiver, channel};

use super::*;

/// Longer than any answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn open(path: &Path) -> (History, Receiver<String>) {
    let (say, said) = channel();
    let history = History::open(path, BOUNDS, Box::new(move |text| say.send(text.to_owned()).unwrap_or_default()));
    (history.unwrap(), said)
}

fn answer(history: &History, question: Question) -> Result<Window, Unanswered> {
    let (send, got) = channel();
    history.ask(question, move |answer| send.send(answer).unwrap_or_default());
    got.recv_timeout(PATIENCE).unwrap()
}

/// Asks until the view has so many requests.
fn until(history: &History, requests: u64) {
    let end = std::time::Instant::now() + PATIENCE;
    while answer(history, ask(Some("a"), START, START + 3600, 60)).unwrap().total().figures.requests != requests {
        assert!(std::time::Instant::now() < end, "never {requests}");
        std::thread::yield_now();
    }
}

#[test]
fn what_is_handed_over_is_written_at_the_end_and_the_file_is_free() {
    let (_folder, path) = folder();
    let (history, said) = open(&path);
    for number in 0..30 {
        history.write(minute(START + number * 60, &[("a", figures(1, 1))]));
    }
    drop(history);
    let (history, _said) = open(&path);
    until(&history, 30);
    drop(history);
    assert!(!path.with_extension("sqlite3-wal").exists(), "nothing is left beside it");
    assert_eq!(said.iter().next(), None, "and nothing had to be said");
}

#[test]
fn what_cannot_be_written_waits_and_is_told_once() {
    let (folder, path) = folder();
    let (history, said) = open(&path);
    history.write(minute(START, &[("a", figures(1, 1))]));
    until(&history, 1);
    let aside = folder.path().join("aside");
    std::fs::rename(&path, &aside).unwrap();
    std::fs::write(&path, "something else").unwrap();
    for number in 1..4 {
        history.write(minute(START + number * 60, &[("a", figures(1, 1))]));
    }
    let told = said.recv_timeout(PATIENCE).unwrap();
    assert!(told.contains("cannot be written: another file has its name"), "{told}");
    std::fs::rename(&aside, &path).unwrap();
    history.write(minute(START + 240, &[("a", figures(1, 1))]));
    until(&history, 5);
    let told = said.recv_timeout(PATIENCE).unwrap();
    assert!(told.contains("is written again") && !told.contains("lost"), "{told}");
    drop(history);
    assert_eq!(said.iter().next(), None);
}

#[test]
fn a_file_that_is_taken_away_is_begun_anew() {
    let (_folder, path) = folder();
    let (history, said) = open(&path);
    history.write(minute(START, &[("a", figures(7, 1))]));
    until(&history, 7);
    for end in ["", "-wal", "-shm"] {
        std::fs::remove_file(format!("{}{end}", path.display())).unwrap();
    }
    history.write(minute(START + 60, &[("a", figures(2, 1))]));
    until(&history, 2);
    drop(history);
    let (history, _said) = open(&path);
    until(&history, 2);
    assert_eq!(said.iter().next(), None);
}

#[test]
fn memory_is_bounded_while_nothing_can_be_written() {
    let (_folder, path) = folder();
    let (history, said) = open(&path);
    history.write(minute(START, &[("a", figures(1, 1))]));
    until(&history, 1);
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    for number in 1..=100 {
        history.write(minute(START + number * 60, &[("a", figures(1, 1))]));
    }
    assert!(said.recv_timeout(PATIENCE).unwrap().contains("cannot be written"));
    std::fs::remove_dir(&path).unwrap();
    history.write(minute(START + 101 * 60, &[("a", figures(1, 1))]));
    let told = said.recv_timeout(PATIENCE).unwrap();
    assert!(told.contains("minutes were lost"), "{told}");
    drop(history);
    let file = file(&path);
    let kept = window(&file, &ask(Some("a"), START, START + 7200, 60)).total().figures.requests;
    assert!((55..=61).contains(&kept), "the last hour: {kept}");
    let last = window(&file, &ask(Some("a"), START + 101 * 60, START + 102 * 60, 60)).total();
    assert_eq!(last.figures.requests, 1);
}

#[test]
fn a_question_that_is_too_large_is_refused() {
    let (_folder, path) = folder();
    let (history, _said) = open(&path);
    assert_eq!(answer(&history, ask(None, 0, i64::MAX - 1000, 60)), Err(Unanswered::TooMuch));
}
