//! What a run says: one JSON object with stable fields. What is unknown is null, never left out.

mod build;
mod metrics;
mod text;

use serde::Serialize;

pub use build::{broken, build};
pub use metrics::metrics;
pub use text::text;

use crate::verdict::{Severity, Skipped};

/// The form of the report.
pub const REPORT_SCHEMA: u32 = 1;

/// Longest GTID set in a report, in characters; counts are kept beside it.
pub const MAX_SET_CHARS: usize = 4096;

/// How the servers are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// By ssh, and MySQL's own client there.
    Ssh,
    /// Over TLS.
    Direct,
}

/// The verdict in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All is well.
    Ok,
    /// Something to see to soon.
    Warning,
    /// Something is broken.
    Critical,
    /// Nobody knows.
    Unknown,
}

impl Status {
    /// What the program exits with.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }

    /// As it is written in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Unknown => "unknown",
        }
    }

    fn of(worst: Option<Severity>) -> Self {
        match worst {
            Some(Severity::Critical) => Self::Critical,
            Some(Severity::Unknown) => Self::Unknown,
            Some(Severity::Warning) => Self::Warning,
            Some(Severity::Info) | None => Self::Ok,
        }
    }
}

/// One run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// [`REPORT_SCHEMA`].
    pub schema: u32,
    /// When it began, RFC 3339 with milliseconds.
    pub ts: String,
    /// How long it took.
    pub run_ms: u64,
    /// How the servers were reached.
    pub mode: Option<Mode>,
    /// The verdict.
    pub status: Status,
    /// What the program exits with.
    pub exit_code: u8,
    /// A line for people.
    pub summary: String,
    /// The source.
    pub primary: Option<Primary>,
    /// The replica.
    pub replica: Option<Replica>,
    /// Differences of GTID sets.
    pub gtid: Gtid,
    /// How far behind the replica is.
    pub lag: LagReport,
    /// What is wrong, the worst first.
    pub problems: Vec<ProblemReport>,
    /// Checks that were left out.
    pub skipped: Vec<Skipped>,
}

/// The source.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "named after MySQL's own variables")]
pub struct Primary {
    pub name: String,
    pub reachable: bool,
    pub version: Option<String>,
    pub server_id: Option<u64>,
    pub server_uuid: Option<String>,
    pub read_only: Option<bool>,
    pub gtid_executed: Option<String>,
    pub gtid_purged: Option<String>,
    pub binlog_file: Option<String>,
    pub replica_connected: Option<bool>,
    pub clock_offset_ms: Option<i64>,
    pub cert_not_after: Option<String>,
}

/// The replica.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "named after MySQL's own columns and variables")]
pub struct Replica {
    pub name: String,
    pub reachable: bool,
    pub version: Option<String>,
    pub server_id: Option<u64>,
    pub server_uuid: Option<String>,
    pub read_only: Option<bool>,
    pub super_read_only: Option<bool>,
    pub configured: Option<bool>,
    pub channel: Option<String>,
    pub source_uuid: Option<String>,
    pub io: Option<&'static str>,
    pub io_state: Option<String>,
    pub sql: Option<&'static str>,
    pub sql_state: Option<String>,
    pub io_errno: Option<u32>,
    pub io_error: Option<String>,
    pub sql_errno: Option<u32>,
    pub sql_error: Option<String>,
    pub worker_error: Option<String>,
    pub retry: Retry,
    pub auto_position: Option<bool>,
    pub ssl: Option<bool>,
    pub ssl_verify: Option<bool>,
    pub filters: Option<Vec<String>>,
    pub sql_delay_s: Option<u64>,
    pub relay_log_bytes: Option<u64>,
    pub gtid_executed: Option<String>,
    pub clock_offset_ms: Option<i64>,
    pub cert_not_after: Option<String>,
}

/// Tries to connect.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Retry {
    /// Which try this is, while none has succeeded.
    pub attempt: Option<u64>,
    /// After how many it stops for good.
    pub count: Option<u64>,
    /// Seconds between two.
    pub interval_s: Option<u64>,
}

/// Differences of GTID sets.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Gtid {
    /// What the replica has not.
    pub missing: Option<String>,
    /// How many transactions.
    pub missing_count: Option<u64>,
    /// What the replica has and the source has not.
    pub errant: Option<String>,
    /// How many transactions.
    pub errant_count: Option<u64>,
    /// What the replica needs and the source has purged.
    pub purge_gap: Option<String>,
    /// How many transactions.
    pub purge_gap_count: Option<u64>,
    /// How many transactions were fetched and not applied.
    pub retrieved_not_applied_count: Option<u64>,
}

/// How far behind the replica is.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LagReport {
    /// What MySQL says.
    pub seconds_behind_source: Option<u64>,
    /// Age of the heartbeat row.
    pub heartbeat_s: Option<f64>,
    /// Since when at least something is missing.
    pub stale_at_least_s: Option<f64>,
    /// The worst of them, less the delay that is demanded.
    pub effective_s: Option<f64>,
    /// Which of them.
    pub source: Option<&'static str>,
    /// Whether nothing was written since the last run.
    pub primary_idle: Option<bool>,
}

/// Something that is wrong.
#[derive(Debug, Clone, Serialize)]
pub struct ProblemReport {
    /// Its stable name.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Where; null when it is the check itself.
    pub host: Option<String>,
    /// What was seen.
    pub detail: String,
    /// First seen at.
    pub since: String,
    /// In how many runs, one after the other.
    pub runs: u64,
    /// What to do.
    pub hint: &'static str,
}
