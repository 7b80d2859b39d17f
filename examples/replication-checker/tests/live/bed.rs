//! Two real MySQL servers, an ssh server before each, and the checker as a process.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use testbed::mysql::{Pair, Server};
use testbed::parts::MysqlPart;
use testbed::sshd::{KeyPair, Sshd};

/// Longest until a fault shows; the servers notice most within a second.
const SHOWS_WITHIN: Duration = Duration::from_secs(30);

pub(crate) const MODES: [&str; 2] = ["direct", "ssh"];

pub(crate) struct Bed {
    pub(crate) pair: Pair,
    pub(crate) ssh: [Sshd; 2],
    pub(crate) key: KeyPair,
    pub(crate) known_hosts: PathBuf,
    pub(crate) home: TempDir,
}

/// What a run said.
pub(crate) struct Run {
    pub(crate) report: Value,
    pub(crate) code: i32,
}

impl Run {
    /// Names of what is wrong; what is only worth knowing is left out.
    pub(crate) fn problems(&self) -> BTreeSet<String> {
        self.report["problems"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|problem| problem["severity"] != "info")
            .map(|problem| problem["id"].as_str().unwrap().to_owned())
            .collect()
    }
}

impl Bed {
    pub(crate) fn start() -> Self {
        let pair = Pair::start().unwrap();
        let home = tempfile::tempdir().unwrap();
        let key = KeyPair::generate(&home.path().join("key")).unwrap();
        let ssh =
            [&pair.primary, &pair.replica].map(|server| ssh_before(server, home.path(), &key));
        let known_hosts = home.path().join("known_hosts");
        let lines = ssh.each_ref().map(|ssh| ssh.known_hosts_line().unwrap());
        fs::write(&known_hosts, lines.concat()).unwrap();
        let bed = Self {
            pair,
            ssh,
            key,
            known_hosts,
            home,
        };
        bed.primary("CREATE TABLE core.t (id INT PRIMARY KEY, n INT)");
        bed.pair.wait_until_caught_up().unwrap();
        bed
    }

    pub(crate) fn primary(&self, statements: &str) -> String {
        self.pair.primary.sql(statements).unwrap()
    }

    pub(crate) fn replica(&self, statements: &str) -> String {
        self.pair.replica.sql(statements).unwrap()
    }

    /// Changes the channel and starts it again.
    pub(crate) fn change_source(&self, what: &str) {
        self.replica(&format!(
            "STOP REPLICA; CHANGE REPLICATION SOURCE TO {what}; START REPLICA;"
        ));
    }

    /// The checker, told everything it needs; the password is in its own environment.
    pub(crate) fn checker(&self, mode: &str) -> Command {
        let url = |server: &Server| {
            format!(
                "mysql://replmon@127.0.0.1:{}/?ssl-ca={}&tls-hostname={}",
                server.port(),
                server.ca_file().display(),
                server.name()
            )
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_core-replica-health"));
        command
            .args(["--mode", mode])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.home.path())
            // Its lock files.
            .env("TMPDIR", self.home.path())
            .env("REPL_SQL_USER", "replmon")
            .env("REPL_SQL_PASS", &self.pair.primary.passwords().replmon)
            .env("REPL_HEARTBEAT_TABLE", "repl_heartbeat.beat");
        if mode == "direct" {
            // The replica first: the order must not matter.
            let urls = [url(&self.pair.replica), url(&self.pair.primary)];
            command.env("REPL_MYSQL_URLS", urls.join(","));
        } else {
            let hosts = self
                .ssh
                .each_ref()
                .map(|ssh| format!("127.0.0.1:{}", ssh.port()));
            command
                .env("REPL_SSH_USER", Sshd::user())
                .env("REPL_SSH_HOSTS", hosts.join(","))
                .env("REPL_SSH_IDENTITY_FILE", self.key.private_file())
                .env("REPL_SSH_KNOWN_HOSTS", &self.known_hosts);
        }
        command
    }

