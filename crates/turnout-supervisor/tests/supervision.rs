//! The supervisor's promises, kept with workers that are shell scripts.
//!
//! Signals and children belong to a process, so each test runs a supervisor in a process of its own: this very program, asked by a
//! variable to be one.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::env;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Lines};
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use turnout_supervisor::{Link, Message, Plan, VARIABLE, run};

/// Finds the numbers that every script needs.
const PROLOGUE: &str = r#"
number() { printf %s "$TURNOUT_LINK" | sed "s/.*\"$1\":\([0-9]*\).*/\1/"; }
index=$(number index) status=/proc/self/fd/$(number status) slots=$(number slots) lifeline=$(number lifeline)
say() { printf '%s\n' "$1" > $status; }
ready() { say '{"event":"ready","banner":"BANNER '$index'"}'; }
"#;
const SERVE: &str = "trap 'echo drained; exit 0' TERM; ready; while :; do sleep 0.05; done";

#[test]
fn both_workers_get_ready_and_one_banner_is_shown() {
    let mut server = Server::start(SERVE, &[("WORKERS", "2")]);
    let seen = server.until("ready: 2 workers");
    assert_eq!(seen.iter().filter(|line| line.contains("BANNER")).count(), 1, "{seen:?}");
    server.signal(Signal::TERM);
    let rest = server.rest();
    assert_eq!(rest.iter().filter(|line| line.contains("drained")).count(), 2, "{rest:?}");
    assert_eq!(server.status(), 0);
}

#[test]
fn a_dead_worker_is_replaced_at_once_and_the_other_left_alone() {
    let mut server = Server::start(SERVE, &[("WORKERS", "2")]);
    server.until("ready: 2 workers");
    let (first, second) = (server.pids[0], server.pids[1]);
    kill_process(first, Signal::SEGV).unwrap();
    let seen = server.until("is ready again");
    assert!(seen.iter().any(|line| line.contains("was killed by SIGSEGV: starting another")), "{seen:?}");
    assert!(kill_process(second, Signal::CONT).is_ok(), "the other one lives");
    server.signal(Signal::INT);
    assert_eq!(server.status(), 0);
}

#[test]
fn what_a_worker_wrote_on_the_board_is_there_when_its_end_is_told() {
    let board = tempfile::NamedTempFile::new().unwrap();
    let script = "printf told >> /proc/self/fd/$(number board); ready; exit 3";
    let mut server = Server::start(script, &[("BOARD", board.path().to_str().unwrap())]);
    let seen = server.until("starting another");
    let place = |text: &str| seen.iter().position(|line| line.contains(text)).unwrap();
    assert!(place("has ended") < place("exited with status 3"), "{seen:?}");
    assert!(std::fs::read_to_string(board.path()).unwrap().starts_with("told"));
    server.signal(Signal::TERM);
    assert_eq!(server.status(), 0);
}

#[test]
fn a_crash_loop_is_slowed_and_explained() {
    let mut server = Server::start("ready; exit 3", &[]);
    let seen = server.until("the next one starts in 1s");
    let free = seen.iter().filter(|line| line.ends_with("exited with status 3: starting another")).count();
    assert_eq!(free, 3, "{seen:?}");
    assert!(seen.last().unwrap().contains("4 in a row died within 10s of starting"), "{seen:?}");
    server.signal(Signal::TERM);
    assert_eq!(server.status(), 0);
}

#[test]
fn a_project_that_does_not_start_ends_everything_with_its_own_status_and_words() {
    let script = r#"if [ $index = 0 ]; then say '{"event":"failed","message":"no module named x","status":2}'; exit 2; fi
                    while :; do sleep 0.05; done"#;
    let mut server = Server::start(script, &[("WORKERS", "2")]);
    let seen = server.rest();
    assert_eq!(seen.iter().filter(|line| *line == "event no module named x").count(), 1, "{seen:?}");
    assert_eq!(server.status(), 2);
}

#[test]
fn a_worker_that_dies_before_it_was_ready_ends_everything_with_1() {
    let mut server = Server::start("kill -SEGV $$", &[]);
    let seen = server.rest();
    assert!(seen.iter().any(|line| line.contains("worker 1 was killed by SIGSEGV before it was ready")), "{seen:?}");
    assert_eq!(server.status(), 1);
}

#[test]
fn a_replacement_that_does_not_start_is_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let mark = directory.path().join("was-here").display().to_string();
    let script = r#"if [ -e "$MARK" ]; then say '{"event":"failed","message":"the code changed","status":1}'; exit 1; fi
                    touch "$MARK"; ready; exit 4"#;
    let mut server = Server::start(script, &[("MARK", &mark)]);
    let seen = server.until("the next one starts in 1s");
    assert_eq!(seen.iter().filter(|line| *line == "event the code changed").count(), 3, "{seen:?}");
    server.signal(Signal::TERM);
    assert_eq!(server.status(), 0);
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut server = Server::start("trap '' TERM; ready; while :; do sleep 0.05; done", &[("DRAIN", "60000")]);
    server.until("ready: 1 worker");
    server.signal(Signal::TERM);
    server.until("draining");
    let start = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.status(), 128 + Signal::TERM.as_raw());
    assert!(start.elapsed() < Duration::from_secs(30), "did not wait for the drain");
}

#[test]
fn a_worker_that_does_not_end_is_killed_when_the_drain_is_over() {
    let mut server = Server::start("trap '' TERM; ready; while :; do sleep 0.05; done", &[("DRAIN", "0")]);
    server.until("ready: 1 worker");
    server.signal(Signal::TERM);
    server.until("did not end in time: killing it");
    assert_eq!(server.status(), 0);
}

