//! The command `core-replica-health`: one run, or one run after the other.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use tokio::runtime::Runtime;
use tokio::time::{Instant, timeout};

use crate::collect::{self, HARD_DEADLINE};
use crate::report::{self, Mode, Report};
use crate::run_lock::{LockError, RunLock};
use crate::scrub::Scrub;
use crate::settings::Settings;
use crate::state_file;
use crate::verdict::{History, Memory, ProblemId, judge};

/// What a wrong call or a wrong setting exits with (`EX_USAGE`).
const USAGE: u8 = 64;

/// Shortest and longest interval in seconds: a run may take ten, and a day without a look is none.
const INTERVALS: std::ops::RangeInclusive<u64> = 5..=86_400;

/// The keys, for `--help`; `settings` reads them.
const ENVIRONMENT: &str = "\
Environment, ssh mode:
  REPL_SSH_USER, REPL_SSH_HOSTS  the account, and two hosts: host[:port],host[:port]
  REPL_SQL_USER                  the SQL account on each host, over the socket
  REPL_SSH_IDENTITY_FILE, REPL_SSH_KNOWN_HOSTS, REPL_MYSQL_SOCKET   optional
Environment, direct mode:
  REPL_MYSQL_URLS                two addresses, comma between, without a password:
                                 mysql://user@host:port/?ssl-ca=FILE&tls-hostname=NAME
Both modes:
  REPL_SQL_PASS or REPL_SQL_PASS_FILE
  REPL_HEARTBEAT_TABLE           optional: schema.table with server_uuid and ts (UTC)
  REPL_EXPECTED_DELAY            optional: seconds the replica is behind on purpose";

/// Watches Core's two MySQL servers: one JSON line for each run
///
/// Says which is the primary, whether the replica follows it, how far behind it is, and what is wrong,
/// each problem with a stable name. What could not be checked is unknown, and never ok.
///
/// Exit status: 0 ok, 1 warning, 2 critical, 3 unknown, 64 wrong call or setting.
#[derive(Debug, Parser)]
#[command(name = "core-replica-health", version, verbatim_doc_comment, after_help = ENVIRONMENT)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Seconds between the beginnings of two runs of `watch`
    #[arg(long, global = true, default_value_t = 120)]
    interval: u64,
    /// How the servers are reached; without it by ssh, unless only `REPL_MYSQL_URLS` is set
    #[arg(long, global = true)]
    mode: Option<ModeArgument>,
    /// A JSON line, or a picture for people
    #[arg(long, global = true, default_value = "json")]
    format: Format,
    /// Write OpenMetrics to this file after each run
    #[arg(long, global = true, value_name = "F")]
    metrics_file: Option<PathBuf>,
    /// Remember earlier runs in this file
    #[arg(long, global = true, value_name = "F")]
    state_file: Option<PathBuf>,
    /// Take quoted values out of error messages: they can be rows' values
    #[arg(long, global = true)]
    redact_errors: bool,
    /// Exit with 0 whatever the verdict (a wrong call or setting still exits with 64)
    #[arg(long, global = true)]
    exit_zero: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
enum Command {
    /// One run, then ends (what happens without a command)
    Check,
    /// Runs for ever, one line for each interval
    Watch,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ModeArgument {
    Ssh,
    Direct,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Json,
    Text,
}

/// Runs the command with the arguments and the environment of this process.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors, and go to standard output.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    let mode = arguments.mode.map(|mode| match mode {
        ModeArgument::Ssh => Mode::Ssh,
        ModeArgument::Direct => Mode::Direct,
    });
    let environment = |key: &str| std::env::var(key).ok();
    let settings = match Settings::read(mode, &environment) {
        Ok(settings) => settings,
        Err(error) => return wrong(&error.to_string()),
    };
    if !INTERVALS.contains(&arguments.interval) {
        return wrong("--interval: from 5 to 86400 seconds are wanted");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return wrong(&format!("cannot start: {error}")),
    };
    let checker = Checker {
        scrub: Scrub::new(
            vec![settings.password.expose().to_owned()],
            arguments.redact_errors,
        ),
        settings,
        arguments,
    };
    let code = match checker.arguments.command {
        None | Some(Command::Check) => checker.check(&runtime),
        Some(Command::Watch) => checker.watch(&runtime),
    };
    // A name that is still being looked up is not waited for.
    runtime.shutdown_background();
    code
}

