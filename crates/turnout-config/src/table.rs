//! The table. To add an option: add a row here and its field to [`Settings`].

use std::path::PathBuf;

use crate::settings::{
    AccessLogFormat, Accounting, ConnectionSharing, Interface, LogLevel, ServerTiming, Settings, ThreadSharing,
};
use crate::value::{self, Refused};

/// One option of `turnout serve`. Its flag is `--NAME`, its variable `TURNOUT_NAME`, its key in a file `NAME`.
#[derive(Debug)]
pub struct Opt {
    /// As in `--name`, in lower case with hyphens.
    pub name: &'static str,
    /// Under which heading of the help it stands.
    pub group: Group,
    /// How the value is named in the help.
    pub value: &'static str,
    /// The text that is applied before any layer; empty: the field's own default.
    pub default: &'static str,
    /// What it does, for the person who reads `--help`.
    pub help: &'static str,
    /// How its text becomes a setting.
    pub takes: Takes,
}

/// How often an option may be given and who understands its text.
#[derive(Debug)]
pub enum Takes {
    /// Several values; a later layer replaces those of an earlier one.
    Many(fn(&mut Settings, Vec<String>) -> Result<(), Refused>),
    /// One value; the last one counts.
    One(fn(&mut Settings, &str) -> Result<(), Refused>),
    /// Present or not.
    Switch(fn(&mut Settings, bool)),
}

/// The headings of `turnout serve --help`, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// What to serve.
    Application,
    /// Where to listen.
    Listening,
    /// Processes, threads, how much at once.
    Capacity,
    /// Starting, stopping, replacing.
    Life,
    /// What a client may send.
    Limits,
    /// What is written where.
    Logs,
    /// Looking at the server while it runs.
    Admin,
}

impl Group {
    /// All, in the order of the help.
    pub const ALL: [Self; 7] =
        [Self::Application, Self::Listening, Self::Capacity, Self::Life, Self::Limits, Self::Logs, Self::Admin];

    /// The heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Application => "Application",
            Self::Listening => "Listening",
            Self::Capacity => "Workers and threads",
            Self::Life => "Starting and stopping",
            Self::Limits => "Limits on what a client sends",
            Self::Logs => "Logs and figures",
            Self::Admin => "Admin socket",
        }
    }
}

impl Opt {
    /// The environment variable of this option.
    pub fn variable(&self) -> String {
        format!("TURNOUT_{}", self.name.replace('-', "_").to_ascii_uppercase())
    }
}

/// A worker is a process: more than this is a slip of the finger.
const MOST_WORKERS: u32 = 1024;
/// Threads of a pool: the kernel's own default limits are of this order.
const MOST_THREADS: u32 = 16_384;
/// The head is held in memory for each connection.
const MOST_HEAD: u64 = 16 << 20;
/// Less would refuse ordinary browsers.
const LEAST_HEAD: u64 = 1 << 10;

/// Below it the room for SQLite's log would be most of it.
const LEAST_HISTORY: u64 = 4 << 20;
/// Its pages are counted by SQLite in 32 bits.
const MOST_HISTORY: u64 = 1 << 40;

