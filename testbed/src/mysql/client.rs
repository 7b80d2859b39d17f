//! Statements to a server, by MySQL's own client over the socket.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::Error;
use crate::parts::MysqlPart;

/// Longest that statements may take, in seconds.
const DEADLINE_SECONDS: &str = "120";

/// Runs statements as root: rows as lines, columns between tabs, no header; NULL is `NULL`.
pub(super) fn run(
    part: &MysqlPart,
    name: &'static str,
    option_file: &Path,
    statements: &str,
) -> Result<String, Error> {
    let client = part.client("mysql");
    // `timeout` is of coreutils, as `cp` is.
    let mut command = Command::new("timeout");
    command
        .arg(DEADLINE_SECONDS)
        .arg(client.get_program())
        .args(client.get_args())
        // The first argument, or it is not one; the password is in it.
        .arg(format!("--defaults-file={}", option_file.display()))
        .args(["--batch", "--skip-column-names", "--raw"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let refused = |said: String| Error::Sql { name, said };
    let mut child = command
        .spawn()
        .map_err(|error| refused(error.to_string()))?;
    let stdin = child.stdin.take();
    let statements = statements.to_owned();
    // Beside it, since it may answer before it has read everything.
    let writer = std::thread::spawn(move || {
        if let Some(mut stdin) = stdin {
            let _ = stdin.write_all(statements.as_bytes());
        }
    });
    let output = child
        .wait_with_output()
        .map_err(|error| refused(error.to_string()))?;
    let _ = writer.join();
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(refused(if said.is_empty() {
            format!("no answer within {DEADLINE_SECONDS} s")
        } else {
            said
        }))
    }
}
