//! Log output: JSON lines in production, readable text in development, to standard error.
//!
//! The access log has one line for each request, with the route's template in place of its path:
//! no query, no object's key, no token can reach it.

use std::io;
use std::time::Duration;

use dailey_auth::Environment;
use http::StatusCode;
use tracing_subscriber::EnvFilter;

use crate::request_id::RequestId;
use crate::settings::{Lookup, SettingsError};

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
    // Fails only when output is already set.
    let _ = match environment {
        Environment::Development => output.with_ansi(false).try_init(),
        Environment::Production => output.json().flatten_event(true).try_init(),
    };
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        tracing::error!(%place, "panicked");
    }));
    Ok(())
}

/// Standard error without the lock that std puts around it: a line is one write(2), and threads that
/// answer requests need not wait for each other's.
struct StandardError;

impl io::Write for StandardError {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(rustix::stdio::stderr(), line)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the access log says of one request. What is `None` is left out.
pub(crate) struct Access<'a> {
    pub(crate) id: &'a RequestId,
    pub(crate) route: &'a str,
    pub(crate) method: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) code: Option<&'static str>,
    pub(crate) subject: Option<&'a str>,
    pub(crate) took: Duration,
}

pub(crate) fn access(access: &Access<'_>) {
    let milliseconds = access.took.as_secs_f64() * 1000.0;
    tracing::info!(
        target: "access",
        request_id = access.id.as_str(),
        route = access.route,
        method = access.method,
        status = access.status.as_u16(),
        code = access.code,
        subject = access.subject,
        ms = (milliseconds * 1000.0).round() / 1000.0,
        "answered"
    );
}