    pub(crate) fn check(&self, mode: &str) -> Run {
        run(self.checker(mode))
    }

    /// Waits until a check in each mode says exactly these problems, and the exit code that follows.
    #[track_caller]
    pub(crate) fn shows(&self, what: &str, problems: &[&str]) {
        let wanted: BTreeSet<String> = problems.iter().map(|id| (*id).to_owned()).collect();
        for mode in MODES {
            let deadline = Instant::now() + SHOWS_WITHIN;
            let run = loop {
                let run = self.check(mode);
                if run.problems() == wanted || Instant::now() > deadline {
                    break run;
                }
                std::thread::sleep(Duration::from_millis(200));
            };
            assert_eq!(run.problems(), wanted, "{what}, {mode}: {:#}", run.report);
            assert_eq!(run.code, exit_code(&run.report), "{what}, {mode}");
            // What the test run leaves for people to read.
            println!("{what:<40} {mode:<7} exit {} {problems:?}", run.code);
        }
    }

    /// Commits empty transactions on the primary under the GTIDs that only the replica has.
    pub(crate) fn heal_errant(&self) {
        let of_replica = self.replica("SELECT REPLACE(@@gtid_executed, '\\n', '')");
        let errant = self.primary(&format!(
            "SELECT REPLACE(GTID_SUBTRACT('{}', @@gtid_executed), '\\n', '')",
            of_replica.trim()
        ));
        let mut statements = String::new();
        for member in errant.trim().split(',').filter(|member| !member.is_empty()) {
            let (uuid, interval) = member.split_once(':').unwrap();
            let (first, last) = interval.split_once('-').unwrap_or((interval, interval));
            for number in first.parse::<u64>().unwrap()..=last.parse().unwrap() {
                statements.push_str("SET GTID_NEXT = '");
                statements.push_str(uuid);
                statements.push(':');
                statements.push_str(&number.to_string());
                statements.push_str("'; BEGIN; COMMIT;\n");
            }
        }
        statements.push_str("SET GTID_NEXT = 'AUTOMATIC';");
        self.primary(&statements);
    }
}

/// One run to its end, which is one line.
pub(crate) fn run(mut command: Command) -> Run {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let report = one_line(&output);
    Run {
        report,
        code: output.status.code().unwrap(),
    }
}

pub(crate) fn one_line(output: &Output) -> Value {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert_eq!(text.matches('\n').count(), 1, "{text}{complained}");
    assert!(text.ends_with('\n'));
    serde_json::from_str(&text).unwrap()
}

/// What the report says it exits with, which must follow from its worst problem.
fn exit_code(report: &Value) -> i32 {
    let severities: BTreeSet<&str> = report["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem["severity"].as_str().unwrap())
        .collect();
    let (status, code) = if severities.contains("critical") {
        ("critical", 2)
    } else if severities.contains("unknown") {
        ("unknown", 3)
    } else if severities.contains("warning") {
        ("warning", 1)
    } else {
        ("ok", 0)
    };
    assert_eq!(report["status"], status);
    assert_eq!(report["exit_code"], code);
    code
}

/// An ssh server whose sessions find a `mysql` that is this server's client.
fn ssh_before(server: &Server, home: &Path, key: &KeyPair) -> Sshd {
    let programs = home.join(format!("{}-programs", server.name()));
    fs::create_dir(&programs).unwrap();
    let part = MysqlPart::find().unwrap();
    let client = programs.join("the-client");
    executable(&client, &part.client_script("mysql"));
    let wrapper = format!(
        "#!/bin/sh\nfirst=$1; shift\nexec '{}' \"$first\" --socket='{}' \"$@\"\n",
        client.display(),
        server.socket().display()
    );
    executable(&programs.join("mysql"), &wrapper);
    let folder = home.join(format!("{}-sshd", server.name()));
    Sshd::start(&folder, &key.public_line().unwrap(), &programs).unwrap()
}

fn executable(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
