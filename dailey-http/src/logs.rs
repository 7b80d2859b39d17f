//! Log output: JSON lines in production, readable text in development, to standard error.

use std::cell::RefCell;
use std::io::{self, Write as _};
use std::sync::OnceLock;

use dailey_auth::Environment;
use tracing_subscriber::EnvFilter;

use crate::settings::{Lookup, SettingsError};

/// Most bytes of lines that wait: so many are written into a pipe as one piece (`PIPE_BUF`), which the pieces
/// of other threads do not come between.
const MAX_WAITING_BYTES: usize = 4096;

thread_local! {
    /// The lines of requests that this thread has not written yet; `None` where nobody would.
    static WAITING: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Whose lines are written; nobody's until [`init`].
static OUTPUT: OnceLock<Environment> = OnceLock::new();

/// Sets the process's log output. `RUST_LOG` chooses levels (`info` when unset). A second call
/// changes nothing.
///
/// Panics are logged too, with their place and without their message, which may hold input.
///
/// # Errors
/// `RUST_LOG` cannot be read.
pub fn init(environment: Environment, lookup: Lookup<'_>) -> Result<(), SettingsError> {
    let directives = lookup("RUST_LOG").unwrap_or_else(|| "info".to_owned());
    let filter = EnvFilter::builder().parse(&directives).map_err(|_| {
        SettingsError::new(
            "setting_invalid",
            "RUST_LOG",
            "is not a list of log levels: write `info`, or `warn,dailey_http=debug`",
        )
    })?;
    let output = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| StandardError);
    let set = match environment {
        Environment::Development => output.with_ansi(false).try_init(),
        Environment::Production => output.json().flatten_event(true).try_init(),
    };
    // Fails only when output is already set.
    if set.is_ok() {
        OUTPUT.get_or_init(|| environment);
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        tracing::error!(%place, "panicked");
    }));
    Ok(())
}

/// Lets the threads of this runtime gather the lines of requests until they have nothing else to do, or 4 KiB
/// of them: one by one, under load, they take as long as everything else around a small answer. Any other line
/// is written at once, behind those that wait on its thread.
pub fn gather(runtime: &mut tokio::runtime::Builder) -> &mut tokio::runtime::Builder {
    runtime
        .on_thread_start(|| WAITING.set(Some(Vec::new())))
        .on_thread_park(write_waiting)
        .on_thread_stop(write_waiting)
}

/// The line that `append` adds: written at once, or gathered.
pub(crate) fn line(append: impl FnOnce(&mut Vec<u8>)) {
    WAITING.with_borrow_mut(|waiting| {
        let Some(lines) = waiting else {
            let mut line = Vec::new();
            append(&mut line);
            return write(&line);
        };
        let before = lines.len();
        append(lines);
        if lines.len() > MAX_WAITING_BYTES {
            write(&lines[..before]);
            lines.drain(..before);
        }
    });
}

fn write_waiting() {
    // A thread that ends may have lost its own already.
    let _ = WAITING.try_with(|waiting| {
        if let Some(lines) = &mut *waiting.borrow_mut() {
            write(lines);
            lines.clear();
        }
    });
}

/// A log that cannot be written has nowhere to say so.
fn write(lines: &[u8]) {
    if !lines.is_empty() {
        let _ = Unlocked.write_all(lines);
    }
}

/// The form of the process's lines, where there is output.
pub(crate) fn output() -> Option<Environment> {
    OUTPUT.get().copied()
}

/// Standard error, behind the lines that wait.
struct StandardError;

impl io::Write for StandardError {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        write_waiting();
        Unlocked.write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Standard error without the lock that std puts around it: a line is one write(2), and threads that
/// answer requests need not wait for each other's.
struct Unlocked;

impl io::Write for Unlocked {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(rustix::stdio::stderr(), lines)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
