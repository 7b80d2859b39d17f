//! ssh mode: plain `ssh`, one constant remote command, everything else on its standard input. The password
//! is in no argument list, no environment and no file on either side.

use std::fmt::Write as _;
use std::process::{Output, Stdio};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use super::CONNECT;
use crate::client_output::{self, MAX_OUTPUT_BYTES};
use crate::scrub::{MAX_TEXT_CHARS, bounded};
use crate::settings::{Password, SshTargets};
use crate::statements::{Answer, Answers, Statement};

/// What is run on the host: nothing of ours is ever put into it. The lines up to `--` are the option file,
/// which goes to the client through a pipe; the rest of the input is statements. `read` takes one byte at a
/// time from a pipe, so it takes nothing of them; the client reads the whole option file first. A login
/// shell's banner comes before the first marker, and a broken connection shows by the missing last one.
const REMOTE_COMMAND: &str = "exec /bin/sh -c 'exec 4<&0; echo dailey-replica-begin; \
    while IFS= read -r line <&4 && [ \"$line\" != -- ]; do printf \"%s\\n\" \"$line\"; done | \
    { mysql --defaults-file=/dev/fd/3 --xml --force --connect-timeout=5 3<&0 <&4 4<&-; \
    echo \"dailey-replica-end $?\"; }'";

const BEGIN: &str = "dailey-replica-begin\n";
const END: &str = "dailey-replica-end ";

/// What ssh needs of our environment; nothing else is passed on.
const PASSED_ON: [&str; 4] = ["PATH", "HOME", "USER", "SSH_AUTH_SOCK"];

/// Asks everything in one session.
pub(super) async fn ask(
    targets: &SshTargets,
    at: usize,
    password: &Password,
    statements: &[Statement],
) -> Result<Answers, String> {
    let input = input(targets, password, statements);
    let mut child = command(targets, at)
        .spawn()
        .map_err(|error| format!("cannot run `ssh` (Debian: openssh-client): {error}"))?;
    let output = exchange(&mut child, input)
        .await
        .map_err(|error| format!("ssh: {error}"))?;
    read(&output, statements)
}

fn command(targets: &SshTargets, at: usize) -> Command {
    let host = &targets.hosts[at];
    let mut command = Command::new("ssh");
    command.env_clear().env("LC_ALL", "C");
    for key in PASSED_ON {
        if let Some(value) = std::env::var_os(key) {
            command.env(key, value);
        }
    }
    // No configuration file: the first setting of an option wins, and these are ours.
    command.args(["-F", "none", "-T", "-x", "-a"]);
    for option in [
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "UpdateHostKeys=no",
        "ClearAllForwardings=yes",
        "PermitLocalCommand=no",
        "ControlMaster=no",
        "ControlPath=none",
        "EscapeChar=none",
        "ServerAliveInterval=5",
        "ServerAliveCountMax=2",
        "LogLevel=ERROR",
    ] {
        command.args(["-o", option]);
    }
    command.args(["-o", &format!("ConnectTimeout={}", CONNECT.as_secs())]);
    if let Some(file) = &targets.known_hosts {
        command.args(["-o", &format!("UserKnownHostsFile={}", file.display())]);
        command.args(["-o", "GlobalKnownHostsFile=/dev/null"]);
    }
    if let Some(file) = &targets.identity_file {
        command.args(["-o", "IdentitiesOnly=yes", "-i"]).arg(file);
    }
    if let Some(port) = host.port {
        command.args(["-p", &port.to_string()]);
    }
    command.args(["-l", &targets.user, "--", &host.host, REMOTE_COMMAND]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A deadline that passes drops it.
        .kill_on_drop(true);
    command
}

/// The option file, `--`, and the statements, each on a line of its own.
fn input(targets: &SshTargets, password: &Password, statements: &[Statement]) -> String {
    let mut input = format!(
        "[client]\nprotocol=socket\nuser=\"{}\"\npassword={}\n",
        targets.sql_user,
        password.for_option_file()
    );
    if let Some(socket) = &targets.socket {
        let _ = writeln!(input, "socket=\"{socket}\"");
    }
    input.push_str("--\n");
    for (_, statement) in statements {
        let _ = writeln!(input, "{statement};");
    }
    input
}

/// Writes the input while it reads the output, so that neither side waits for the other.
async fn exchange(child: &mut Child, input: String) -> std::io::Result<Output> {
    let stdin = child.stdin.take();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // Whoever does not read it says why on standard error.
            let _ = stdin.write_all(input.as_bytes()).await;
            let _ = stdin.shutdown().await;
        }
    };
    let limit = MAX_OUTPUT_BYTES as u64 + 1;
    let mut said = Vec::new();
    let mut complained = Vec::new();
    let read_said = async {
        if let Some(stdout) = stdout {
            let _ = stdout.take(limit).read_to_end(&mut said).await;
        }
    };
    let read_complained = async {
        if let Some(stderr) = stderr {
            let _ = stderr.take(limit).read_to_end(&mut complained).await;
        }
    };
    tokio::join!(write, read_said, read_complained);
    let status = child.wait().await?;
    Ok(Output {
        status,
        stdout: said,
        stderr: complained,
    })
}

