//! One target as a process: how it is started, and what its last words say.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use testbed::{Child, how_it_ended};

use crate::stop::{Outcome, Stop};

/// Longest input in bytes: a little more than what is looked at. Where there is no such bound, what is
/// enough for everything that can be said; shorter ones are tried more often.
fn longest(target: &str) -> usize {
    match target {
        "range" | "cache_control" => 256,
        "conditions" => 512,
        "gtid_set" => 1_024,
        "header" | "frontend_env" | "tus" => 2_048,
        "storage_key" => 3_500,
        // A set of keys is at most 64 KiB.
        "key_set" | "snapshot" => 70_000,
        // A token is at most 8 KiB.
        _ => 9_000,
    }
}

/// An input that takes longer than this many seconds is a finding.
const SLOWEST_SECONDS: u32 = 10;

/// How long a target may take to begin and to end beside its time.
const GRACE: Duration = Duration::from_secs(120);

/// A target that is to be run.
pub(super) struct Target {
    pub(super) name: String,
    pub(super) program: PathBuf,
    /// Inputs to begin with; new ones go into the first.
    pub(super) folders: Vec<PathBuf>,
    pub(super) dictionary: PathBuf,
    pub(super) artifacts: PathBuf,
    pub(super) log: PathBuf,
    pub(super) seconds: u32,
}

/// A target that runs.
pub(super) struct Running {
    target: Target,
    child: Child,
    started: Instant,
}

/// What a target did.
pub(super) struct Ended {
    pub(super) name: String,
    pub(super) executions: u64,
    pub(super) edges: u64,
    pub(super) new_inputs: u64,
    pub(super) time: Duration,
    /// What was wrong.
    pub(super) found: Option<String>,
    pub(super) log: PathBuf,
}

impl Target {
    pub(super) fn start(self) -> Outcome<Running> {
        let max_len = longest(&self.name);
        let mut command = Command::new(&self.program);
        command
            .arg(format!("-max_total_time={}", self.seconds))
            .arg(format!("-max_len={max_len}"))
            .arg(format!("-timeout={SLOWEST_SECONDS}"))
            .arg(format!("-artifact_prefix={}/", self.artifacts.display()))
            .arg("-print_final_stats=1");
        if self.dictionary.is_file() {
            command.arg(format!("-dict={}", self.dictionary.display()));
        }
        command.args(&self.folders);
        let child = Child::start(&self.name, command, &self.log)
            .map_err(|error| Stop::because(error.to_string()))?;
        Ok(Running {
            target: self,
            child,
            started: Instant::now(),
        })
    }
}

impl Running {
    pub(super) fn name(&self) -> &str {
        &self.target.name
    }

    /// What it did, once it is over.
    pub(super) fn look(&mut self) -> Option<Ended> {
        let time = self.started.elapsed();
        let limit = Duration::from_secs(self.target.seconds.into()) + GRACE;
        let found = match self.child.exited() {
            Some(status) if status.success() => None,
            Some(status) => Some(how_it_ended(status)),
            None if time > limit => Some("it does not end".to_owned()),
            None => return None,
        };
        let log = std::fs::read(&self.target.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let mut ended = Ended {
            name: self.target.name.clone(),
            executions: last_number(&log, "stat::number_of_executed_units:").unwrap_or_default(),
            edges: last_number(&log, " cov:").unwrap_or_default(),
            new_inputs: last_number(&log, "stat::new_units_added:").unwrap_or_default(),
            time,
            found,
            log: self.target.log.clone(),
        };
        if ended.found.is_none() && ended.executions == 0 {
            ended.found = Some("it does not say how many executions there were".to_owned());
        }
        Some(ended)
    }
}

/// The number behind the last place where `what` stands.
fn last_number(log: &str, what: &str) -> Option<u64> {
    let (_, rest) = log.rsplit_once(what)?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::last_number;

    #[test]
    fn the_last_words_of_a_target_are_read() {
        let log = "#2 INITED cov: 18 ft: 19\n#4096 pulse  cov: 41 ft: 90 corp: 3/9b\n\
                   Done 4100 runs in 4 second(s)\nstat::number_of_executed_units: 4100\n\
                   stat::average_exec_per_sec:     1025\nstat::new_units_added:          7\n";
        assert_eq!(
            last_number(log, "stat::number_of_executed_units:"),
            Some(4100)
        );
        assert_eq!(last_number(log, " cov:"), Some(41));
        assert_eq!(
            last_number("SUMMARY: libFuzzer: deadly signal\n", " cov:"),
            None
        );
    }
}
