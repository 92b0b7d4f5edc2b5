//! An admin socket over a board on which the test writes what a worker would.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "a test")]

pub(crate) mod openmetrics;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use turnout_admin::{Plan, Running, Token, start};
use turnout_history::{Bounds, History};
use turnout_net::Bind;
use turnout_states::{Board, Ended, Finished, Times, Views, Worker};
use turnout_testkit::{Client, Response};

/// Longer than any figure takes to be seen on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
pub(crate) const SECRET: &str = "a-token-that-is-long-enough";

pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    pub(crate) running: Running,
    pub(crate) board: Arc<Board>,
    pub(crate) views: Views,
    pub(crate) worker: Worker,
}

/// With [`SECRET`] from a file.
pub(crate) fn site() -> Site {
    site_with(Some(secret()))
}

fn secret() -> Token {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, SECRET).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    Token::read(&path).unwrap()
}

pub(crate) fn site_with(token: Option<Token>) -> Site {
    site_that_keeps(token, None)
}

/// With [`SECRET`] and what is kept in that file.
pub(crate) fn site_with_history(path: &Path) -> Site {
    let bounds = Bounds { size: 64 << 20, age: Duration::from_secs(30 * 86_400) };
    site_that_keeps(Some(secret()), Some(History::open(path, bounds, Box::new(|_| ())).unwrap()))
}

fn site_that_keeps(token: Option<Token>, history: Option<History>) -> Site {
    let listener = Bind::parse("127.0.0.1:0").unwrap().listen(16, false).unwrap();
    let address = listener.local_addr().unwrap();
    let board = Arc::new(Board::create(1).unwrap());
    let plan = Plan {
        listener,
        board: Arc::clone(&board),
        title: "turnout 0".to_owned(),
        version: "0".to_owned(),
        cores: 2,
        names: vec!["admin.example".to_owned()],
        token,
        rungs: |_| vec!["cpu exact".to_owned()],
        history,
        say: None,
    };
    let worker = Worker { process: 7, ..Worker::default() };
    Site { address, running: start(plan).unwrap(), board, views: Views::default(), worker }
}

impl Site {
    /// A request of this view ends.
    pub(crate) fn ends(&self, name: &str, milliseconds: u64) {
        let times = Times { processing: 1_000_000, io: milliseconds * 1_000_000, ..Times::default() };
        let ended = Ended { times, kinds: [2_000_000, 0, 0, 0, 0, 0, 0, 0], ..Ended::default() };
        let finished = Finished { ended, began: 1, status: 200, waits: Box::default() };
        self.views.record(self.views.place_of(name), finished, || (Vec::new(), 0));
    }

    /// Two requests of this view end, and the worker does before what it wrote last was looked at.
    pub(crate) fn ends_with_its_worker(&self, name: &str) {
        self.ends(name, 5);
        self.write();
        self.until("/api/v1/now", |now| now["views"][0]["requests"] == 1);
        self.ends(name, 5);
        self.write();
        self.running.gone(0);
    }

    /// The worker writes.
    pub(crate) fn write(&self) {
        let written = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        self.board.write(0, &Worker { written, ..self.worker }, &self.views).unwrap();
    }

    /// Asks once, with these fields beside `Host`.
    pub(crate) fn ask(&self, method: &str, target: &str, fields: &[(&str, &str)]) -> Response {
        let mut client = Client::connect(self.address);
        let host = self.address.to_string();
        let known = fields.iter().any(|(name, _)| *name == "Host");
        let fields = fields.iter().copied().chain((!known).then_some(("Host", host.as_str())));
        let lines: Vec<_> = fields.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("{method} {target} HTTP/1.1\r\nConnection: close\r\n{}", lines.concat());
        client.send(head + "\r\n").unwrap();
        if method == "HEAD" { client.response_to_head().unwrap() } else { client.response().unwrap() }
    }

    pub(crate) fn get(&self, target: &str) -> Response {
        self.ask("GET", target, &[])
    }

    /// With the token.
    pub(crate) fn api(&self, target: &str) -> Response {
        self.ask("GET", target, &[("Authorization", &format!("Bearer {SECRET}"))])
    }

    pub(crate) fn json(&self, target: &str) -> Value {
        let response = self.api(target);
        assert_eq!(response.status, 200, "{response:?}");
        assert_eq!(response.header("content-type"), Some("application/json"));
        serde_json::from_slice(&response.body).unwrap()
    }

    /// Asks until it is so: figures are read once a second.
    pub(crate) fn until(&self, target: &str, seen: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let value = self.json(target);
            if seen(&value) {
                return value;
            }
            assert!(Instant::now() < end, "never so: {value}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
