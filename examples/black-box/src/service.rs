//! A running example with an issuer of its own, both gone with the test.

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use dailey_auth::testing::{Fault, Issuer, SigningKey, TokenBuilder};
use tempfile::TempDir;
use testbed::Child;
use tokio::runtime::Runtime;

use crate::Answer;

/// The app that the example is.
pub const APP: &str = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";

/// Longer than a start or an orderly end may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running example.
#[derive(Debug)]
pub struct Service {
    child: Child,
    port: u16,
    issuer: Issuer,
    key: SigningKey,
    _folder: TempDir,
    _runtime: Runtime,
}

impl Service {
    /// Starts the program; its issuer answers.
    pub fn start(program: &str) -> Self {
        Self::start_with(program, None)
    }

    /// Starts the program; its issuer misbehaves from the start.
    pub fn start_with(program: &str, fault: Option<Fault>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let key = SigningKey::generate();
        let issuer = runtime.block_on(Issuer::start(&[&key])).unwrap();
        issuer.set_fault(fault);
        let folder = TempDir::new().unwrap();
        // The port was free a moment ago; where it is no more, the next one is.
        for _ in 0..5 {
            let port = testbed::free_port().unwrap();
            if let Some(child) = start(program, folder.path(), port, &issuer) {
                return Self {
                    child,
                    port,
                    issuer,
                    key,
                    _folder: folder,
                    _runtime: runtime,
                };
            }
        }
        panic!("{program} did not start");
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A right token with the scope of the reports.
    pub fn token(&self) -> TokenBuilder {
        TokenBuilder::new(&self.issuer.url(), APP).claim("scope", "reports:read")
    }

    /// The header line with this token.
    pub fn bearer(&self, token: &TokenBuilder) -> String {
        format!("Authorization: Bearer {}", self.sign(token))
    }

    /// This token's text.
    pub fn sign(&self, token: &TokenBuilder) -> String {
        token.sign(&self.key)
    }

    /// The answer to a PUT of this body with these header lines.
    pub fn put(&self, path: &str, lines: &[&str], body: &str) -> Answer {
        let length = format!("Content-Length: {}", body.len());
        let lines = [lines, &[&length, "", body]].concat().join("\r\n");
        let head = format!("PUT {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n");
        Answer::to(self.port, &format!("{head}{lines}"))
    }

    /// The answer to a GET with these header lines.
    pub fn get(&self, path: &str, lines: &[&str]) -> Answer {
        let lines = [lines, &[""]].concat().join("\r\n");
        let head = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n");
        Answer::to(self.port, &format!("{head}{lines}\r\n"))
    }

    /// Ends the program with SIGTERM, which it must obey in order, and gives all that it printed.
    pub fn stop(&mut self) -> String {
        let status = self.child.stop(PATIENCE).unwrap();
        assert!(status.success(), "{status}: {}", self.child.log_tail(20));
        std::fs::read_to_string(self.child.log()).unwrap()
    }
}

/// The program, when it listens.
fn start(program: &str, folder: &Path, port: u16, issuer: &Issuer) -> Option<Child> {
    let mut command = Command::new(program);
    command
        .current_dir(folder)
        .env("RUST_LOG", "trace")
        .env("PORT", port.to_string())
        .env("BIND", "127.0.0.1")
        .env("DAILEY_ENV", "development")
        .env("JWT_ISSUER", issuer.url())
        .env("CORE_APP_ID", APP)
        .env_remove("CORE_AUDIENCE")
        .env_remove("CORE_JWKS_URL")
        .env_remove("DAILEY_CORE_URL")
        .env_remove("JWKS_SNAPSHOT_FILE");
    let mut child = Child::start(program, command, &folder.join("log")).unwrap();
    let started = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if child.exited().is_some() || started.elapsed() > PATIENCE {
            eprintln!("{}", child.log_tail(20));
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Some(child)
}
