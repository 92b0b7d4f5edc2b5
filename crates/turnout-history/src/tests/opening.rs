//! What may be opened, and what is said of the rest.

use std::os::unix::fs::PermissionsExt;

use rusqlite::Connection;

use super::*;

fn refused(path: &Path) -> String {
    let error = File::open(path, BOUNDS).expect_err("refused").to_string();
    assert!(error.starts_with(path.to_str().unwrap()), "the file is named: {error}");
    error
}

#[test]
fn a_new_file_is_its_owners_alone() {
    let (_folder, path) = folder();
    let mut file = file(&path);
    file.write(&minute(START, &[("a", figures(1, 1))])).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn an_empty_file_is_a_new_one() {
    let (_folder, path) = folder();
    std::fs::write(&path, "").unwrap();
    file(&path).write(&minute(START, &[])).unwrap();
}

#[test]
fn what_is_no_database_is_left_as_it_is() {
    let (_folder, path) = folder();
    for content in ["not a database, but long enough to be taken for one\n".repeat(200), "short".to_owned()] {
        std::fs::write(&path, &content).unwrap();
        assert!(refused(&path).contains("move it away"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
    }
}

#[test]
fn a_damaged_file_is_no_panic() {
    let (_folder, path) = folder();
    {
        let mut file = file(&path);
        for number in 0..50 {
            file.write(&minute(START + number * 60, &[("a", figures(9, 5)), ("b", figures(2, 70))])).unwrap();
        }
    }
    let whole = std::fs::read(&path).unwrap();
    let question = ask(None, START, START + 3600, 60);
    let mut noticed = 0;
    for at in (0..whole.len()).step_by(397) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        std::fs::write(&path, &bytes).unwrap();
        match File::open(&path, BOUNDS) {
            Err(_) => noticed += 1,
            Ok(mut file) => {
                let _ = file.window(&question);
                let _ = file.write(&minute(START + 60, &[("a", figures(1, 1))]));
                let _ = file.tidy(START + 2 * 86_400);
            }
        }
        for beside in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{beside}", path.display()));
        }
    }
    assert!(noticed > 0);
    for short in [100, 4096, whole.len() - 1] {
        std::fs::write(&path, &whole[..short]).unwrap();
        if let Ok(file) = File::open(&path, BOUNDS) {
            let _ = file.window(&question);
        }
    }
}

#[test]
fn the_database_of_another_program_is_left_as_it_is() {
    let (_folder, path) = folder();
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE precious (x); INSERT INTO precious VALUES (1)")
        .unwrap();
    assert!(refused(&path).contains("another program"));
    let kept: i64 = Connection::open(&path).unwrap().query_row("SELECT x FROM precious", (), |row| row.get(0)).unwrap();
    assert_eq!(kept, 1);
}

#[test]
fn a_newer_form_is_left_to_the_newer_program() {
    let (_folder, path) = folder();
    file(&path).connection.execute_batch("PRAGMA user_version = 2").unwrap();
    let error = refused(&path);
    assert!(error.contains("newer turnout (form 2, this one knows 1)"), "{error}");
}

#[test]
fn two_servers_do_not_share_a_file_and_anybody_may_look_at_it() {
    let (_folder, path) = folder();
    let mut first = file(&path);
    first.write(&minute(START, &[("a", figures(4, 1))])).unwrap();
    assert!(refused(&path).contains("another server"));
    let eyes = Connection::open_with_flags(&path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let seen: i64 = eyes.query_row("SELECT sum(requests) FROM figures", (), |row| row.get(0)).unwrap();
    assert_eq!(seen, 4);
    first.write(&minute(START + 60, &[("a", figures(4, 1))])).unwrap();
    drop(first);
    file(&path);
}

#[test]
fn what_is_no_file_is_refused() {
    let (folder, path) = folder();
    assert!(refused(folder.path()).contains("directory"));
    assert!(refused(&path.join("below")).contains("folder must be there"));
    assert!(refused(Path::new("/dev/null")).contains("no ordinary file"));
}
