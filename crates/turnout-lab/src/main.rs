//! `turnout-lab`: the simulated upstreams and the load generator as a program, for bench/ and for a look by hand.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use turnout_lab::load::{self, Plan, Progress, Target};
use turnout_lab::upstream::{self, Config, Keepalive, Stats};
use turnout_net::PassingTls;

/// Simulated upstreams and a load generator.
#[derive(Parser)]
#[command(version)]
struct Lab {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Answers as slow, shaky and rate-limited booking APIs do, and echoes after an exact delay (/?ms=50, /wait/50).
    Upstream(Upstream),
    /// Sends requests in a closed loop or at a rate, and says how fast they were answered. Ends with 1 if any went wrong.
    Load(Load),
}

#[derive(Args)]
struct Upstream {
    /// Where to listen; port 0 picks a free one, which the first line on standard output names.
    #[arg(long, default_value = "127.0.0.1:0")]
    bind: SocketAddr,
    /// Jitter, failures and prices follow from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Speak TLS, with HTTP/2 for clients that offer it; the certificate that they have to believe is written to this file.
    #[arg(long, value_name = "FILE")]
    tls: Option<PathBuf>,
    /// Close a connection that had no call for so many seconds.
    #[arg(long, value_name = "SECONDS")]
    idle: Option<f64>,
    /// Close a connection after so many calls.
    #[arg(long, value_name = "N")]
    calls: Option<u64>,
}

#[derive(Args)]
struct Load {
    /// http://HOST:PORT/PATH or unix:SOCKET:/PATH
    url: String,
    /// Connections, each with one request out at a time.
    #[arg(long, short, default_value_t = 32)]
    connections: usize,
    /// Stop after so many requests.
    #[arg(long, short = 'n', required_unless_present = "seconds")]
    requests: Option<u64>,
    /// Stop after so many seconds (60 if --requests is given alone).
    #[arg(long, short)]
    seconds: Option<f64>,
    /// Give up on a request after so many seconds.
    #[arg(long, default_value_t = 30.0)]
    patience: f64,
    /// The status that is right.
    #[arg(long, default_value_t = 200)]
    expect: u16,
    /// Send so many requests a second, evenly spaced, instead of one after another.
    #[arg(long)]
    rate: Option<f64>,
    /// A header of the answers whose number is reported beside the latency.
    #[arg(long, value_name = "HEADER")]
    sample: Option<String>,
    /// Another header, "Name: value"; replaces the browser's of that name.
    #[arg(long, short = 'H')]
    header: Vec<String>,
    /// The result as JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let done = match Lab::parse().task {
        Task::Upstream(options) => options.run(),
        Task::Load(options) => options.run(),
    };
    done.unwrap_or_else(|error| {
        // Standard error may be closed; there is nowhere else to say it.
        let _ = writeln!(io::stderr(), "turnout-lab: {error}");
        ExitCode::from(2)
    })
}

type Done = Result<ExitCode, Box<dyn std::error::Error>>;

impl Upstream {
    fn run(self) -> Done {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let idle = self.idle.map(Duration::try_from_secs_f64).transpose()?;
        let tls = self.tls.as_deref().map(authority).transpose()?;
        let keepalive = Keepalive { idle, calls: self.calls };
        let config = Config { seed: self.seed, tls, keepalive, ..Config::default() };
        let stats = Arc::new(Stats::new(&config.profiles));
        runtime.block_on(async {
            let listener = upstream::listen(self.bind).map_err(|error| format!("{}: {error}", self.bind))?;
            writeln!(io::stdout(), "{}://{}", config.scheme(), listener.local_addr()?)?;
            io::stdout().flush()?;
            upstream::serve(listener, config, stats).await?;
            Ok(ExitCode::SUCCESS)
        })
    }
}

/// TLS whose certificate can be checked with what is in the file.
fn authority(file: &Path) -> Result<PassingTls, Box<dyn std::error::Error>> {
    let tls = PassingTls::new(&upstream::NAMES)?;
    std::fs::write(file, tls.authority()).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(tls)
}

impl Load {
    fn run(self) -> Done {
        let mut plan = Plan::new(Target::parse(&self.url)?, self.connections.max(1));
        for header in &self.header {
            plan.target.add_header(header)?;
        }
        plan.requests = self.requests;
        plan.expect = self.expect;
        plan.sample = self.sample;
        plan.rate = self.rate;
        if plan.rate.is_some_and(|rate| !(rate.is_finite() && rate > 0.0)) {
            return Err("--rate is more than 0".into());
        }
        plan.patience = Duration::try_from_secs_f64(self.patience)?;
        if let Some(seconds) = self.seconds {
            plan.time = Duration::try_from_secs_f64(seconds)?;
        }
        let report = load::run(plan, Arc::<Progress>::default())?;
        let text = if self.json { serde_json::to_string(&report)? + "\n" } else { report.to_text() };
        io::stdout().write_all(text.as_bytes())?;
        Ok(if report.errors.total == 0 && report.requests > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
