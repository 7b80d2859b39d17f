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
    /// The lines of requests that this thread has not written yet; `None` where it would not.
    static WAITING: RefCell<Option<Waiting>> = const { RefCell::new(None) };
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
    let filter = filter(lookup)?;
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

/// Whether [`init`] can read what it is told, for a check before a start. Sets nothing.
///
/// # Errors
/// `RUST_LOG` cannot be read.
pub fn check(lookup: Lookup<'_>) -> Result<(), SettingsError> {
    filter(lookup).map(drop)
}

fn filter(lookup: Lookup<'_>) -> Result<EnvFilter, SettingsError> {
    let directives = lookup("RUST_LOG").unwrap_or_else(|| "info".to_owned());
    EnvFilter::builder().parse(&directives).map_err(|_| {
        SettingsError::new(
            "setting_invalid",
            "RUST_LOG",
            "is not a list of log levels: write `info`, or `warn,dailey_http=debug`",
        )
    })
}

/// Lets the threads of this runtime gather the lines of requests until they have nothing else to do, or 4 KiB
/// of them: one by one, under load, they are a good part of what everything around a small answer takes. So a line may
/// come a moment after its answer, and a process that is killed has not written the last of each thread. Any
/// other line is written at once, behind those that wait on its thread.
pub fn gather(runtime: &mut tokio::runtime::Builder) -> &mut tokio::runtime::Builder {
    runtime
        .on_thread_start(|| WAITING.set(Some(Waiting::default())))
        .on_thread_park(write_waiting)
        .on_thread_stop(write_waiting)
}

/// The line that `append` adds: written at once, or gathered.
pub(crate) fn line(append: impl FnOnce(&mut Vec<u8>)) {
    WAITING.with_borrow_mut(|waiting| {
        if let Some(waiting) = waiting {
            return waiting.add(append, write);
        }
        let mut line = Vec::new();
        append(&mut line);
        write(&line);
    });
}

fn write_waiting() {
    // A thread that ends may have lost its own already, and one that is adding a line has no other to write.
    let _ = WAITING.try_with(|waiting| {
        if let Ok(mut waiting) = waiting.try_borrow_mut()
            && let Some(waiting) = &mut *waiting
        {
            waiting.end(write);
        }
    });
}

/// A log that cannot be written has nowhere to say so.
fn write(lines: &[u8]) {
    let _ = Unlocked.write_all(lines);
}

/// Whole lines, in the order in which they came.
#[derive(Default)]
struct Waiting(Vec<u8>);

impl Waiting {
    /// Adds a line. What waits is written first where both are more than may.
    fn add(&mut self, append: impl FnOnce(&mut Vec<u8>), write: impl FnOnce(&[u8])) {
        let before = self.0.len();
        append(&mut self.0);
        if before > 0 && self.0.len() > MAX_WAITING_BYTES {
            write(&self.0[..before]);
            self.0.drain(..before);
        }
    }

    fn end(&mut self, write: impl FnOnce(&[u8])) {
        if !self.0.is_empty() {
            write(&self.0);
            self.0.clear();
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_written_in_their_order_in_pieces_that_stay_whole() {
        let line = |length: usize| [vec![b'a'; length - 1], vec![b'\n']].concat();
        let mut waiting = Waiting::default();
        let (mut pieces, mut all) = (Vec::new(), Vec::new());
        for length in [1, 200, 4096, 2, 4095, 300, 300, 5000, 7].repeat(9) {
            all.extend(line(length));
            waiting.add(
                |lines| lines.extend(line(length)),
                |piece| pieces.push(piece.to_vec()),
            );
        }
        waiting.end(|piece| pieces.push(piece.to_vec()));
        waiting.end(|_| panic!("nothing is left"));
        assert!(pieces.concat() == all);
        for piece in &pieces {
            assert_eq!(piece.last(), Some(&b'\n'));
            let lines = piece.split_inclusive(|byte| *byte == b'\n').count();
            assert!(piece.len() <= MAX_WAITING_BYTES || lines == 1);
        }
        assert!(pieces.len() < 9 * 9, "nothing was gathered");
    }
}
