//! Log output: JSON lines in production, readable text in development, to standard error.

use std::io;
use std::sync::OnceLock;

use dailey_auth::Environment;
use tracing_subscriber::EnvFilter;

use crate::settings::{Lookup, SettingsError};

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

/// The form of the process's lines, where there is output.
pub(crate) fn output() -> Option<Environment> {
    OUTPUT.get().copied()
}

/// Standard error without the lock that std puts around it: a line is one write(2), and threads that
/// answer requests need not wait for each other's.
pub(crate) struct StandardError;

impl io::Write for StandardError {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(rustix::stdio::stderr(), line)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