#[test]
fn a_worker_whose_heart_stands_still_is_killed_and_replaced() {
    let beat_once = r"printf '\001' | dd of=/proc/self/fd/$slots bs=1 seek=16 conv=notrunc 2>/dev/null; ";
    let mut server = Server::start(&format!("{beat_once}{SERVE}"), &[("HANG", "1000")]);
    server.until("no thread could take its GIL for 1 s (--hang-limit): killing it");
    server.until("was killed by SIGKILL: starting another");
    server.until("is ready again");
    server.signal(Signal::TERM);
    server.status();
}

#[test]
fn a_worker_that_never_had_a_heart_is_left_alone() {
    let mut server = Server::start(SERVE, &[("HANG", "1")]);
    server.until("ready: 1 worker");
    std::thread::sleep(Duration::from_millis(1200)); // two looks: nothing to wait for where nothing is to happen
    server.signal(Signal::TERM);
    let rest = server.rest();
    assert!(!rest.iter().any(|line| line.contains("killing it")), "{rest:?}");
}

#[test]
fn workers_notice_that_the_supervisor_is_gone_even_if_it_was_killed() {
    let mut server = Server::start("ready; cat /proc/self/fd/$lifeline; echo alone", &[]);
    server.until("ready: 1 worker");
    server.signal(Signal::KILL);
    server.until("alone");
}

#[test]
fn a_link_speaks_for_a_worker_and_ends_it_when_the_supervisor_is_gone() {
    let mut server =
        Server::start("exec \"$PROGRAM\" --exact a_worker_that_uses_link --nocapture", &[("AS_WORKER", "1")]);
    server.until("BANNER of a link");
    let worker = server.pids[0];
    server.signal(Signal::KILL);
    let deadline = Instant::now() + Duration::from_secs(20);
    while kill_process(worker, Signal::CONT).is_ok() {
        assert!(Instant::now() < deadline, "it lives on");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Not a test: a worker, when asked to be one.
#[test]
fn a_worker_that_uses_link() {
    if env::var_os("AS_WORKER").is_none() {
        return;
    }
    // Opened again rather than taken over, to do without unsafe.
    let again = |number| {
        let path = format!("/proc/self/fd/{number}");
        let both = OpenOptions::new().read(true).write(true).open(&path);
        // A pipe opened for both would keep itself alive.
        let is_file = both.as_ref().is_ok_and(|file| file.metadata().is_ok_and(|it| it.is_file()));
        if is_file {
            return both.map(OwnedFd::from);
        }
        drop(both);
        let reading = OpenOptions::new().read(true).open(&path);
        reading.map(OwnedFd::from)
    };
    let text = env::var(VARIABLE).unwrap();
    let offer: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut link = Link::accept(&text, |number| {
        if offer["status"] == number {
            return OpenOptions::new().write(true).open(format!("/proc/self/fd/{number}")).map(OwnedFd::from);
        }
        again(number)
    })
    .unwrap();
    assert_eq!((link.index, link.workers, link.settings.as_str()), (0, 1, "{\"a\":1}"));
    link.watch_lifeline(Duration::from_secs(60)).unwrap();
    link.slot.beat(1).unwrap();
    link.say(&Message::Ready { banner: "BANNER of a link".into() }).unwrap();
    std::thread::sleep(Duration::from_secs(60));
}

/// Not a test: a supervisor, when asked to be one.
#[test]
fn a_supervisor() {
    let Ok(script) = env::var("SCRIPT") else { return };
    let number = |name| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let plan = Plan {
        command: ["sh", "-c", &script].map(Into::into).into(),
        listeners: Vec::new(),
        workers: number("WORKERS").unwrap_or(1) as usize,
        board: match env::var_os("BOARD") {
            Some(path) => OpenOptions::new().write(true).open(path).unwrap().into(),
            None => tempfile::tempfile().unwrap().into(),
        },
        settings: "{\"a\":1}".into(),
        drain: Duration::from_millis(number("DRAIN").unwrap_or(10_000)),
        hang_limit: number("HANG").map(Duration::from_millis),
    };
    let status = run(plan, &mut |event| say(&format!("event {event}"))).unwrap();
    std::process::exit(status.into());
}

#[expect(clippy::print_stdout, reason = "what the test reads")]
fn say(line: &str) {
    println!("{line}");
}

struct Server {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// Of workers, as they were started.
    pids: Vec<Pid>,
}

impl Server {
    fn start(script: &str, variables: &[(&str, &str)]) -> Self {
        let program = env::current_exe().unwrap();
        let mut child = Command::new(&program)
            .args(["--exact", "a_supervisor", "--nocapture"])
            .env("SCRIPT", format!("{PROLOGUE}{script}"))
            .env("PROGRAM", program)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines, pids: Vec::new() }
    }

    /// The lines up to the one that contains this.
    fn until(&mut self, text: &str) -> Vec<String> {
        let mut seen = Vec::new();
        while let Some(line) = self.line() {
            let found = line.contains(text);
            seen.push(line);
            if found {
                return seen;
            }
        }
        panic!("never said {text:?}: {seen:#?}");
    }

    /// The lines up to the end of everybody who could write one.
    fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.line()).collect()
    }

    fn line(&mut self) -> Option<String> {
        let line = self.lines.next()?.unwrap();
        if let Some(number) =
            line.split_once("started (pid ").and_then(|(_, rest)| rest.trim_end_matches(')').parse().ok())
        {
            self.pids.push(Pid::from_raw(number).unwrap());
        }
        Some(line)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn status(&mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in &self.pids {
            // A worker that outlived its supervisor; the number may be free again, not reused within a test.
            let _ = kill_process(*pid, Signal::KILL);
        }
    }
}
