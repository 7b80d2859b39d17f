//! A production set-up in which nothing is wrong, to be broken in one place.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::core::Core;

pub(crate) const APP: &str = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";

/// All checks together may take ten seconds; the process, and a machine that pauses, a little more. What is not ended
/// by its time hangs for ever here.
const MOST: Duration = Duration::from_secs(20);

/// One check may take five seconds, and its thread may have to wait for its turn: less than all together may.
const MOST_MS_OF_ONE: u64 = 9_000;

/// Said where its own five seconds ended it, however late the clock was looked at.
const ENDED_BY_ITS_TIME: &str = "it took longer than 5 seconds";

pub(crate) struct Ground {
    pub(crate) core: Core,
    pub(crate) folder: TempDir,
    bind: Ipv4Addr,
    environment: Vec<(String, Option<String>)>,
}

impl Ground {
    pub(crate) async fn new() -> Self {
        let core = Core::start().await;
        let folder = TempDir::new().unwrap();
        let ground = Self {
            core,
            folder,
            bind: own_address(),
            environment: Vec::new(),
        };
        std::fs::write(ground.path("secret"), [7; 32]).unwrap();
        let mode = PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(ground.path("secret"), mode).unwrap();
        ground.frontend("VITE_API=https://media.dailey.cloud\n");
        ground
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where the service listens once everything is proven.
    pub(crate) fn address(&self) -> SocketAddr {
        (self.bind, 4100).into()
    }

    pub(crate) fn frontend(&self, text: &str) {
        std::fs::write(self.path("frontend.env"), text).unwrap();
    }

    pub(crate) fn set(&mut self, key: &str, value: impl Into<String>) {
        self.environment.push((key.to_owned(), Some(value.into())));
    }

    pub(crate) fn unset(&mut self, key: &str) {
        self.environment.push((key.to_owned(), None));
    }

    /// The program with everything set that production wants.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dailey-media"));
        command
            .env_clear()
            .current_dir(self.folder.path())
            .env("SSL_CERT_FILE", self.core.authority())
            .env("JWT_ISSUER", self.core.url())
            .env("DAILEY_CORE_URL", self.core.url())
            .env("CORE_APP_ID", APP)
            .env("BIND", self.bind.to_string())
            .env("LINK_SECRET_FILE", self.path("secret"))
            .env("FRONTEND_ENV_FILE", self.path("frontend.env"));
        for (key, value) in &self.environment {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        command
    }

    /// The report, and the exit status.
    pub(crate) async fn preflight(&self, arguments: &[&str]) -> (Value, Option<i32>) {
        let mut command = self.command();
        command.args(["preflight", "--json"]).args(arguments);
        command.stdin(Stdio::null());
        let started = Instant::now();
        let output = tokio::task::spawn_blocking(move || command.output());
        let output = output.await.unwrap().unwrap();
        assert!(started.elapsed() < MOST, "it took {:?}", started.elapsed());
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        let report: Value = serde_json::from_str(&text).unwrap();
        for check in report["checks"].as_array().unwrap() {
            let in_time = check["ms"].as_u64().unwrap() <= MOST_MS_OF_ONE;
            let ended = check["detail"].as_str().unwrap() == ENDED_BY_ITS_TIME;
            assert!(in_time || ended, "{check}");
        }
        (report, output.status.code())
    }
}

/// A loopback address that no other test uses: each of them has a port 4100 of its own.
fn own_address() -> Ipv4Addr {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let next = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    // Tests may be processes, too: fifteen bits of their ids, so that neighbours differ.
    let process = std::process::id();
    let [.., low] = (process & 0x7f).to_be_bytes();
    let [.., high] = (process >> 7 & 0xff).to_be_bytes();
    Ipv4Addr::new(127, 1 + low, high, next[1])
}

/// The names of the checks with this status.
pub(crate) fn with_status<'a>(report: &'a Value, status: &str) -> Vec<&'a str> {
    let checks = report["checks"].as_array().unwrap().iter();
    let checks = checks.filter(|check| check["status"] == status);
    checks
        .map(|check| check["name"].as_str().unwrap())
        .collect()
}

/// The check of this name.
pub(crate) fn one<'a>(report: &'a Value, name: &str) -> &'a Value {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap()
}

/// The names of the checks that failed, but for those that only could not be tried because of one that did.
pub(crate) fn causes(report: &Value) -> Vec<&str> {
    let mut failed = with_status(report, "failed");
    failed.retain(|name| {
        let check = one(report, name);
        let (detail, hint) = (&check["detail"], &check["hint"]);
        let other = hint.as_str().unwrap().strip_prefix("mend what `");
        let other = other
            .and_then(|rest| rest.split_once('`'))
            .map(|(name, _)| name);
        let follows = detail.as_str().unwrap().starts_with("it cannot be tried: ");
        assert_eq!(follows, other.is_some(), "{check}");
        other.is_none()
    });
    failed
}

/// A pipe of this name that nobody writes to: opening it never returns.
pub(crate) fn pipe(path: &Path) {
    let made = Command::new("mkfifo")
        .args(["-m", "600"])
        .arg(path)
        .status();
    assert!(made.unwrap().success());
}

pub(crate) fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}
