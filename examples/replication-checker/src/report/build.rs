//! A verdict and what was seen, as a report. Everything that others wrote passes the scrubber.

use jiff::Timestamp;

use super::{
    Gtid, LagReport, MAX_SET_CHARS, Mode, Primary, ProblemReport, REPORT_SCHEMA, Replica, Report,
    Retry, Status,
};
use crate::gtid::GtidSet;
use crate::observation::{Contact, Host, Observed, Reading};
use crate::replica_status::IoThread;
use crate::scrub::{Scrub, bounded};
use crate::verdict::{ProblemId, Seeing, Severity, Skipped, Verdict, worst};

/// Makes the report.
pub fn build(seeing: &Seeing, verdict: &Verdict, mode: Mode, run_ms: u64, scrub: &Scrub) -> Report {
    let status = Status::of(worst(&verdict.problems));
    let problems: Vec<ProblemReport> = verdict
        .problems
        .iter()
        .map(|problem| {
            let seen = verdict.seen.get(&problem.key());
            ProblemReport {
                id: problem.id.as_str(),
                severity: problem.severity,
                host: Some(problem.host.clone()),
                detail: scrub.text(&problem.detail),
                since: instant(seen.map_or(seeing.now, |seen| seen.since)),
                runs: seen.map_or(1, |seen| seen.runs),
                hint: problem.id.hint(),
            }
        })
        .collect();
    Report {
        schema: REPORT_SCHEMA,
        ts: instant(seeing.now),
        run_ms,
        mode: Some(mode),
        status,
        exit_code: status.exit_code(),
        summary: summary(seeing, verdict, &problems),
        primary: Some(primary(seeing, scrub)),
        replica: Some(replica(seeing, scrub)),
        gtid: gtid(seeing),
        lag: LagReport {
            seconds_behind_source: verdict.lag.seconds_behind_source,
            heartbeat_s: verdict.lag.heartbeat_s.map(tenths),
            stale_at_least_s: verdict.lag.stale_at_least_s.map(tenths),
            effective_s: verdict.lag.effective_s.map(tenths),
            source: verdict.lag.source,
            primary_idle: verdict.lag.primary_idle,
        },
        problems,
        skipped: verdict
            .skipped
            .iter()
            .map(|skipped| Skipped {
                check: skipped.check.clone(),
                reason: scrub.text(&skipped.reason),
            })
            .collect(),
    }
}

/// The report of a run that could not even look.
pub fn broken(id: ProblemId, detail: &str, mode: Option<Mode>, now: Timestamp) -> Report {
    let status = Status::of(Some(id.severity()));
    Report {
        schema: REPORT_SCHEMA,
        ts: instant(now),
        run_ms: 0,
        mode,
        status,
        exit_code: status.exit_code(),
        summary: id.as_str().to_owned(),
        primary: None,
        replica: None,
        gtid: Gtid::default(),
        lag: LagReport::default(),
        problems: vec![ProblemReport {
            id: id.as_str(),
            severity: id.severity(),
            host: None,
            detail: detail.to_owned(),
            since: instant(now),
            runs: 1,
            hint: id.hint(),
        }],
        skipped: Vec::new(),
    }
}