/// What the client printed, as answers; why not, when it did not get to its end.
fn read(output: &Output, statements: &[Statement]) -> Result<Answers, String> {
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    let complaint = || bounded(complained.trim(), MAX_TEXT_CHARS);
    let Some((_, rest)) = said.split_once(BEGIN) else {
        // ssh itself: refused, unknown or changed host key, wrong key.
        return Err(format!("ssh: {}", complaint()));
    };
    let Some((body, status)) = rest.rsplit_once(END) else {
        return Err(format!("ssh: the connection broke: {}", complaint()));
    };
    if status.trim() == "127" {
        return Err("the host has no `mysql` client in its PATH".to_owned());
    }
    let errors: Vec<ClientError> = complained.lines().filter_map(client_error).collect();
    if let Some(error) = errors.iter().find(|error| error.line.is_none()) {
        // Not of a statement: it could not connect or log in.
        return Err(format!("mysql: {} {}", error.number, error.text));
    }
    let sets = client_output::xml(body).map_err(|error| error.to_string())?;
    let mut answers = Answers::new();
    for (at, (question, statement)) in statements.iter().enumerate() {
        let refused = errors.iter().find(|error| error.line == Some(at + 1));
        let answer = if let Some(error) = refused {
            Answer::Refused(Some(error.number), error.text.clone())
        } else {
            let set = sets.iter().find(|set| set.statement == *statement);
            Answer::Rows(set.map(|set| set.rows.clone()).unwrap_or_default())
        };
        answers.insert(*question, answer);
    }
    // The last question always has a row: without it the client stopped in the middle.
    match statements
        .last()
        .and_then(|(question, _)| answers.get(question))
    {
        Some(Answer::Rows(rows)) if !rows.is_empty() => Ok(answers),
        _ => Err(format!("mysql: {}", complaint())),
    }
}

#[derive(Debug, PartialEq, Eq)]
struct ClientError {
    number: u16,
    line: Option<usize>,
    text: String,
}

/// `ERROR 1142 (42000) at line 7: SELECT command denied …`, or without a line.
fn client_error(line: &str) -> Option<ClientError> {
    let rest = line.strip_prefix("ERROR ")?;
    let (number, rest) = rest.split_once(' ')?;
    let (head, text) = rest.split_once(": ")?;
    let line = head
        .split_once("at line ")
        .and_then(|(_, line)| line.trim().parse().ok());
    Some(ClientError {
        number: number.parse().ok()?,
        line,
        text: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_client_are_told_apart_by_line() {
        assert_eq!(
            client_error("ERROR 1142 (42000) at line 7: SELECT command denied: x"),
            Some(ClientError {
                number: 1142,
                line: Some(7),
                text: "SELECT command denied: x".to_owned()
            })
        );
        assert_eq!(
            client_error("ERROR 2002 (HY000): Can't connect"),
            Some(ClientError {
                number: 2002,
                line: None,
                text: "Can't connect".to_owned()
            })
        );
        assert_eq!(client_error("Warning: something"), None);
    }
}
