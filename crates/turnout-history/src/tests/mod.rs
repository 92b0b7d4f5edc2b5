//! The file under a clock that the tests set: what is in it after hours, days and accidents.
#![allow(clippy::unwrap_used, reason = "a test")]
#![allow(clippy::cast_sign_loss, reason = "the clock stands after 1970")]

mod bounds;
mod opening;
mod thread;

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use turnout_states::{Histogram, Times, bucket};

use super::*;
use crate::file::File;

/// A quarter of an hour begins then, and a day of 2026.
const START: i64 = 1_790_035_200;
const BOUNDS: Bounds = Bounds { size: 64 << 20, age: Duration::from_secs(30 * 86_400) };

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.sqlite3");
    (folder, path)
}

fn file(path: &Path) -> File {
    File::open(path, BOUNDS).unwrap()
}

/// So many requests of so many milliseconds, a tenth of which was computed.
fn figures(requests: u64, milliseconds: u64) -> Figures {
    let mut wall = Histogram::default();
    wall.count_in(bucket(milliseconds * 1_000_000), requests as u32);
    let nanoseconds = requests * milliseconds * 1_000_000;
    let times = Times { processing: nanoseconds / 10, io: nanoseconds - nanoseconds / 10, ..Times::default() };
    Figures { requests, failed: requests, times, wall }
}

fn minute(start: i64, views: &[(&str, Figures)]) -> Minute {
    let views = views.iter().map(|(name, figures)| ((*name).into(), figures.clone())).collect();
    Minute { start, covered: 60.0, views }
}

fn ask(view: Option<&str>, from: i64, to: i64, step: i64) -> Question {
    Question { view: view.map(str::to_owned), from, to, step }
}

fn window(file: &File, question: &Question) -> Window {
    file.window(question).unwrap().unwrap()
}

#[test]
fn what_was_written_is_there_after_a_restart_and_the_same_minute_goes_on() {
    let (_folder, path) = folder();
    {
        let mut file = file(&path);
        file.write(&minute(START, &[("a", figures(10, 40)), ("b", figures(1, 7))])).unwrap();
        file.write(&minute(START + 60, &[("a", figures(5, 80))])).unwrap();
    }
    let mut file = file(&path);
    file.write(&Minute { covered: 12.0, ..minute(START + 60, &[("a", figures(5, 80)), ("c", figures(2, 1))]) })
        .unwrap();
    let seen = window(&file, &ask(Some("a"), START, START + 180, 60));
    assert_eq!((seen.from, seen.to, seen.step, seen.oldest), (START, START + 180, 60, Some(START)));
    let requests: Vec<_> = seen.steps.iter().map(|step| step.figures.requests).collect();
    assert_eq!(requests, [10, 10, 0]);
    assert_eq!(seen.steps[0].figures, figures(10, 40));
    assert_eq!(seen.steps[1].figures, figures(10, 80), "added up, histogram and all");
    let covered: Vec<_> = seen.steps.iter().map(|step| step.covered).collect();
    assert_eq!(covered, [60.0, 72.0, 0.0]);
    let all = window(&file, &ask(None, START, START + 180, 60));
    assert_eq!(
        all.views,
        [("a", figures(10, 40)), ("b", figures(1, 7)), ("c", figures(2, 1))].map(|(name, figures)| {
            let mut figures = figures;
            if name == "a" {
                figures.add(&self::figures(10, 80));
            }
            (name.to_owned(), figures)
        })
    );
    assert_eq!(all.total().figures.requests, 23);
    assert_eq!(window(&file, &ask(Some("nobody"), START, START + 180, 60)).total().figures, Figures::default());
}

