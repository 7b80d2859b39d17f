//! Whole bodies, one at a time, by curl.

use std::path::Path;
use std::process::Command;

/// Sends a file; the seconds that it took.
pub(crate) fn put(url: &str, file: &Path, token: Option<&str>) -> f64 {
    let mut curl = timed(token);
    curl.arg("--upload-file").arg(file).arg(url);
    seconds(&mut curl)
}

/// Fetches it and throws it away; the seconds that it took.
pub(crate) fn get(url: &str, token: Option<&str>) -> f64 {
    seconds(timed(token).arg(url))
}

/// Fetches a text.
pub(crate) fn text(url: &str) -> String {
    printed(curl().arg(url))
}

/// What a program printed that must succeed.
pub(crate) fn printed(command: &mut Command) -> String {
    let output = command.output().expect("the program starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    text
}

/// It fails on a refusal.
fn curl() -> Command {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--noproxy", "*"]);
    curl
}

fn timed(token: Option<&str>) -> Command {
    let mut curl = curl();
    curl.args(["--output", "/dev/null", "--write-out", "%{time_total}"])
        .args(["--header", "Expect:"]);
    if let Some(token) = token {
        curl.args(["--oauth2-bearer", token]);
    }
    curl
}

fn seconds(curl: &mut Command) -> f64 {
    printed(curl).trim().parse().expect("a number of seconds")
}
