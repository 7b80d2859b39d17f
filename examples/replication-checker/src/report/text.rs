//! The report for people: who follows whom, how far behind, and what is wrong.

use std::fmt::Write as _;

use super::{Primary, Replica, Report};
use crate::scrub::bounded;

/// The picture, with a line break at its end.
pub fn text(report: &Report) -> String {
    let mut picture = String::new();
    let mode = report.mode.map_or("", |mode| match mode {
        super::Mode::Ssh => "  by ssh",
        super::Mode::Direct => "  direct",
    });
    let _ = writeln!(
        picture,
        "{}  {}{mode}, {} ms",
        report.status.as_str().to_uppercase(),
        report.ts,
        report.run_ms
    );
    if let (Some(primary), Some(replica)) = (&report.primary, &report.replica) {
        let _ = write!(
            picture,
            "\n  {}\n     │  {}\n     ▼  {}\n  {}\n",
            primary_line(primary),
            link(replica),
            behind(report),
            replica_line(replica)
        );
    }
    if !report.problems.is_empty() {
        picture.push('\n');
    }
    for problem in &report.problems {
        let host = problem.host.as_deref().unwrap_or("the check");
        let _ = writeln!(
            picture,
            "  {:<8}  {} on {host}: {}",
            problem.severity.as_str(),
            problem.id,
            bounded(&problem.detail, 200)
        );
        let _ = writeln!(picture, "            → {}", problem.hint);
        if problem.runs > 1 {
            let _ = writeln!(
                picture,
                "            since {}, {} runs",
                problem.since, problem.runs
            );
        }
    }
    for skipped in &report.skipped {
        let _ = writeln!(
            picture,
            "  left out  {}: {}",
            skipped.check,
            bounded(&skipped.reason, 100)
        );
    }
    picture
}

fn primary_line(primary: &Primary) -> String {
    let state = match (primary.reachable, primary.read_only) {
        (false, _) => "unreachable",
        (true, Some(false)) => "takes writes",
        (true, Some(true)) => "READ-ONLY",
        (true, None) => "?",
    };
    let version = primary.version.as_deref().unwrap_or("?");
    let file = primary.binlog_file.as_deref().unwrap_or("");
    format!(
        "{}  primary  MySQL {version}  {state}  {file}",
        primary.name
    )
    .trim_end()
    .to_owned()
}

fn replica_line(replica: &Replica) -> String {
    let state = match (
        replica.reachable,
        replica.read_only,
        replica.super_read_only,
    ) {
        (false, ..) => "unreachable",
        (true, Some(true), Some(true)) => "read-only",
        (true, Some(true), _) => "read-only, but not for administrators",
        (true, Some(false), _) => "TAKES WRITES",
        (true, None, _) => "?",
    };
    let version = replica.version.as_deref().unwrap_or("?");
    format!("{}  replica  MySQL {version}  {state}", replica.name)
}

fn link(replica: &Replica) -> String {
    if replica.configured == Some(false) {
        return "no replication is configured".to_owned();
    }
    let tls = match (replica.ssl, replica.ssl_verify) {
        (Some(true), Some(true)) => "TLS, verified",
        (Some(true), _) => "TLS, not verified",
        (Some(false), _) => "NOT ENCRYPTED",
        (None, _) => "TLS ?",
    };
    format!(
        "fetches: {}   applies: {}   {tls}",
        replica.io.unwrap_or("?"),
        replica.sql.unwrap_or("?")
    )
}

fn behind(report: &Report) -> String {
    let count = |count: Option<u64>| count.map_or("?".to_owned(), |count| count.to_string());
    let lag = match (report.lag.effective_s, report.lag.source) {
        (Some(seconds), Some(source)) => format!("{seconds:.1} s behind ({source})"),
        _ => "lag unknown".to_owned(),
    };
    format!(
        "{lag}   missing: {}   errant: {}",
        count(report.gtid.missing_count),
        count(report.gtid.errant_count)
    )
}
