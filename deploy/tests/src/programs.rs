//! The programs of this workspace, built as cargo builds by default.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

/// The folder of the built programs `dailey-core`, `dailey-media` and `core-replica-health`.
///
/// Builds them first: a test must not meet yesterday's.
pub fn built() -> PathBuf {
    let mut cargo = Command::new(option_env!("CARGO").unwrap_or("cargo"));
    let output = cargo
        .current_dir(crate::root())
        .args([
            "build",
            "--quiet",
            "--offline",
            "--bins",
            "--message-format=json",
        ])
        .args([
            "-p",
            "dailey-core",
            "-p",
            "dailey-media",
            "-p",
            "replication-checker",
        ])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let messages = String::from_utf8(output.stdout).unwrap();
    let program = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .expect("cargo names the programs it built");
    program.parent().unwrap().to_owned()
}
