//! The access log: one line for each request, with the route's template in place of its path. No query, no
//! object's key and no token can reach it.
//!
//! The lines have the form of all others and obey `RUST_LOG` under the target `access`. They are written here,
//! since what writes any event with any fields takes longer for it than a small answer may.

use std::fmt::{self, Display};
use std::io::Write as _;
use std::time::Duration;

use dailey_auth::Environment;
use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use tracing::Level;

use crate::logs::{self, StandardError};
use crate::request_id::RequestId;

const TARGET: &str = "access";

/// Room for a usual line.
const LINE_BYTES: usize = 384;

/// What is said of one request. What is `None` is left out.
pub(crate) struct Access<'a> {
    pub(crate) id: &'a RequestId,
    pub(crate) route: &'a str,
    pub(crate) method: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) code: Option<&'static str>,
    pub(crate) subject: Option<&'a str>,
    pub(crate) took: Duration,
}

pub(crate) fn write(access: &Access<'_>) {
    if !tracing::enabled!(target: TARGET, Level::INFO) {
        return;
    }
    let Some(environment) = logs::output() else {
        return;
    };
    let line = Line {
        timestamp: format_args!("{:.6}", Timestamp::now()),
        level: "INFO",
        message: "answered",
        request_id: access.id.as_str(),
        route: access.route,
        method: access.method,
        status: access.status.as_u16(),
        code: access.code,
        subject: access.subject,
        ms: milliseconds(access.took),
        target: TARGET,
    };
    // A log that cannot be written has nowhere to say so.
    let _ = StandardError.write_all(&line.bytes(environment));
}

#[derive(Serialize)]
struct Line<'a> {
    timestamp: fmt::Arguments<'a>,
    level: &'static str,
    message: &'static str,
    request_id: &'a str,
    route: &'a str,
    method: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    ms: f64,
    target: &'static str,
}

impl Line<'_> {
    fn bytes(&self, environment: Environment) -> Vec<u8> {
        let mut line = Vec::with_capacity(LINE_BYTES);
        let written = match environment {
            Environment::Production => {
                serde_json::to_writer(&mut line, self).map_err(std::io::Error::from)
            }
            Environment::Development => write!(line, "{self}"),
        };
        debug_assert!(written.is_ok(), "a Vec takes all");
        line.push(b'\n');
        line
    }
}

impl Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            timestamp,
            level,
            message,
            request_id,
            route,
            method,
            status,
            code,
            subject,
            ms,
            target,
        } = self;
        // Nothing in it needs an escape: names of ours, and ids of letters and digits.
        write!(
            f,
            "{timestamp} {level:>5} {target}: {message} request_id=\"{request_id}\" route=\"{route}\" method=\"{method}\" status={status}"
        )?;
        if let Some(code) = code {
            write!(f, " code=\"{code}\"")?;
        }
        if let Some(subject) = subject {
            write!(f, " subject=\"{subject}\"")?;
        }
        write!(f, " ms={ms:?}")
    }
}

/// To the microsecond.
fn milliseconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1_000_000.0).round() / 1000.0
}
