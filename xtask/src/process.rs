//! Programs that run to their end: watched, interruptible, with a deadline.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use testbed::{Child, how_it_ended};

use crate::stop::{Interrupt, Outcome, Stop, failed};
use crate::terminal::{Terminal, spoken};

/// How often a running program is looked at.
const POLL: Duration = Duration::from_millis(50);

/// Longest that a short program may take.
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);

/// How often a short program is looked at.
const SHORT_POLL: Duration = Duration::from_millis(5);

/// How long a program has to end in order when it is stopped; test runners stop what they run first.
const GRACE: Duration = Duration::from_secs(10);

/// Something run to its end.
pub(crate) struct Run<'a> {
    pub(crate) name: &'a str,
    pub(crate) command: Command,
    pub(crate) log: &'a Path,
    pub(crate) deadline: Duration,
}

impl Run<'_> {
    /// Runs it; its output is in the log.
    pub(crate) fn wait(self, terminal: &Terminal, interrupt: &Interrupt) -> Outcome<ExitStatus> {
        let mut child = Child::start(self.name, self.command, self.log)
            .map_err(|error| Stop::because(error.to_string()))?;
        let started = Instant::now();
        loop {
            if let Some(status) = child.exited() {
                return Ok(status);
            }
            if interrupt.asked() {
                let _ = child.stop(GRACE);
                return Err(Stop::Interrupted);
            }
            let elapsed = started.elapsed();
            if elapsed > self.deadline {
                let _ = child.stop(GRACE);
                let limit = spoken(self.deadline);
                return Err(Stop::because(format!(
                    "{} took longer than {limit} and was ended",
                    self.name
                )));
            }
            if terminal.is_live() {
                let last = progress_of(&child.log_tail(1));
                terminal.progress(&format!("{} {}  {last}", self.name, spoken(elapsed)));
            }
            std::thread::sleep(POLL);
        }
    }

    /// Runs it; anything but exit code 0 is a failure that shows the end of the log.
    pub(crate) fn must_succeed(self, terminal: &Terminal, interrupt: &Interrupt) -> Outcome<()> {
        let (name, log) = (self.name, self.log);
        let status = self.wait(terminal, interrupt)?;
        if status.success() {
            return Ok(());
        }
        Err(Stop::because(format!("{name} failed ({})", how_it_ended(status))).with_log(log))
    }
}

/// Runs a short program with `input` on its standard input; what it printed fits into a pipe.
pub(crate) fn answer_of(name: &str, mut command: Command, input: &str) -> Outcome<Output> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(format!("cannot run `{name}`"), error))?;
    if let Some(mut stdin) = child.stdin.take() {
        // It may refuse before it reads: then its own words say why.
        let _ = stdin.write_all(input.as_bytes());
    }
    let started = Instant::now();
    while child
        .try_wait()
        .map_err(|error| failed(format!("cannot wait for `{name}`"), error))?
        .is_none()
    {
        if started.elapsed() > ANSWER_DEADLINE {
            let _ = child.kill();
            let _ = child.wait();
            let limit = spoken(ANSWER_DEADLINE);
            return Err(Stop::because(format!(
                "`{name}` did not end within {limit}"
            )));
        }
        std::thread::sleep(SHORT_POLL);
    }
    child
        .wait_with_output()
        .map_err(|error| failed(format!("`{name}` broke off"), error))
}

/// The last lines of a log, for a failure; without cargo's messages to programs.
pub(crate) fn log_tail(log: &Path, lines: usize) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("{\"reason\":"))
        .collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// What of a program's last line is worth a look while it runs: of cargo's JSON messages, the crate.
fn progress_of(line: &str) -> String {
    if !line.starts_with('{') {
        return line.trim().to_owned();
    }
    serde_json::from_str::<serde_json::Value>(line)
        .ok()
        .and_then(|message| message["target"]["name"].as_str().map(str::to_owned))
        .unwrap_or_default()
}
