//! What a terminal shows of canned figures, what keys do to it, and how the server is asked.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::thread;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;
use termion::event::Key;

use crate::address::Address;
use crate::choice::{Choice, Mode, Sort};
use crate::client::Client;
use crate::figures::{age, duration, figure, fitted, percent, visible};
use crate::glyphs::Glyphs;
use crate::keys::{Then, press};
use crate::now::{Finding, Now, Shares, State};
use crate::plain;
use crate::screen::{Shown, paint};

const CANNED: &str = include_str!("canned.json");

fn canned() -> Now {
    serde_json::from_str(CANNED).expect("what the server tells")
}

fn shown() -> Shown {
    Shown { now: Some(canned()), lost: None, choice: Choice::new(60), glyphs: Glyphs::new("en_GB.UTF-8", true) }
}

fn painted(shown: &mut Shown, columns: u16, rows: u16) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("memory");
    terminal.draw(|frame| paint(frame, shown)).expect("memory");
    terminal
}

/// The screen's lines without what is blank at their ends.
fn lines(shown: &mut Shown, columns: u16, rows: u16) -> Vec<String> {
    let terminal = painted(shown, columns, rows);
    let buffer = terminal.backend().buffer();
    let line = |y| (0..columns).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..rows).map(line).collect()
}

fn names(choice: &Choice, now: &Now) -> Vec<String> {
    choice.of(&now.views).iter().map(|view| view.name.clone()).collect()
}

