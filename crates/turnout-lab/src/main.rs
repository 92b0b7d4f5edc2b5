//! `turnout-lab`: the simulated upstreams and the load generator as a program, for bench/ and for a look by hand.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use turnout_lab::load::{self, Plan, Progress, Target};
use turnout_lab::upstream::{self, Config, Stats};

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
    /// Sends requests in a closed loop, and says how fast they were answered. Ends with 1 if any went wrong.
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
        let config = Config { seed: self.seed, ..Config::default() };
        let stats = Arc::new(Stats::new(&config.profiles));
        runtime.block_on(async {
            let listener = upstream::listen(self.bind).map_err(|error| format!("{}: {error}", self.bind))?;
            writeln!(io::stdout(), "http://{}", listener.local_addr()?)?;
            io::stdout().flush()?;
            upstream::serve(listener, config, stats).await?;
            Ok(ExitCode::SUCCESS)
        })
    }
}

impl Load {
    fn run(self) -> Done {
        let mut plan = Plan::new(Target::parse(&self.url)?, self.connections.max(1));
        for header in &self.header {
            plan.target.add_header(header)?;
        }
        plan.requests = self.requests;
        plan.expect = self.expect;
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