#[test]
fn minutes_become_quarters_after_a_day_and_nothing_is_lost() {
    let (_folder, path) = folder();
    let mut file = file(&path);
    // The server began in the middle of a quarter.
    for at in (START + 300..START + 2 * QUARTER).step_by(60) {
        file.write(&minute(at, &[("a", figures(3, 40)), ("b", figures(1, 900))])).unwrap();
        file.tidy(at + 60).unwrap();
    }
    let before = window(&file, &ask(None, START, START + 2 * QUARTER, QUARTER));
    assert_eq!(before.steps.len(), 2);
    assert_eq!(before.steps[0].figures.requests, 40);
    let later = START + 2 * QUARTER + MINUTES_FOR - 60;
    file.write(&minute(later, &[])).unwrap();
    file.tidy(later + 60).unwrap();
    let spans: i64 = file.connection.query_row("SELECT count(*) FROM span", (), |row| row.get(0)).unwrap();
    let rows: i64 = file.connection.query_row("SELECT count(*) FROM figures", (), |row| row.get(0)).unwrap();
    assert_eq!((spans, rows), (3, 4));
    let mut after = window(&file, &ask(None, START, START + 2 * QUARTER, QUARTER));
    assert_eq!(after.oldest, Some(START));
    after.oldest = before.oldest;
    assert_eq!(after, before);
    let coarse = window(&file, &ask(Some("a"), START + 60, START + 1000, 60));
    assert_eq!(
        (coarse.from, coarse.to, coarse.step),
        (START, START + 2 * QUARTER, QUARTER),
        "no finer than it is kept"
    );
    assert_eq!(coarse.total().figures, before.views[0].1);
}

#[test]
fn a_quarter_that_was_left_half_made_is_finished_without_counting_twice() {
    let (_folder, path) = folder();
    let mut file = file(&path);
    for at in (START + 120..START + QUARTER).step_by(60) {
        file.write(&minute(at, &[("a", figures(3, 40)), ("b", figures(1, 900))])).unwrap();
    }
    let before = window(&file, &ask(None, START, START + QUARTER, QUARTER));
    // As after the first of two transactions: one view is done.
    let done = format!(
        "INSERT INTO figures SELECT {START}, view, sum(requests), sum(failed), sum(processing), 0, 0, 0, 0, 0, 0, sum(io), \
         (SELECT wall FROM figures WHERE view = 1 LIMIT 1) FROM figures WHERE view = 1;
         DELETE FROM figures WHERE view = 1 AND start > {START}; INSERT INTO span VALUES ({START}, 60, 0)"
    );
    file.connection.execute_batch(&done).unwrap();
    assert_eq!(window(&file, &ask(Some("a"), START, START + QUARTER, QUARTER)).total().figures.requests, 39);
    file.tidy(START + QUARTER + MINUTES_FOR).unwrap();
    let after = window(&file, &ask(None, START, START + QUARTER, QUARTER));
    assert_eq!(after.steps[0].figures.requests, before.steps[0].figures.requests);
    assert_eq!(after.views[1], before.views[1]);
    assert!((after.steps[0].covered - before.steps[0].covered).abs() < 1e-9);
}

#[test]
fn a_name_is_data() {
    let (_folder, path) = folder();
    let mut file = file(&path);
    let hostile = ["'; DROP TABLE figures; --", "\0", "%", "ünïcödé \u{202e}", ""];
    for name in hostile {
        file.write(&minute(START, &[(name, figures(1, 1))])).unwrap();
    }
    for name in hostile {
        assert_eq!(window(&file, &ask(Some(name), START, START + 60, 60)).total().figures.requests, 1, "{name:?}");
    }
}

#[test]
fn numbers_at_the_end_of_their_range_are_no_accident() {
    let (_folder, path) = folder();
    let mut file = file(&path);
    let times = Times { io: u64::MAX, ..Times::default() };
    let most = Figures { requests: u64::MAX, times, ..Figures::default() };
    for _ in 0..2 {
        file.write(&minute(START, &[("a", most.clone())])).unwrap();
    }
    let total = window(&file, &ask(Some("a"), START, START + 60, 60)).total();
    assert_eq!(total.figures.times.io, i64::MAX as u64);
    for (from, to) in [(0, i64::MAX), (i64::MIN, 0), (i64::MIN, i64::MAX), (0, 0), (5, 3)] {
        let _ = file.window(&ask(None, from, to, 60)).unwrap();
    }
}
