//! Running the real program, and tokens to give it.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use dailey_auth::testing::{SigningKey, TokenBuilder};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const ISSUER: &str = "https://core.example";
pub(crate) const APP: &str = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
pub(crate) const NOW: i64 = 1_800_000_000;

/// The program with an empty environment: nothing of this machine's counts.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dailey-auth"));
    command.env_clear().args(arguments);
    command
}

/// How the program ended and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
    /// Whether it took in all of its input, as far as a pipe can tell.
    pub(crate) read_all: bool,
}

impl Ended {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(crate) fn said(&self) -> String {
        format!("{}{}", self.out, self.err)
    }
}

/// Runs it with `input` on standard input.
pub(crate) fn run(command: &mut Command, input: &[u8]) -> Ended {
    let child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    feed(child, input)
}

fn feed(mut child: Child, input: &[u8]) -> Ended {
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // It need not read all of it, nor any.
    let writer = std::thread::spawn(move || stdin.write_all(&input).is_ok());
    let output = child.wait_with_output().unwrap();
    let read_all = writer.join().unwrap();
    Ended {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
        read_all,
    }
}

/// An issuer's key, and its key set in a file.
pub(crate) struct House {
    pub(crate) key: SigningKey,
    folder: TempDir,
}

impl House {
    pub(crate) fn new() -> Self {
        let key = SigningKey::generate().with_kid("key-1");
        let folder = TempDir::new().unwrap();
        let house = Self { key, folder };
        house.write("keys.json", house.key.public_jwks().as_bytes());
        house
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) -> String {
        let path: PathBuf = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(crate) fn jwks(&self) -> String {
        let path = self.folder.path().join("keys.json");
        path.to_str().unwrap().to_owned()
    }

    /// The program with every setting as flags, the time included.
    pub(crate) fn program(&self, command: &str, more: &[&str]) -> Command {
        let (jwks, now) = (self.jwks(), NOW.to_string());
        let settings = [
            command,
            "--jwks",
            &jwks,
            "--issuer",
            ISSUER,
            "--audience",
            APP,
            "--at",
            &now,
        ];
        program(&[&settings, more].concat())
    }

    pub(crate) fn run(&self, command: &str, more: &[&str], token: &str) -> Ended {
        run(&mut self.program(command, more), token.as_bytes())
    }

    pub(crate) fn good(&self) -> String {
        good().sign(&self.key)
    }

    /// A token of these very bytes.
    pub(crate) fn raw(&self, header: &str, payload: &[u8]) -> String {
        TokenBuilder::sign_raw(header.as_bytes(), payload, &self.key)
    }
}

pub(crate) fn good() -> TokenBuilder {
    TokenBuilder::new(ISSUER, APP)
        .issued_at(NOW - 182)
        .expires_at(NOW + 418)
}

pub(crate) const HEADER: &str = r#"{"alg":"RS256","typ":"at+jwt","kid":"key-1"}"#;
