//! Seeding by `mysqldump` into `mysql`, both over verified TLS. Passwords go through standard input; the dump
//! goes from one program to the other and is on no disk.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::scrub::{MAX_TEXT_CHARS, bounded};
use crate::settings::DirectHost;

/// Longest that copying may take.
const DUMP_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The last line that a whole dump has.
const COMPLETED: &str = "-- Dump completed";

/// Lines up to `--` are the option file, the rest is statements: as in the checker's remote command.
const IMPORT: &str = "exec 4<&0; while IFS= read -r line <&4 && [ \"$line\" != -- ]; do \
    printf \"%s\\n\" \"$line\"; done | exec mysql --defaults-file=/dev/fd/3 3<&0 <&4 4<&-";

/// Why no dump can be made here, if so.
pub(super) async fn unavailable() -> Option<String> {
    for program in ["mysqldump", "mysql"] {
        let mut command = Command::new(program);
        cleaned(&mut command).arg("--version");
        let asked = command.output().await;
        match asked {
            Ok(output) if output.status.success() => {
                if String::from_utf8_lossy(&output.stdout).contains("MariaDB") {
                    return Some(format!(
                        "`{program}` is MariaDB's, which does not know MySQL's GTIDs (Debian: mysql-client-core)"
                    ));
                }
            }
            _ => {
                return Some(format!(
                    "there is no `{program}` in PATH (Debian: mysql-client-core)"
                ));
            }
        }
    }
    None
}

/// Copies everything; `progress` hears the bytes so far.
pub(super) async fn copy(
    source: (&DirectHost, &str),
    target: (&DirectHost, &str),
    progress: &mut dyn FnMut(u64),
) -> Result<u64, String> {
    let mut dump = Command::new("mysqldump");
    dump.arg("--defaults-file=/dev/stdin").args([
        "--single-transaction",
        "--quick",
        "--all-databases",
        "--routines",
        "--events",
        "--triggers",
        "--hex-blob",
        "--flush-privileges",
        "--set-gtid-purged=ON",
    ]);
    let mut import = Command::new("/bin/sh");
    import.args(["-c", IMPORT]);
    let copying = pour(dump, options(source), import, options(target), progress);
    timeout(DUMP_LIMIT, copying)
        .await
        .map_err(|_| "copying took longer than a day".to_owned())?
}

/// An option file for one server.
fn options((host, password): (&DirectHost, &str)) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\"));
    format!(
        "[client]\nprotocol=tcp\nhost={}\nport={}\nuser={}\npassword={}\nssl-mode=VERIFY_IDENTITY\nssl-ca={}\n",
        quoted(&host.host),
        host.port,
        quoted(&host.user),
        quoted(password),
        quoted(&host.ca_file.display().to_string())
    )
}

async fn pour(
    dump: Command,
    dump_options: String,
    import: Command,
    import_options: String,
    progress: &mut dyn FnMut(u64),
) -> Result<u64, String> {
    let mut dump = started(dump)?;
    let mut import = started(import)?;
    let missing = || "a pipe is missing".to_owned();
    let mut dump_in = dump.stdin.take().ok_or_else(missing)?;
    let mut from = dump.stdout.take().ok_or_else(missing)?;
    let mut to = import.stdin.take().ok_or_else(missing)?;
    let complaints = [dump.stderr.take(), import.stderr.take()];
    let [dump_said, import_said] = complaints.map(|stderr| tokio::spawn(read_all(stderr)));
    let told = async {
        dump_in.write_all(dump_options.as_bytes()).await?;
        dump_in.shutdown().await?;
        drop(dump_in);
        to.write_all(import_options.as_bytes()).await?;
        to.write_all(b"--\n").await
    };
    let mut broke = told.await.err();
    let mut buffer = vec![0; 64 * 1024];
    let mut tail = Vec::new();
    let mut bytes = 0_u64;
    while broke.is_none() {
        let length = match from.read(&mut buffer).await {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) => {
                broke = Some(error);
                break;
            }
        };
        let piece = &buffer[..length];
        // Whoever stops reading says why on standard error.
        broke = to.write_all(piece).await.err();
        bytes += length as u64;
        tail.extend_from_slice(piece);
        let surplus = tail.len().saturating_sub(256);
        tail.drain(..surplus);
        progress(bytes);
    }
    drop(from);
    let is_whole = String::from_utf8_lossy(&tail).contains(COMPLETED);
    let dumped = if broke.is_some() {
        let _ = dump.kill().await;
        false
    } else {
        dump.wait().await.is_ok_and(|status| status.success())
    };
    if !dumped || !is_whole {
        // What came so far must not look like the end.
        let _ = import.kill().await;
    }
    let _ = to.shutdown().await;
    drop(to);
    let imported = import.wait().await.is_ok_and(|status| status.success());
    let said =
        |name: &str, said: &str| Err(format!("{name}: {}", bounded(said.trim(), MAX_TEXT_CHARS)));
    let (dump_said, import_said) = (
        dump_said.await.unwrap_or_default(),
        import_said.await.unwrap_or_default(),
    );
    if broke.is_some() && !import_said.trim().is_empty() {
        return said("mysql", &import_said);
    }
    if !dumped {
        return said("mysqldump", &dump_said);
    }
    if !is_whole {
        return Err("mysqldump: the dump has no end".to_owned());
    }
    if !imported {
        return said("mysql", &import_said);
    }
    Ok(bytes)
}

fn started(mut command: Command) -> Result<Child, String> {
    cleaned(&mut command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("cannot run it: {error}"))
}

/// Without our environment, which holds the passwords.
fn cleaned(command: &mut Command) -> &mut Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    command
        .env_clear()
        .env("PATH", path)
        .env("LC_ALL", "C.UTF-8")
}

/// The beginning of what a program complains of; the rest is read and dropped, so that it can go on.
async fn read_all(stderr: Option<tokio::process::ChildStderr>) -> String {
    let Some(mut stderr) = stderr else {
        return String::new();
    };
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = stderr.read(&mut buffer).await {
        if text.len() < 64 * 1024 {
            text.extend_from_slice(&buffer[..length]);
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}
