//! The replication checker in watch mode, and what its lines say.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use testbed::Child;
use testbed::mysql::{Pair, Server};

use crate::services::Settings;
use crate::stop::{Outcome, Stop, failed};

/// Seconds between two lines: the shortest that it takes.
const INTERVAL_SECONDS: &str = "5";

/// Settings that must not come from the user's own environment.
const SETTINGS: [&str; 11] = [
    "REPL_EXPECTED_DELAY",
    "REPL_HEARTBEAT_TABLE",
    "REPL_MYSQL_SOCKET",
    "REPL_MYSQL_URLS",
    "REPL_SQL_PASS",
    "REPL_SQL_PASS_FILE",
    "REPL_SQL_USER",
    "REPL_SSH_HOSTS",
    "REPL_SSH_IDENTITY_FILE",
    "REPL_SSH_KNOWN_HOSTS",
    "REPL_SSH_USER",
];

/// The running checker.
pub(super) struct Watcher {
    child: Child,
    log: PathBuf,
    read: usize,
}

/// What a line says.
#[derive(Debug)]
pub(super) struct Line {
    /// `ok`, `warning`, `critical`, `unknown`.
    pub(super) status: String,
    /// What is wrong and where, `io_stopped@coredb2`; not what is only worth knowing.
    pub(super) problems: Vec<String>,
    /// Whether one of them is critical.
    pub(super) is_critical: bool,
}

impl Watcher {
    /// Starts it for both servers of a pair.
    pub(super) fn start(program: &Path, folder: &Path, pair: &Pair) -> Outcome<Self> {
        fs::create_dir(folder)
            .map_err(|error| failed("cannot make the checker's folder", error))?;
        let mut command = Command::new(program);
        for key in SETTINGS {
            command.env_remove(key);
        }
        let urls = [&pair.replica, &pair.primary].map(url);
        let settings: Settings = vec![
            ("REPL_MYSQL_URLS", urls.join(",")),
            ("REPL_SQL_PASS", pair.primary.passwords().replmon.clone()),
            ("REPL_HEARTBEAT_TABLE", "repl_heartbeat.beat".to_owned()),
            // Its lock files.
            ("TMPDIR", folder.display().to_string()),
        ];
        command
            .args(["watch", "--mode", "direct", "--interval", INTERVAL_SECONDS])
            .arg("--state-file")
            .arg(folder.join("state"))
            .envs(settings);
        let log = folder.join("watch.log");
        let child = Child::start("core-replica-health", command, &log)
            .map_err(|error| Stop::because(error.to_string()))?;
        Ok(Self {
            child,
            log,
            read: 0,
        })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The lines that came since the last look.
    pub(super) fn lines(&mut self) -> Outcome<Vec<Line>> {
        if self.child.exited().is_some() {
            let said = self.child.log_tail(5);
            return Err(Stop::because(format!("the checker has ended:\n{said}")));
        }
        let text = fs::read_to_string(&self.log)
            .map_err(|error| failed("cannot read the checker's lines", error))?;
        let new = text.get(self.read..).unwrap_or_default();
        let whole = new.rfind('\n').map_or(0, |end| end + 1);
        self.read += whole;
        new[..whole].lines().map(Line::read).collect()
    }
}

impl Line {
    fn read(text: &str) -> Outcome<Self> {
        let report: Value = serde_json::from_str(text)
            .map_err(|error| failed(format!("a line of the checker is not JSON: {text}"), error))?;
        let problems = report["problems"].as_array().into_iter().flatten();
        let found: Vec<&Value> = problems.filter(|one| one["severity"] != "info").collect();
        let named =
            |one: &&Value| Some(format!("{}@{}", one["id"].as_str()?, one["host"].as_str()?));
        Ok(Self {
            status: report["status"].as_str().unwrap_or_default().to_owned(),
            is_critical: found.iter().any(|one| one["severity"] == "critical"),
            problems: found.iter().filter_map(named).collect(),
        })
    }

    /// Whether it says this problem, or this one of this host: `io_stopped`, `host_unreachable@coredb1`.
    pub(super) fn says(&self, problem: &str) -> bool {
        let is_it = |one: &String| one == problem || one.split('@').next() == Some(problem);
        self.problems.iter().any(is_it)
    }
}

fn url(server: &Server) -> String {
    format!(
        "mysql://replmon@127.0.0.1:{}/?ssl-ca={}&tls-hostname={}",
        server.port(),
        server.ca_file().display(),
        server.name()
    )
}

#[cfg(test)]
mod tests {
    use super::Line;

    #[test]
    fn a_line_says_what_is_wrong_and_not_what_is_only_worth_knowing() {
        let text = r#"{"status":"critical","problems":[{"id":"io_stopped","host":"coredb2","severity":"critical"},
            {"id":"lag","host":"coredb2","severity":"info"}]}"#;
        let line = Line::read(&text.replace('\n', "")).unwrap();
        assert!(line.status == "critical" && line.is_critical);
        assert!(line.says("io_stopped") && line.says("io_stopped@coredb2"));
        assert!(!line.says("io_stopped@coredb1") && !line.says("lag"));
        assert!(Line::read("{").is_err());
    }
}