fn wrong(what: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "core-replica-health: {what}");
    ExitCode::from(USAGE)
}

struct Checker {
    settings: Settings,
    scrub: Scrub,
    arguments: Arguments,
}

impl Checker {
    fn check(&self, runtime: &Runtime) -> ExitCode {
        let history = match &self.arguments.state_file {
            Some(path) => state_file::read(path),
            None => History::Untracked,
        };
        let (report, _) = runtime.block_on(self.run(&history, HARD_DEADLINE));
        match self.say(&report) {
            Ok(()) if self.arguments.exit_zero => ExitCode::SUCCESS,
            Ok(()) => ExitCode::from(report.exit_code),
            // Nobody hears the verdict.
            Err(_) => ExitCode::from(3),
        }
    }

    /// Ends when nobody reads it any more, or when it is told to.
    fn watch(&self, runtime: &Runtime) -> ExitCode {
        let interval = Duration::from_secs(self.arguments.interval);
        let limit = HARD_DEADLINE.min(interval.mul_f64(0.9));
        let mut history = match &self.arguments.state_file {
            Some(path) => state_file::read(path),
            None => History::Begins(None),
        };
        runtime.block_on(async {
            let mut next = Instant::now();
            loop {
                let (report, memory) = self.run(&history, limit).await;
                if self.say(&report).is_err() {
                    return ExitCode::from(3);
                }
                if let Some(memory) = memory {
                    history = History::Known(Box::new(memory));
                }
                // A run that took too long, or a machine that slept, is not made up for.
                next = (next + interval).max(Instant::now());
                tokio::time::sleep_until(next).await;
            }
        })
    }

    async fn run(&self, history: &History, limit: Duration) -> (Report, Option<Memory>) {
        let now = Timestamp::now();
        let mode = self.settings.targets.mode();
        let state_file = self.arguments.state_file.as_deref();
        let broken = |id, detail: &str| (report::broken(id, detail, Some(mode), now), None);
        let _lock = match RunLock::take(state_file, &collect::names(&self.settings)) {
            Ok(lock) => lock,
            Err(error @ LockError::Held) => {
                return broken(ProblemId::AlreadyRunning, &error.to_string());
            }
            Err(error) => return broken(ProblemId::CheckIncomplete, &error.to_string()),
        };
        let started = Instant::now();
        let Ok(seeing) = timeout(limit, collect::see(&self.settings, history, limit)).await else {
            let detail = format!("the run took longer than {} s", limit.as_secs());
            return broken(ProblemId::CheckIncomplete, &detail);
        };
        let mut verdict = judge(&seeing, history);
        if let Some(path) = state_file
            && let Err(error) = state_file::write(path, &verdict.memory)
        {
            let replica = &seeing.hosts[seeing.roles.replica].name;
            verdict.cannot_be_kept(replica, &error.to_string());
        }
        let run_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let report = report::build(&seeing, &verdict, mode, run_ms, &self.scrub);
        (report, Some(verdict.memory))
    }

    /// One line in one write, and the metrics.
    fn say(&self, report: &Report) -> io::Result<()> {
        if let Some(path) = &self.arguments.metrics_file {
            let text = report::metrics(report, &collect::names(&self.settings));
            if let Err(error) = state_file::write_whole(path, text.as_bytes(), 0o644) {
                let _ = writeln!(io::stderr(), "the metrics file cannot be written: {error}");
            }
        }
        let text = match self.arguments.format {
            Format::Json => {
                let mut line = serde_json::to_string(report)?;
                line.push('\n');
                line
            }
            Format::Text => report::text(report),
        };
        let mut output = io::stdout().lock();
        output.write_all(text.as_bytes())?;
        output.flush()
    }
}
