//! A process that speaks for some verifiers: a command a line on its standard input, a line of JSON for
//! each on its standard output. `node/speak.mjs`, `speak.py` and `rust.rs` are the other end.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

/// The process; it ends when it is dropped.
pub struct Speaker {
    pub name: &'static str,
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Speaker {
    pub fn start(name: &'static str, mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let stdin = child.stdin.take().expect("piped");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        Self {
            name,
            child,
            stdin,
            stdout,
        }
    }

    fn ask(&mut self, request: &Value) -> Value {
        let mut line = String::new();
        let asked = writeln!(self.stdin, "{request}").and_then(|()| self.stdin.flush());
        let answered = asked.and_then(|()| self.stdout.read_line(&mut line));
        answered.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{} says {line:?}", self.name))
    }

    /// What can be timed; the first is the bare operation of its own crypto library.
    pub fn rows(&mut self) -> Vec<String> {
        serde_json::from_value(self.ask(&json!({ "command": "rows" }))).expect("names")
    }

    /// Nanoseconds for one run of a row.
    pub fn time(&mut self, row: usize, milliseconds: u64) -> f64 {
        let request = json!({ "command": "time", "row": row, "milliseconds": milliseconds });
        self.ask(&request).as_f64().expect("a time")
    }

    /// By verifier: `A` accepted, `r` refused, `P` panicked, for each token in the file.
    pub fn judge(&mut self, tokens: &Path) -> Vec<(String, String)> {
        let verdicts = self.ask(&json!({ "command": "judge", "file": tokens }));
        let verdicts = verdicts.as_object().cloned().expect("verdicts by name");
        let text = |value: Value| value.as_str().expect("letters").to_owned();
        verdicts
            .into_iter()
            .map(|(name, value)| (name, text(value)))
            .collect()
    }

    /// Verifiers with this key set's address, as at their first start; their names.
    pub fn live(&mut self, url: &str, issuer: &str, audience: &str) -> Vec<String> {
        let request =
            json!({ "command": "live", "url": url, "issuer": issuer, "audience": audience });
        serde_json::from_value(self.ask(&request)).expect("names")
    }

    /// How many of the tokens in the file a live verifier accepts.
    pub fn verify(&mut self, name: &str, tokens: &Path, at_once: bool) -> usize {
        let request =
            json!({ "command": "verify", "name": name, "file": tokens, "at_once": at_once });
        let accepted = self.ask(&request).as_u64().expect("a number");
        usize::try_from(accepted).expect("a small number")
    }

    /// Time has gone on, for who has a clock of its own.
    pub fn shift(&mut self, seconds: u64) {
        self.ask(&json!({ "command": "shift", "seconds": seconds }));
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