fn instant(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// To a tenth: more would pretend to be known.
fn tenths(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}

fn summary(seeing: &Seeing, verdict: &Verdict, problems: &[ProblemReport]) -> String {
    let shown: Vec<String> = problems
        .iter()
        .filter(|problem| problem.severity != Severity::Info)
        .map(|problem| match &problem.host {
            Some(host) => format!("{} on {host}", problem.id),
            None => problem.id.to_owned(),
        })
        .collect();
    if !shown.is_empty() {
        return bounded(&shown.join("; "), crate::scrub::MAX_TEXT_CHARS);
    }
    let behind = verdict
        .lag
        .effective_s
        .map_or("an unknown time".to_owned(), |seconds| {
            format!("{seconds:.1} s")
        });
    format!(
        "{} follows {}, {behind} behind",
        seeing.hosts[seeing.roles.replica].name, seeing.hosts[seeing.roles.primary].name
    )
}

fn capped(set: Option<&GtidSet>) -> Option<String> {
    set.map(|set| bounded(set.as_str(), MAX_SET_CHARS))
}

fn certificate(observed: Option<&Observed>) -> Option<String> {
    observed?.certificate_ends.map(instant)
}

fn reachable(host: &Host) -> bool {
    !matches!(host.contact, Contact::Unreachable(_))
}

fn version(observed: Option<&Observed>, scrub: &Scrub) -> Option<String> {
    observed.map(|host| scrub.text(&host.version))
}

fn primary(seeing: &Seeing, scrub: &Scrub) -> Primary {
    let host = &seeing.hosts[seeing.roles.primary];
    let observed = host.observed();
    let differences = seeing.differences.as_ref().ok();
    let replica_uuid = seeing.hosts[seeing.roles.replica]
        .observed()
        .and_then(|replica| replica.server_uuid.as_ref());
    let connected = || {
        let replicas = observed?.replicas.known()?;
        Some(replicas.contains(replica_uuid?))
    };
    Primary {
        name: host.name.clone(),
        reachable: reachable(host),
        version: version(observed, scrub),
        server_id: observed.and_then(|host| host.server_id),
        server_uuid: observed.and_then(|host| scrub.filled(host.server_uuid.as_deref())),
        read_only: observed.and_then(|host| host.switch("read_only")),
        gtid_executed: capped(
            differences
                .and_then(|differences| differences.executed.as_ref())
                .or_else(|| observed?.executed.as_ref()),
        ),
        gtid_purged: capped(
            differences
                .and_then(|differences| differences.purged.as_ref())
                .or_else(|| observed?.purged.as_ref()),
        ),
        binlog_file: observed.and_then(|host| scrub.filled(host.binlog_file.as_deref())),
        replica_connected: connected(),
        clock_offset_ms: observed.and_then(|host| host.clock_offset_ms),
        cert_not_after: certificate(observed),
    }
}

fn replica(seeing: &Seeing, scrub: &Scrub) -> Replica {
    let host = &seeing.hosts[seeing.roles.replica];
    let observed = host.observed();
    let status = observed.and_then(|host| host.status());
    let word = |running: bool| if running { "Yes" } else { "No" };
    let text = |text: fn(&crate::replica_status::ReplicaStatus) -> &String| {
        status.map(|status| scrub.text(text(status)))
    };
    Replica {
        name: host.name.clone(),
        reachable: reachable(host),
        version: version(observed, scrub),
        server_id: observed.and_then(|host| host.server_id),
        server_uuid: observed.and_then(|host| scrub.filled(host.server_uuid.as_deref())),
        read_only: observed.and_then(|host| host.switch("read_only")),
        super_read_only: observed.and_then(|host| host.switch("super_read_only")),
        configured: observed.and_then(|host| match &host.replica_status {
            Reading::Known(status) => Some(status.is_some()),
            Reading::Unknown(_) => None,
        }),
        channel: text(|status| &status.channel),
        source_uuid: status.and_then(|status| scrub.filled(status.source_uuid.as_deref())),
        io: status.and_then(|status| status.io).map(IoThread::as_str),
        io_state: text(|status| &status.io_state),
        sql: status.and_then(|status| status.sql_running).map(word),
        sql_state: text(|status| &status.sql_state),
        io_errno: status.and_then(|status| status.io_errno),
        io_error: status.and_then(|status| scrub.filled(Some(&status.io_error))),
        sql_errno: status.and_then(|status| status.sql_errno),
        sql_error: status.and_then(|status| scrub.filled(Some(&status.sql_error))),
        worker_error: observed
            .and_then(|host| host.worker_error.known())
            .and_then(|error| scrub.filled(error.as_deref())),
        retry: status.map_or_else(Retry::default, |status| Retry {
            attempt: status.retry_attempt(),
            count: status.retry_count,
            interval_s: status.connect_retry_s,
        }),
        auto_position: status.and_then(|status| status.auto_position),
        ssl: status.and_then(|status| status.ssl),
        ssl_verify: status.and_then(|status| status.ssl_verify),
        filters: status.map(|status| status.filters.iter().map(|text| scrub.text(text)).collect()),
        sql_delay_s: status.and_then(|status| status.sql_delay_s),
        relay_log_bytes: status.and_then(|status| status.relay_log_bytes),
        gtid_executed: capped(observed.and_then(|host| host.executed.as_ref())),
        clock_offset_ms: observed.and_then(|host| host.clock_offset_ms),
        cert_not_after: certificate(observed),
    }
}

fn gtid(seeing: &Seeing) -> Gtid {
    let Ok(differences) = &seeing.differences else {
        return Gtid::default();
    };
    let count = |set: &Option<GtidSet>| set.as_ref().map(GtidSet::count);
    Gtid {
        missing: capped(differences.missing.as_ref()),
        missing_count: count(&differences.missing),
        errant: capped(differences.errant.as_ref()),
        errant_count: count(&differences.errant),
        purge_gap: capped(differences.purge_gap.as_ref()),
        purge_gap_count: count(&differences.purge_gap),
        retrieved_not_applied_count: count(&differences.not_applied),
    }
}
