//! The access log: one line for each request, with the route's template in place of its path. No query, no
//! object's key and no token can reach it.
//!
//! The lines have the form of all others and obey `RUST_LOG` under the target `access`. They are written here,
//! since what writes any event with any fields takes longer for it than a small answer may, and gathered where
//! the runtime allows it ([`logs::gather`]).

use std::cell::Cell;
use std::io::Write as _;
use std::time::Duration;

use dailey_auth::Environment;
use http::StatusCode;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use tracing::Level;

use crate::logs;
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
    let stamp = Stamp::of(Timestamp::now());
    let line = Line {
        timestamp: stamp.as_str(),
        level: "INFO",
        message: "answered",
        request_id: access.id.as_str(),
        route: access.route,
        method: access.method,
        status: access.status,
        code: access.code,
        subject: access.subject,
        ms: Milliseconds::of(access.took),
        target: TARGET,
    };
    logs::line(|lines| line.append_to(lines, environment));
}

#[derive(Serialize)]
struct Line<'a> {
    timestamp: &'a str,
    level: &'static str,
    message: &'static str,
    request_id: &'a str,
    route: &'a str,
    method: &'static str,
    #[serde(serialize_with = "as_number")]
    status: StatusCode,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    ms: Milliseconds,
    target: &'static str,
}

impl Line<'_> {
    fn append_to(&self, lines: &mut Vec<u8>, environment: Environment) {
        lines.reserve(LINE_BYTES);
        match environment {
            Environment::Production => {
                let written = serde_json::to_writer(&mut *lines, self);
                debug_assert!(written.is_ok(), "a Vec takes all");
            }
            Environment::Development => self.append_text_to(lines),
        }
        lines.push(b'\n');
    }

    /// Nothing in it needs an escape: names of ours, and ids of letters and digits.
    fn append_text_to(&self, lines: &mut Vec<u8>) {
        let pieces = [
            self.timestamp,
            "  ",
            self.level,
            " ",
            self.target,
            ": ",
            self.message,
            " request_id=\"",
            self.request_id,
            "\" route=\"",
            self.route,
            "\" method=\"",
            self.method,
            "\" status=",
            self.status.as_str(),
        ];
        for piece in pieces {
            lines.extend(piece.as_bytes());
        }
        for (start, value) in [(" code=\"", self.code), (" subject=\"", self.subject)] {
            for piece in value
                .map(|value| [start, value, "\""])
                .into_iter()
                .flatten()
            {
                lines.extend(piece.as_bytes());
            }
        }
        let Milliseconds { micros } = self.ms;
        let _ = write!(lines, " ms={}.{:03}", micros / 1000, micros % 1000);
    }
}

// By reference: the shape that serde wants.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn as_number<S: Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

/// A time as text, to the microsecond: `2026-11-30T14:22:38.123456Z`.
struct Stamp([u8; STAMP_BYTES]);

const STAMP_BYTES: usize = 27;

/// Of these, how many are the same for a second.
const SECOND_BYTES: usize = 19;

thread_local! {
    /// The last second that this thread wrote, since most lines are of the same one as the line before.
    static LAST: Cell<(i64, [u8; SECOND_BYTES])> = const { Cell::new((i64::MIN, [0; SECOND_BYTES])) };
}

impl Stamp {
    fn of(time: Timestamp) -> Self {
        let micros = time.as_microsecond();
        let (second, fraction) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
        let mut stamp = [b'Z'; STAMP_BYTES];
        stamp[..SECOND_BYTES].copy_from_slice(&start_of(second));
        stamp[SECOND_BYTES] = b'.';
        let mut rest = fraction.unsigned_abs();
        for digit in stamp[SECOND_BYTES + 1..STAMP_BYTES - 1].iter_mut().rev() {
            *digit = b"0123456789"[usize::try_from(rest % 10).unwrap_or_default()];
            rest /= 10;
        }
        Self(stamp)
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

fn start_of(second: i64) -> [u8; SECOND_BYTES] {
    let (last, start) = LAST.get();
    if second == last {
        return start;
    }
    let text = Timestamp::from_second(second).map_or(String::new(), |time| time.to_string());
    let start = text.as_bytes().first_chunk().copied();
    let start = start.unwrap_or([b'-'; SECOND_BYTES]);
    LAST.set((second, start));
    start
}

/// To the microsecond.
#[derive(Clone, Copy)]
struct Milliseconds {
    micros: u64,
}

impl Milliseconds {
    fn of(took: Duration) -> Self {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        Self { micros }
    }
}

impl Serialize for Milliseconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Exact for as long as nobody waits 285 years.
        #[allow(clippy::cast_precision_loss)]
        serializer.serialize_f64(self.micros as f64 / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_the_time_to_the_microsecond() {
        for text in [
            "2026-11-30T14:22:38.123456Z",
            "2026-11-30T14:22:38.000001Z",
            "2026-11-30T14:22:37.999999Z",
            "2026-12-01T00:00:00.000000Z",
            "1969-12-31T23:59:59.500000Z",
        ] {
            let time: Timestamp = text.parse().unwrap();
            assert_eq!(Stamp::of(time).as_str(), text);
            assert_eq!(Stamp::of(time).as_str(), format!("{time:.6}"));
        }
    }

    fn line(code: Option<&'static str>, subject: Option<&'static str>) -> Line<'static> {
        Line {
            timestamp: "2026-11-30T14:22:38.123456Z",
            level: "INFO",
            message: "answered",
            request_id: "id",
            route: "/a/{*key}",
            method: "GET",
            status: StatusCode::NOT_FOUND,
            code,
            subject,
            ms: Milliseconds { micros: 1250 },
            target: TARGET,
        }
    }

    #[test]
    fn a_line_is_text_or_json_and_leaves_out_what_is_not_known() {
        let text = |line: &Line<'_>, environment| {
            let mut bytes = Vec::new();
            line.append_to(&mut bytes, environment);
            String::from_utf8(bytes).unwrap()
        };
        let (whole, bare) = (line(Some("not_found"), Some("ab")), line(None, None));
        let start = "2026-11-30T14:22:38.123456Z  INFO access: answered request_id=\"id\" route=\"/a/{*key}\" method=\"GET\" status=404";
        assert_eq!(
            text(&whole, Environment::Development),
            format!("{start} code=\"not_found\" subject=\"ab\" ms=1.250\n")
        );
        assert_eq!(
            text(&bare, Environment::Development),
            format!("{start} ms=1.250\n")
        );
        let json =
            |line| serde_json::from_str::<serde_json::Value>(&text(line, Environment::Production));
        let whole = json(&whole).unwrap();
        assert_eq!(
            (&whole["status"], &whole["code"]),
            (&404.into(), &"not_found".into())
        );
        let bare = json(&bare).unwrap();
        assert!(bare.get("code").is_none() && bare.get("subject").is_none());
        assert_eq!(bare["ms"], 1.25);
        assert_eq!(bare["timestamp"], "2026-11-30T14:22:38.123456Z");
    }
}