/// Every option of `turnout serve`, in the order of the help.
pub const OPTIONS: &[Opt] = &[
    Opt {
        name: "interface",
        group: Group::Application,
        value: "auto|django|asgi|wsgi",
        default: "auto",
        help: "How APP is called. auto looks at it: a Django handler is called natively, an async callable as ASGI, anything else as WSGI.",
        takes: Takes::One(|to, text| {
            let words = [
                ("auto", Interface::Auto),
                ("django", Interface::Django),
                ("asgi", Interface::Asgi),
                ("wsgi", Interface::Wsgi),
            ];
            value::choice(text, &words).map(|it| to.interface = it)
        }),
    },
    Opt {
        name: "compat",
        group: Group::Application,
        value: "",
        default: "",
        help: "Serve a Django project through Django's own, unpatched handler: slower, and nothing of turnout's between a request and its view.",
        takes: Takes::Switch(|to, on| to.compat = on),
    },
    Opt {
        name: "root-path",
        group: Group::Application,
        value: "PATH",
        default: "",
        help: "The path below which a proxy serves the application, and which it takes off (uvicorn's --root-path): ASGI's root_path, the SCRIPT_NAME of WSGI and Django.",
        takes: Takes::One(|to, text| value::prefix(text).map(|it| to.root_path = it)),
    },
    Opt {
        name: "root-path-kept",
        group: Group::Application,
        value: "",
        default: "",
        help: "The proxy passes paths on with --root-path in front (gunicorn's SCRIPT_NAME); 404 for any other path.",
        takes: Takes::Switch(|to, on| to.root_path_kept = on),
    },
    Opt {
        name: "bind",
        group: Group::Listening,
        value: "HOST:PORT|unix:PATH",
        default: "127.0.0.1:8000",
        help: "Where to listen; repeatable. Port 0 takes a free one, [::] is every address.",
        takes: Takes::Many(|to, values| {
            if values.is_empty() {
                return Err("needs at least one address".into());
            }
            to.binds = values;
            Ok(())
        }),
    },
    Opt {
        name: "backlog",
        group: Group::Listening,
        value: "N",
        default: "2048",
        help: "Connections the kernel keeps waiting until they are accepted; capped by net.core.somaxconn.",
        takes: Takes::One(|to, text| value::count(text, 1, 65_535).map(|it| to.backlog = it)),
    },
    Opt {
        name: "reuse-port",
        group: Group::Listening,
        value: "",
        default: "",
        help: "Give each worker a listening socket of its own (SO_REUSEPORT) instead of one that all share. A full worker can then not leave its connections to the others.",
        takes: Takes::Switch(|to, on| to.reuse_port = on),
    },
    Opt {
        name: "workers",
        group: Group::Capacity,
        value: "N|auto",
        default: "1",
        help: "Worker processes, each with an event loop and pools of its own. auto: one for each core this process may use (affinity, cgroup quota).",
        takes: Takes::One(|to, text| {
            to.workers = match text {
                "auto" => value::cores().min(MOST_WORKERS),
                _ => value::count(text, 1, MOST_WORKERS).map_err(|why| format!("{why}, or auto"))?,
            };
            Ok(())
        }),
    },
    Opt {
        name: "threads",
        group: Group::Capacity,
        value: "N",
        default: "64",
        help: "At most so many threads of a worker run sync views. They are started as waiting views need them and end when idle.",
        takes: Takes::One(|to, text| value::count(text, 1, MOST_THREADS).map(|it| to.threads = it)),
    },
    Opt {
        name: "exclusive-threads",
        group: Group::Capacity,
        value: "N",
        default: "64",
        help: "At most so many threads of a worker run blocking parts of async requests that nobody vouches for, or are kept by a request, as for an open transaction. A request that would need one more waits.",
        takes: Takes::One(|to, text| value::count(text, 1, MOST_THREADS).map(|it| to.exclusive_threads = it)),
    },
    Opt {
        name: "hop-threads",
        group: Group::Capacity,
        value: "N",
        default: "8",
        help: "At most so many threads of a worker run the short blocking parts of async requests that are known to leave nothing behind: Django's own ORM, session and cache calls.",
        takes: Takes::One(|to, text| value::count(text, 1, MOST_THREADS).map(|it| to.hop_threads = it)),
    },
    Opt {
        name: "thread-sharing",
        group: Group::Capacity,
        value: "shared|exclusive",
        default: "shared",
        help: "Whether an async request gives its thread back after each blocking part, and takes its thread-locals along, or keeps it to its end once code ran that nobody vouches for.",
        takes: Takes::One(|to, text| {
            let words = [("shared", ThreadSharing::Shared), ("exclusive", ThreadSharing::Exclusive)];
            value::choice(text, &words).map(|it| to.thread_sharing = it)
        }),
    },
    Opt {
        name: "connection-sharing",
        group: Group::Capacity,
        value: "hop|request",
        default: "hop",
        help: "How long an async request keeps a database connection that only code known to leave nothing on it has used: for one blocking part, or, as under Django, to its end.",
        takes: Takes::One(|to, text| {
            let words = [("hop", ConnectionSharing::Hop), ("request", ConnectionSharing::Request)];
            value::choice(text, &words).map(|it| to.connection_sharing = it)
        }),
    },
    Opt {
        name: "max-in-flight",
        group: Group::Capacity,
        value: "N",
        default: "1024",
        help: "Requests a worker has accepted and not answered; above it the answer is 503 with Retry-After, at once.",
        takes: Takes::One(|to, text| value::count(text, 1, 1_000_000).map(|it| to.max_in_flight = it)),
    },
    Opt {
        name: "queue-timeout",
        group: Group::Capacity,
        value: "DURATION",
        default: "30s",
        help: "A request that waited so long for a thread gets 503.",
        takes: Takes::One(|to, text| value::positive_duration(text).map(|it| to.queue_timeout = it)),
    },
    Opt {
        name: "switch-interval",
        group: Group::Capacity,
        value: "DURATION|off",
        default: "2900us",
        help: "sys.setswitchinterval of the workers: how soon a thread that computes hands the GIL to one that wants it. off leaves Python's 5 ms.",
        takes: Takes::One(|to, text| value::duration_or_never(text).map(|it| to.switch_interval = it)),
    },
    Opt {
        name: "drain",
        group: Group::Life,
        value: "DURATION",
        default: "30s",
        help: "On SIGTERM, SIGINT or SIGHUP requests in flight may go on for so long; a second signal ends at once.",
        takes: Takes::One(|to, text| value::duration(text).map(|it| to.drain = it)),
    },
    Opt {
        name: "hang-limit",
        group: Group::Life,
        value: "DURATION",
        default: "60s",
        help: "Replace a worker in which no thread could take the GIL for so long (C code that keeps it). 0: never.",
        takes: Takes::One(|to, text| value::duration_or_never(text).map(|it| to.hang_limit = it)),
    },
    Opt {
        name: "ready-fd",
        group: Group::Life,
        value: "N",
        default: "",
        help: "Once every worker is ready, write one line of JSON (addresses, process ids) to this inherited descriptor and close it.",
        takes: Takes::One(|to, text| value::count(text, 3, 1_048_575).map(|it| to.ready_fd = i32::try_from(it).ok())),
    },
    Opt {
        name: "head-timeout",
        group: Group::Limits,
        value: "DURATION",
        default: "30s",
        help: "From connecting, or the first byte of a later request, to the end of its head.",
        takes: Takes::One(|to, text| value::positive_duration(text).map(|it| to.head_timeout = it)),
    },
    Opt {
        name: "keep-alive",
        group: Group::Limits,
        value: "DURATION",
        default: "75s",
        help: "How long a connection may idle between two requests. 0: it is closed after its answer.",
        takes: Takes::One(|to, text| value::duration(text).map(|it| to.keep_alive = it)),
    },
    Opt {
        name: "max-head",
        group: Group::Limits,
        value: "SIZE",
        default: "64KiB",
        help: "Request line and header fields together; 431 above.",
        takes: Takes::One(|to, text| value::size_within(text, LEAST_HEAD, MOST_HEAD).map(|it| to.max_head = it)),
    },
    Opt {
        name: "max-uri",
        group: Group::Limits,
        value: "SIZE",
        default: "8KiB",
        help: "Request target; 414 above.",
        // hyper's own limit is 65,534 bytes: a higher one could not be kept.
        takes: Takes::One(|to, text| value::size_within(text, 64, 65_534).map(|it| to.max_uri = it)),
    },
    Opt {
        name: "max-body",
        group: Group::Limits,
        value: "SIZE|unlimited",
        default: "unlimited",
        help: "Request body; 413 above. Django has limits of its own (DATA_UPLOAD_MAX_MEMORY_SIZE).",
        takes: Takes::One(|to, text| value::size_or_unlimited(text).map(|it| to.max_body = it)),
    },
    Opt {
        name: "body-rate",
        group: Group::Limits,
        value: "SIZE",
        default: "240",
        help: "Bytes a second a request body must arrive with once --body-grace is over; 408 below. 0: any.",
        takes: Takes::One(|to, text| value::size_within(text, 0, u32::MAX.into()).map(|it| to.body_rate = it)),
    },
    Opt {
        name: "body-grace",
        group: Group::Limits,
        value: "DURATION",
        default: "20s",
        help: "How long a request body may be slower than --body-rate.",
        takes: Takes::One(|to, text| value::duration(text).map(|it| to.body_grace = it)),
    },
    Opt {
        name: "half-close",
        group: Group::Limits,
        value: "",
        default: "",
        help: "A client that closes its sending side after a complete request still wants the answer; without this it counts as gone.",
        takes: Takes::Switch(|to, on| to.half_close = on),
    },
    Opt {
        name: "accounting",
        group: Group::Logs,
        value: "exact|sampled|off",
        default: "exact",
        help: "How the time of each request is split into computing, waiting for CPU and waiting for I/O. exact costs a few microseconds a request; sampled looks for threads that wait for the GIL a hundred times a second instead of timing their waits.",
        takes: Takes::One(|to, text| {
            let words = [("exact", Accounting::Exact), ("sampled", Accounting::Sampled), ("off", Accounting::Off)];
            value::choice(text, &words).map(|it| to.accounting = it)
        }),
    },
    Opt {
        name: "kept-requests",
        group: Group::Logs,
        value: "SIZE",
        default: "64m",
        help: "What the last requests may take in memory that each worker keeps whole, with what each waited for: at most 5,000 of a view and 4 MiB. Room is taken as they come, and the oldest give way. 0 keeps none.",
        takes: Takes::One(|to, text| value::size_within(text, 0, 1 << 40).map(|it| to.kept_requests = it)),
    },
    Opt {
        name: "watch-clients",
        group: Group::Logs,
        value: "on|off",
        default: "on",
        help: "Whether the waits of other clients than turnout's own are told by address and call: urllib3 and requests, httpx, aiohttp, redis, psycopg and asyncpg. Two or three microseconds a call. Without --accounting nothing is.",
        takes: Takes::One(|to, text| {
            value::choice(text, &[("on", true), ("off", false)]).map(|it| to.watch_clients = it)
        }),
    },
    Opt {
        name: "server-timing",
        group: Group::Logs,
        value: "auto|on|off",
        default: "auto",
        help: "Whether answers carry a Server-Timing header, which browsers show beside the request. auto: while Django's DEBUG is on, and to members of its staff.",
        takes: Takes::One(|to, text| {
            let words = [("auto", ServerTiming::Auto), ("on", ServerTiming::On), ("off", ServerTiming::Off)];
            value::choice(text, &words).map(|it| to.server_timing = it)
        }),
    },
    Opt {
        name: "access-log",
        group: Group::Logs,
        value: "off|text|json",
        default: "off",
        help: "One line for each answer, with its duration. Never waits: lines that cannot be written in time are dropped and counted.",
        takes: Takes::One(|to, text| {
            let words =
                [("off", AccessLogFormat::Off), ("text", AccessLogFormat::Text), ("json", AccessLogFormat::Json)];
            value::choice(text, &words).map(|it| to.access_log = it)
        }),
    },
    Opt {
        name: "access-log-file",
        group: Group::Logs,
        value: "PATH|-",
        default: "-",
        help: "Where the access log is appended to; - is standard output.",
        takes: Takes::One(|to, text| {
            to.access_log_file = (text != "-").then(|| PathBuf::from(text));
            Ok(())
        }),
    },
    Opt {
        name: "log-level",
        group: Group::Logs,
        value: "debug|info|warning|error",
        default: "info",
        help: "What turnout itself says on standard error.",
        takes: Takes::One(|to, text| {
            let words = [
                ("debug", LogLevel::Debug),
                ("info", LogLevel::Info),
                ("warning", LogLevel::Warning),
                ("error", LogLevel::Error),
            ];
            value::choice(text, &words).map(|it| to.log_level = it)
        }),
    },
    Opt {
        name: "admin",
        group: Group::Admin,
        value: "HOST:PORT|unix:PATH|off",
        default: "off",
        help: "Serve health, metrics and the live page here, from the supervisor's process: such as 127.0.0.1:9180. Not for the public: no TLS.",
        takes: Takes::One(|to, text| {
            to.admin = (text != "off").then(|| text.to_owned());
            Ok(())
        }),
    },
    Opt {
        name: "admin-host",
        group: Group::Admin,
        value: "NAME",
        default: "",
        help: "A further name under which the admin socket may be asked, such as that of a proxy in front; repeatable. Its own address and localhost always may.",
        takes: Takes::Many(|to, values| value::host_names(values).map(|it| to.admin_hosts = it)),
    },
    Opt {
        name: "admin-token-file",
        group: Group::Admin,
        value: "PATH",
        default: "",
        help: "The file with the token that opens the admin socket, metrics too; nobody else may read it. Without one a token is made at start, which a link at the terminal stands for, and metrics are open.",
        takes: Takes::One(|to, text| {
            to.admin_token_file = Some(PathBuf::from(text));
            Ok(())
        }),
    },
    Opt {
        name: "history",
        group: Group::Admin,
        value: "PATH|off",
        default: "off",
        help: "Keep what the admin socket shows in this file, minute by minute, so that it outlives a restart and today can be compared with yesterday. Each server needs a file of its own. Needs --admin.",
        takes: Takes::One(|to, text| {
            to.history = (text != "off").then(|| PathBuf::from(text));
            Ok(())
        }),
    },
    Opt {
        name: "history-size",
        group: Group::Admin,
        value: "SIZE",
        default: "64MiB",
        help: "The file of --history never takes more of the disk, with what SQLite keeps beside it; the oldest gives way. 40 views that are always busy take about that much for a month.",
        takes: Takes::One(|to, text| {
            value::size_within(text, LEAST_HISTORY, MOST_HISTORY).map(|it| to.history_size = it)
        }),
    },
    Opt {
        name: "history-age",
        group: Group::Admin,
        value: "DURATION",
        default: "30d",
        help: "What is older is deleted from the file of --history. From 1d to 3660d.",
        takes: Takes::One(|to, text| value::days(text, 1, 3660).map(|it| to.history_age = it)),
    },
];