#[test]
fn one_table_as_text() {
    let text = plain::text(&canned(), &Choice::new(60), Glyphs::new("C", false), 120);
    assert_eq!(text, include_str!("canned.txt"), "\n{text}");
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn the_screen_has_header_table_and_footer() {
    let lines = lines(&mut shown(), 80, 14);
    let screen = lines.join("\n") + "\n";
    assert_eq!(screen, include_str!("canned.screen"), "\n{screen}");
}

#[test]
fn a_bar_is_three_colours_and_three_signs() {
    let terminal = painted(&mut shown(), 100, 20);
    let cells = &terminal.backend().buffer().content;
    for (sign, colour) in [("█", Color::Green), ("▒", Color::Yellow), ("·", Color::LightBlue)] {
        assert!(cells.iter().any(|cell| cell.symbol() == sign));
        assert!(cells.iter().filter(|cell| cell.symbol() == sign).all(|cell| cell.fg == colour), "{sign}");
    }
    let mut plain = Shown { glyphs: Glyphs::new("C", false), lost: Some("lost".to_owned()), ..shown() };
    let terminal = painted(&mut plain, 100, 20);
    assert!(terminal.backend().buffer().content.iter().all(|cell| cell.fg == Color::Reset && cell.symbol().is_ascii()
        || "عربي.views.بحث".contains(cell.symbol())));
    let plain = Glyphs::new("C", false);
    let bar = |shares: [f64; 3]| {
        let [processing, cpu, io] = shares;
        plain.bar(Shares { processing, cpu, io }, 10).iter().map(|span| span.content.clone()).collect::<String>()
    };
    assert_eq!(bar([0.5, 0.2, 0.3]), "#####//...");
    assert_eq!(bar([0.001, 0.0, 0.999]), "#.........", "what took time is seen");
    assert_eq!(bar([0.0, 0.0, 0.0]), "          ");
    assert_eq!(bar([f64::NAN, -1.0, 2.0]).len(), 10);
}

#[test]
fn no_size_of_a_terminal_is_too_small() {
    let mut shown = shown();
    for lost in [None, Some("http://127.0.0.1:9180: refused".to_owned())] {
        shown.lost = lost;
        for columns in 1..130 {
            for rows in [1, 2, 3, 5, 8, 13, 40] {
                painted(&mut shown, columns, rows);
            }
        }
    }
    shown.now = None;
    painted(&mut shown, 1, 1);
    plain::text(&canned(), &Choice::new(60), Glyphs::new("", false), 1);
}

#[test]
fn what_is_wrong_is_said_and_the_figures_stay() {
    let mut shown = shown();
    shown.lost = Some("http://127.0.0.1:9180: connection refused".to_owned());
    let now = shown.now.as_mut().expect("canned");
    now.workers[0].state = State::Gone;
    now.workers[0].process = 0;
    let screen = lines(&mut shown, 120, 20).join("\n");
    assert!(screen.contains("0 of 2 serve   worker 1 gone   worker 2 (pid 4712) blocked for 2.4 s"), "{screen}");
    assert!(screen.contains("connection refused"), "{screen}");
    assert!(screen.contains("hotels.views.search"), "{screen}");
}

#[test]
fn without_requests_it_says_so() {
    let mut shown = shown();
    shown.now.as_mut().expect("canned").views.clear();
    let screen = lines(&mut shown, 80, 20).join("\n");
    assert!(screen.contains("No request has been answered in this time."), "{screen}");
}

#[test]
fn keys_sort_filter_and_scroll() {
    let now = canned();
    let mut choice = Choice::new(60);
    assert_eq!(names(&choice, &now)[0], "reports.views.export_csv", "the heaviest");
    press(&mut choice, Key::Right);
    assert_eq!(choice.sort, Sort::Processing);
    assert_eq!(names(&choice, &now)[0], "عربي.views.بحث");
    press(&mut choice, Key::Char('r'));
    assert_eq!(names(&choice, &now)[0], "reports.views.export_csv");
    for _ in 0..6 {
        press(&mut choice, Key::Char('<'));
    }
    assert_eq!((choice.sort, choice.down), (Sort::Name, false));
    let mut sorted = names(&choice, &now);
    sorted.sort();
    assert_eq!(names(&choice, &now), sorted);

    for key in [
        Key::Char('/'),
        Key::Char('Q'),
        Key::Backspace,
        Key::Char('H'),
        Key::Char('O'),
        Key::Char('T'),
        Key::Char('\n'),
    ] {
        assert_eq!(press(&mut choice, key), Then::Paint);
    }
    assert_eq!(names(&choice, &now), ["hotels.views.offers", "hotels.views.search"]);
    let mut narrowed = Shown { choice: choice.clone(), ..shown() };
    let screen = lines(&mut narrowed, 120, 20).join("\n");
    assert!(screen.contains("2 of 7 views, with \"HOT\""), "{screen}");
    press(&mut choice, Key::Esc);
    assert_eq!(names(&choice, &now).len(), 7);

    let mut scrolled = shown();
    press(&mut scrolled.choice, Key::End);
    lines(&mut scrolled, 80, 11);
    let end = scrolled.choice.first;
    assert!(end > 0 && end < 7, "the last row is at the bottom, not above it: {end}");
    press(&mut scrolled.choice, Key::Up);
    assert_eq!(scrolled.choice.first, end - 1);
    press(&mut scrolled.choice, Key::Home);
    assert_eq!(scrolled.choice.first, 0);
}

#[test]
fn keys_change_the_window_and_end_it() {
    let mut choice = Choice::new(60);
    assert_eq!((press(&mut choice, Key::Char('4')), choice.seconds), (Then::Ask, 900));
    assert_eq!((press(&mut choice, Key::Char('p')), choice.paused), (Then::Ask, true));
    assert_eq!(press(&mut choice, Key::Char('q')), Then::Quit);
    press(&mut choice, Key::Char('/'));
    assert_eq!(press(&mut choice, Key::Char('q')), Then::Paint, "a letter of the filter");
    assert_eq!(press(&mut choice, Key::Ctrl('c')), Then::Quit);
}

#[test]
fn names_drive_no_terminal_and_hide_nothing() {
    assert_eq!(visible("a\u{1b}[2Jb\u{9b}c\nd"), "a\\u{1b}[2Jb\\u{9b}c\\u{a}d");
    assert_eq!(visible("\u{202e}gnp.exe\u{200b}"), "\\u{202e}gnp.exe\\u{200b}");
    assert_eq!(fitted("hotels.views.search", 19), "hotels.views.search");
    assert_eq!(fitted("hotels.views.search", 8), "~.search");
    assert_eq!(fitted("旅館.予約.検索", 6), "~.検索", "two columns a letter");
    assert_eq!(fitted("abc", 0), "~");
}

#[test]
fn figures_have_few_digits() {
    let told = [0.0, 0.004, 0.42, 8.13, 99.9, 340.2, 12_345.6, 1_234_567.0].map(figure);
    assert_eq!(told, ["0", "<0.01", "0.42", "8.1", "99.9", "340", "12,346", "1,234,567"]);
    assert_eq!([0.0, 0.001, 0.126, 1.0].map(percent), ["0", "<1", "13", "100"]);
    assert_eq!([12.1, 2_400.0].map(duration), ["12.1 ms", "2.4 s"]);
    assert_eq!([0.4, 119.0, 121.0, 11_000.0, 400_000.0].map(age), ["0 s", "119 s", "2 min", "3 h", "4 days"]);
    assert_eq!(figure(f64::NAN), "-");
}

#[test]
fn addresses_are_a_host_with_a_port_or_a_path() {
    for (text, shown) in [
        ("http://127.0.0.1:9180", "http://127.0.0.1:9180"),
        ("localhost:9180/", "http://localhost:9180"),
        ("[::1]:9180", "http://[::1]:9180"),
        ("unix:/run/a.sock", "unix:/run/a.sock"),
    ] {
        assert_eq!(text.parse::<Address>().expect("an address").to_string(), shown);
    }
    for text in ["", "localhost", "https://a:1", "a:b", ":80", "unix:", "a b:80", "a\r\nX: y:80", "http://a:1/x"] {
        assert!(text.parse::<Address>().is_err(), "{text}");
    }
}

/// Answers one question and says what it was.
fn answering(answer: String) -> (Address, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string().parse().expect("an address");
    (address, thread::spawn(move || answer_one(listener.accept().expect("a connection").0, &answer)))
}

fn answer_one(mut stream: impl Read + Write, answer: &str) -> String {
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a head");
        asked.push(byte[0]);
    }
    stream.write_all(answer.as_bytes()).expect("written");
    String::from_utf8(asked).expect("text")
}

fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn the_server_is_asked_with_the_token() {
    let (address, asked) = answering(answer("200 OK", CANNED));
    let now = Client::new(address.clone(), Some("let-me-in".to_owned())).expect("a token").now(300).expect("figures");
    assert_eq!(now.views.len(), 7);
    let asked = asked.join().expect("asked");
    let host = address.to_string().replace("http://", "");
    assert!(asked.starts_with("GET /api/v1/now?seconds=300 HTTP/1.0\r\n"), "{asked}");
    assert!(asked.contains(&format!("\r\nHost: {host}\r\n")), "{asked}");
    assert!(asked.contains("\r\nAuthorization: Bearer let-me-in\r\n"), "{asked}");
    assert!(Client::new(address, Some("a\r\nb".to_owned())).is_err());
}

#[test]
fn a_unix_socket_is_asked_as_localhost() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("admin.sock");
    let listener = UnixListener::bind(&path).expect("bound");
    let asked =
        thread::spawn(move || answer_one(listener.accept().expect("a connection").0, &answer("200 OK", CANNED)));
    Client::new(Address::Unix(path), None).expect("no token").now(60).expect("figures");
    let asked = asked.join().expect("asked");
    assert!(asked.contains("\r\nHost: localhost\r\n") && !asked.contains("Authorization"), "{asked}");
}

