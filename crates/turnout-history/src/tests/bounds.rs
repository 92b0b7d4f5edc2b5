//! Age and size, and that the disk is given back.

use super::*;

/// Many views with requests of every length: 100 KB in the file.
fn busy(start: i64) -> Minute {
    let one = |number: i64| {
        let mut wall = Histogram::default();
        for more in 0..60 {
            wall.count_in((number % 90 + more * 9) as usize, (start / 60 % 97 + number + more) as u32);
        }
        let figures = Figures { requests: wall.count(), wall, ..figures(1, number as u64) };
        (format!("project.part{number}.views.page").into(), figures)
    };
    Minute { start, covered: 60.0, views: (0..500).map(one).collect() }
}

fn spans(file: &File) -> (i64, i64) {
    file.connection
        .query_row("SELECT min(start), count(*) FROM span", (), |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
}

#[test]
fn what_is_too_old_is_deleted_and_its_names_are_forgotten() {
    let (_folder, path) = folder();
    let mut file = File::open(&path, Bounds { age: Duration::from_secs(3600), ..BOUNDS }).unwrap();
    for number in 0..90 {
        let name = if number < 20 { "early" } else { "late" };
        file.write(&minute(START + number * 60, &[(name, figures(1, 1))])).unwrap();
        file.tidy(START + number * 60 + 60).unwrap();
    }
    assert_eq!(spans(&file), (START + 30 * 60, 60));
    file.forget_names().unwrap();
    let names: i64 = file.connection.query_row("SELECT count(*) FROM view", (), |row| row.get(0)).unwrap();
    assert_eq!(names, 1);
}

#[test]
fn the_file_with_all_beside_it_never_grows_beyond_its_size() {
    let (_folder, path) = folder();
    let mut file = File::open(&path, Bounds { size: LEAST_SIZE, ..BOUNDS }).unwrap();
    let mut largest = 0;
    for number in 0..120 {
        file.write(&busy(START + number * 60)).unwrap();
        largest = largest.max(file.bytes());
        file.tidy(START + number * 60 + 60).unwrap();
        largest = largest.max(file.bytes());
    }
    assert!(largest <= LEAST_SIZE, "{largest}");
    assert!(largest > LEAST_SIZE / 2, "{largest}: the room is used");
    let (first, count) = spans(&file);
    assert!(count > 10, "{count}");
    assert_eq!(first + (count - 1) * 60, START + 119 * 60, "the oldest gave way, the newest is there");
    // A day later: minutes become quarters within the same bounds.
    for number in 0..20 {
        let at = START + 86_400 + 5 * 3600 + number * 60;
        file.write(&busy(at)).unwrap();
        file.tidy(at + 60).unwrap();
        assert!(file.bytes() <= LEAST_SIZE, "{}", file.bytes());
    }
    let quarters: i64 =
        file.connection.query_row("SELECT count(*) FROM span WHERE length = 900", (), |row| row.get(0)).unwrap();
    assert!(quarters > 1, "{quarters}");
}

#[test]
fn a_smaller_size_shrinks_the_file_that_is_there() {
    let (_folder, path) = folder();
    let mut large = File::open(&path, BOUNDS).unwrap();
    for number in 0..120 {
        large.write(&busy(START + number * 60)).unwrap();
    }
    assert!(large.bytes() > 2 * LEAST_SIZE, "{}", large.bytes());
    drop(large);
    let mut small = File::open(&path, Bounds { size: LEAST_SIZE, ..BOUNDS }).unwrap();
    small.write(&busy(START + 120 * 60)).unwrap();
    assert!(small.bytes() <= LEAST_SIZE, "{}", small.bytes());
    let (first, count) = spans(&small);
    assert!(count > 10 && first > START);
}

#[test]
fn free_pages_are_given_back_when_there_is_less_to_keep() {
    let (_folder, path) = folder();
    let mut file = File::open(&path, Bounds { age: Duration::from_secs(3600), ..BOUNDS }).unwrap();
    for number in 0..60 {
        file.write(&busy(START + number * 60)).unwrap();
    }
    let full = file.bytes();
    for number in 60..160 {
        file.write(&minute(START + number * 60, &[("a", figures(1, 1))])).unwrap();
        file.tidy(START + number * 60 + 60).unwrap();
    }
    assert!(file.bytes() < full / 2, "{full} became {}", file.bytes());
}

#[test]
fn a_program_that_reads_for_long_stops_the_writing_before_the_size_is_passed() {
    let (_folder, path) = folder();
    let mut file = File::open(&path, Bounds { size: LEAST_SIZE, ..BOUNDS }).unwrap();
    file.connection.busy_timeout(Duration::ZERO).unwrap();
    file.write(&busy(START)).unwrap();
    let reader = rusqlite::Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM figures").unwrap();
    let mut number = 1;
    let failure = loop {
        match file.write(&busy(START + number * 60)) {
            Ok(()) if number < 500 => number += 1,
            Ok(()) => panic!("never refused: {}", file.bytes()),
            Err(failure) => break failure,
        }
    };
    assert!(failure.to_string().contains("another program"), "{failure}");
    // One minute of these is a tenth of a megabyte.
    assert!(file.bytes() <= LEAST_SIZE + LEAST_SIZE / 10, "{}", file.bytes());
    drop(reader);
    file.empty_log().unwrap();
    file.write(&busy(START + number * 60)).unwrap();
    assert!(file.bytes() <= LEAST_SIZE);
}
