//! What the options mean, resolved: the struct every other part reads.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Everything a worker and its supervisor were told. Travels to the worker as JSON; durations are seconds there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct Settings {
    /// `module:attribute` of the application; `None`: the Django project whose `manage.py` is here or above.
    pub app: Option<String>,
    /// How to call it.
    pub interface: Interface,
    /// Serve through Django's own, unpatched handler.
    pub compat: bool,
    /// The path below which the application lives: begins with a slash and does not end with one, or is empty.
    pub root_path: String,
    /// Requests still carry `root_path`; otherwise a proxy has taken it off.
    pub root_path_kept: bool,
    /// Where to listen, in the words of `turnout_net::Bind`.
    pub binds: Vec<String>,
    /// Connections the kernel may keep waiting for accept.
    pub backlog: u32,
    /// A listening socket a worker instead of one for all.
    pub reuse_port: bool,
    /// Worker processes, at least 1.
    pub workers: u32,
    /// Cores this process may use (affinity, cgroup quota): what `--workers auto` means. Not an option.
    pub cores: u32,
    /// Cap of the sync pool of a worker.
    pub threads: u32,
    /// Cap of the threads of a worker that run foreign parts of async requests or are kept by one.
    pub exclusive_threads: u32,
    /// Cap of the threads of a worker that run vetted parts of async requests.
    pub hop_threads: u32,
    /// Whether async requests give their threads back between foreign parts.
    pub thread_sharing: ThreadSharing,
    /// Whether async requests give their database connections back after vetted parts.
    pub connection_sharing: ConnectionSharing,
    /// Requests a worker has in flight before it answers 503.
    pub max_in_flight: u32,
    /// How long a request may queue for a thread before it gets 503.
    #[serde(with = "seconds")]
    pub queue_timeout: Duration,
    /// How long requests in flight may go on once told to stop.
    #[serde(with = "seconds")]
    pub drain: Duration,
    /// Replace a worker whose GIL nobody could take for this long; `None`: never.
    #[serde(with = "maybe_seconds")]
    pub hang_limit: Option<Duration>,
    /// Seconds for `sys.setswitchinterval`; `None`: leave Python's.
    #[serde(with = "maybe_seconds")]
    pub switch_interval: Option<Duration>,
    /// From connecting to a complete request head.
    #[serde(with = "seconds")]
    pub head_timeout: Duration,
    /// An idle connection between two requests.
    #[serde(with = "seconds")]
    pub keep_alive: Duration,
    /// Bytes of a request head: 431 above.
    pub max_head: u64,
    /// Bytes of a request target: 414 above.
    pub max_uri: u64,
    /// Bytes of a request body: 413 above; `None`: no limit here.
    pub max_body: Option<u64>,
    /// Bytes a second a body must arrive with after `body_grace`: 408 below; 0: any.
    pub body_rate: u64,
    /// How long a body may be slower than `body_rate`.
    #[serde(with = "seconds")]
    pub body_grace: Duration,
    /// A FIN after a complete request only means "no more requests".
    pub half_close: bool,
    /// How the time of requests is accounted for.
    pub accounting: Accounting,
    /// Bytes that the requests may take which are kept whole.
    pub kept_requests: u64,
    /// Whether calls of other clients than turnout's own are told.
    pub watch_clients: bool,
    /// Which answers say where their time went.
    pub server_timing: ServerTiming,
    /// Whether and how each answer is logged.
    pub access_log: AccessLogFormat,
    /// Where to; `None`: standard output.
    pub access_log_file: Option<PathBuf>,
    /// What turnout itself says on standard error.
    pub log_level: LogLevel,
    /// Where health, metrics and the live page are served, in the words of `turnout_net::Bind`; `None`: nowhere.
    pub admin: Option<String>,
    /// Further names under which that socket may be asked.
    pub admin_hosts: Vec<String>,
    /// The file with its token; `None`: one is made at start.
    pub admin_token_file: Option<PathBuf>,
    /// The file of what that socket has shown; `None`: it is not kept.
    pub history: Option<PathBuf>,
    /// Bytes that this file may take.
    pub history_size: u64,
    /// What is older is deleted from it.
    #[serde(with = "seconds")]
    pub history_age: Duration,
    /// A descriptor to report readiness on.
    pub ready_fd: Option<i32>,
}

/// How the application is called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interface {
    /// Found out by looking at it.
    #[default]
    Auto,
    /// ASGI 3.
    Asgi,
    /// A Django handler (of either kind), called natively.
    Django,
    /// PEP 3333.
    Wsgi,
}

/// When an async request gives its thread back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ThreadSharing {
    /// After each blocking part.
    #[default]
    Shared,
    /// At its end, once foreign code has run.
    Exclusive,
}

/// How long an async request keeps a database connection that only vetted code has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectionSharing {
    /// For one blocking part.
    #[default]
    Hop,
    /// To its end.
    Request,
}

/// How the time of requests is accounted for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accounting {
    /// Each state as exactly as the system allows.
    #[default]
    Exact,
    /// Waiting for the GIL is looked for a hundred times a second.
    Sampled,
    /// Not at all.
    Off,
}

/// Which answers carry `Server-Timing`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServerTiming {
    /// All while Django's DEBUG is on, otherwise those to members of its staff.
    #[default]
    Auto,
    /// All.
    On,
    /// None.
    Off,
}

/// The access log's format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessLogFormat {
    /// One JSON object a line.
    Json,
    /// None.
    #[default]
    Off,
    /// One line for people.
    Text,
}

/// From the most to the least talkative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// Also what went well.
    #[default]
    Info,
    /// What somebody should look at.
    Warning,
    /// What failed.
    Error,
}

mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(value.as_secs_f64())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        Duration::try_from_secs_f64(f64::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

mod maybe_seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "the signature serde's `with` asks for")]
    pub(super) fn serialize<S: Serializer>(value: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        value.map(|value| value.as_secs_f64()).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        let seconds = Option::<f64>::deserialize(from)?;
        seconds.map(Duration::try_from_secs_f64).transpose().map_err(serde::de::Error::custom)
    }
}