#[test]
fn what_goes_wrong_is_one_line_with_what_to_do() {
    let cut = answer("200 OK", CANNED);
    for (answer, said) in [
        (answer("401 Unauthorized", r#"{"error": "no token", "hint": ""}"#), "wants its token: --token-file FILE"),
        (answer("503 Service Unavailable", r#"{"error": "too many", "hint": "close one"}"#), "too many: close one"),
        (answer("500 Internal Server Error", "<html>"), "status 500"),
        (answer("200 OK", "{}"), "no figures of turnout"),
        ("SSH-2.0-OpenSSH\r\n".to_owned(), "no answer of an HTTP server"),
        (cut[..cut.len() / 2].to_owned(), "no answer of an HTTP server"),
    ] {
        let (address, asked) = answering(answer);
        let error = Client::new(address, None).expect("no token").now(60).expect_err("refused").to_string();
        asked.join().expect("asked");
        assert!(error.contains(said) && !error.contains('\n'), "{error}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").to_string();
    let nobody = Client::new(closed.parse().expect("an address"), None).expect("no token");
    let error = nobody.now(60).expect_err("refused").to_string();
    assert!(error.contains("does the server run with --admin?"), "{error}");
}

fn noticed() -> Shown {
    let finding = |kind: &str, last: f64, active| Finding {
        kind: kind.to_owned(),
        last,
        active,
        text: format!("hotels.views.search did {kind}\u{1b}[2J for 41.0 ms, at hotels/views.py:41 search."),
        advice: "Await it.".to_owned(),
    };
    let mut shown = shown();
    let now = shown.now.as_mut().expect("canned");
    now.findings = vec![finding("blocked-loop", now.time - 22.0, true), finding("long-step", now.time - 4000.0, false)];
    shown
}

#[test]
fn what_was_noticed_is_counted_and_a_key_lists_it() {
    let mut shown = noticed();
    let screen = lines(&mut shown, 120, 20).join("\n");
    assert!(screen.contains("Findings 1 in the last minute (f)"), "{screen}");
    press(&mut shown.choice, Key::Char('f'));
    let listed = lines(&mut shown, 60, 20);
    let from = listed.iter().position(|line| line == "blocked-loop  22 s ago").expect("the first");
    assert_eq!(
        listed[from + 1..from + 5],
        [
            "  hotels.views.search did blocked-loop\\u{1b}[2J for 41.0 ms,",
            "  at hotels/views.py:41 search.",
            "  Await it.",
            "long-step  66 min ago"
        ]
    );
    assert!(listed.last().is_some_and(|line| line.starts_with("f back to the table")), "{listed:?}");
    press(&mut shown.choice, Key::End);
    assert!(lines(&mut shown, 60, 12).join("\n").contains("long-step"));
    press(&mut shown.choice, Key::Esc);
    assert!(lines(&mut shown, 120, 20).join("\n").contains("reports.views.export_csv"));
    for columns in 1..130 {
        shown.choice.mode = if columns % 2 == 0 { Mode::Findings } else { Mode::Table };
        painted(&mut shown, columns, 9);
    }
}

#[test]
fn a_pipe_gets_what_was_noticed_in_the_last_minute_below_the_table() {
    let shown = noticed();
    let text = plain::text(&shown.now.expect("canned"), &Choice::new(60), Glyphs::new("C", false), 120);
    assert!(text.ends_with("search.\n  Await it.\n") && text.contains("\nblocked-loop  22 s ago\n"), "{text}");
    assert!(!text.contains("long-step") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn a_server_that_knows_nothing_of_findings_has_none() {
    let (address, asked) = answering(answer("404 Not Found", r#"{"error": "nothing", "hint": ""}"#));
    let client = Client::new(address, None).expect("no token");
    assert!(client.all(60).is_err(), "but figures it must have");
    asked.join().expect("asked");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string().parse().expect("an address");
    let two = thread::spawn(move || {
        [answer("200 OK", CANNED), answer("404 Not Found", "{}")]
            .map(|answer| answer_one(listener.accept().expect("a connection").0, &answer))
    });
    let now = Client::new(address, None).expect("no token").all(60).expect("figures");
    assert_eq!((now.views.len(), now.findings.len()), (7, 0));
    let asked = two.join().expect("asked");
    assert!(asked[1].starts_with("GET /api/v1/findings HTTP/1.0\r\n"), "{asked:?}");
}
