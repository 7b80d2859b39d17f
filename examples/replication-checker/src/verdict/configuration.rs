//! Are the two servers configured so that replication stays sound, and clocks and certificates good?

use jiff::SignedDuration;

use super::{Findings, ProblemId, Seeing};
use crate::observation::{Differences, Host, Observed, version_numbers};

/// A certificate that ends sooner is to be renewed.
const CERTIFICATE_NOTICE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Clocks that differ more spoil ages.
const CLOCK_SKEW_MS: i64 = 2_000;

/// Binary logs must be kept at least this long.
const KEEP_BINLOGS_S: u64 = 24 * 60 * 60;

/// A smaller gap is seconds of work, however little the primary keeps.
const NOTABLE_GAP: u64 = 100;

pub(super) fn judge(seeing: &Seeing, findings: &mut Findings) {
    for host in &seeing.hosts {
        if let Some(observed) = host.observed() {
            if let Some(reason) = observed.variables.reason() {
                findings.add(
                    ProblemId::CheckIncomplete,
                    &host.name,
                    format!("configuration: {reason}"),
                );
            } else {
                both(host, observed, findings);
            }
            time(seeing, host, observed, findings);
        }
    }
    if !seeing.roles.found {
        return;
    }
    if let Some(primary) = seeing.primary().observed() {
        of_primary(&seeing.primary().name, primary, findings);
    }
    if let Some(replica) = seeing.replica().observed() {
        of_replica(&seeing.replica().name, replica, findings);
    }
    if let Some((primary, replica)) = seeing.both() {
        versions(seeing, primary, replica, findings);
    }
}

/// What both must have: each can become the other.
fn both(host: &Host, observed: &Observed, findings: &mut Findings) {
    let name = &host.name;
    for (variable, wanted, id) in [
        ("gtid_mode", "ON", ProblemId::GtidMode),
        ("enforce_gtid_consistency", "ON", ProblemId::GtidMode),
        ("log_bin", "ON", ProblemId::BinlogFormat),
        ("binlog_format", "ROW", ProblemId::BinlogFormat),
        ("binlog_row_image", "FULL", ProblemId::RowImage),
        ("log_replica_updates", "ON", ProblemId::LogReplicaUpdatesOff),
        (
            "require_secure_transport",
            "ON",
            ProblemId::RequireSecureTransportOff,
        ),
        ("sync_binlog", "1", ProblemId::SyncSettings),
        (
            "innodb_flush_log_at_trx_commit",
            "1",
            ProblemId::SyncSettings,
        ),
    ] {
        if let Some(value) = observed.variable(variable)
            && !is(value, wanted)
        {
            findings.add(id, name, format!("{variable} is {value}"));
        }
    }
    if let Some(addresses) = observed.variable("bind_address") {
        let is_local = |address: &str| matches!(address.trim(), "127.0.0.1" | "::1" | "localhost");
        if !addresses.split(',').all(is_local) {
            findings.add(
                ProblemId::BindAddressOpen,
                name,
                format!("bind_address is {addresses}"),
            );
        }
    }
}

fn of_primary(name: &str, primary: &Observed, findings: &mut Findings) {
    if primary.switch("read_only") == Some(true) {
        findings.add(ProblemId::PrimaryReadOnly, name, "read_only is ON");
    }
    if let Some(seconds) = primary
        .variable("binlog_expire_logs_seconds")
        .and_then(|text| text.parse::<u64>().ok())
        // 0 is for ever.
        && (1..KEEP_BINLOGS_S).contains(&seconds)
    {
        findings.add(
            ProblemId::PurgeHorizon,
            name,
            format!("binary logs are kept for {seconds} s"),
        );
    }
}

fn of_replica(name: &str, replica: &Observed, findings: &mut Findings) {
    // Without replication it is said already, and worse.
    match (
        replica.switch("read_only"),
        replica.switch("super_read_only"),
    ) {
        (Some(false), _) if replica.status().is_some() => {
            findings.add(ProblemId::ReplicaWritable, name, "read_only is OFF");
        }
        (Some(true), Some(false)) => {
            findings.add(ProblemId::SuperReadOnlyOff, name, "super_read_only is OFF");
        }
        _ => {}
    }
    if replica.switch("relay_log_recovery") == Some(false) {
        findings.add(
            ProblemId::RelayLogRecoveryOff,
            name,
            "relay_log_recovery is OFF",
        );
    }
    for (variable, wanted) in [
        ("replica_skip_errors", "OFF"),
        ("replica_exec_mode", "STRICT"),
    ] {
        if let Some(value) = replica.variable(variable)
            && !is(value, wanted)
        {
            findings.add(
                ProblemId::SkipErrorsOrIdempotent,
                name,
                format!("{variable} is {value}"),
            );
        }
    }
    if replica.switch("event_scheduler") == Some(true) {
        findings.add(
            ProblemId::EventSchedulerOnReplica,
            name,
            "event_scheduler is ON",
        );
    }
}

fn time(seeing: &Seeing, host: &Host, observed: &Observed, findings: &mut Findings) {
    if let Some(offset) = observed.clock_offset_ms
        && offset.abs() > CLOCK_SKEW_MS
    {
        findings.add(
            ProblemId::ClockSkew,
            &host.name,
            format!("its clock is {offset} ms off this machine's"),
        );
    }
    if let Some(ends) = observed.certificate_ends {
        let left = ends.duration_since(seeing.now);
        if left < CERTIFICATE_NOTICE {
            let days = left.as_hours() / 24;
            let when = if left.is_negative() {
                "ended".to_owned()
            } else {
                format!("ends in {days} days,")
            };
            findings.add(
                ProblemId::CertExpiry,
                &host.name,
                format!("its certificate {when} at {ends}"),
            );
        }
    }
}

fn versions(seeing: &Seeing, primary: &Observed, replica: &Observed, findings: &mut Findings) {
    let (Some(newer), Some(older)) = (
        version_numbers(&primary.version),
        version_numbers(&replica.version),
    ) else {
        return;
    };
    if older < newer {
        findings.add(
            ProblemId::VersionSkew,
            &seeing.replica().name,
            format!("{} follows {}", replica.version, primary.version),
        );
    }
}

/// Whether the primary keeps enough for the replica to catch up while more is written.
pub(super) fn purge_horizon(
    seeing: &Seeing,
    primary: &Observed,
    differences: &Differences,
    missing: u64,
    findings: &mut Findings,
) {
    let (Some(executed), Some(purged)) = (
        differences.executed.as_ref().or(primary.executed.as_ref()),
        differences.purged.as_ref().or(primary.purged.as_ref()),
    ) else {
        return;
    };
    let kept = executed.count().saturating_sub(purged.count());
    if missing >= NOTABLE_GAP
        && !purged.is_empty()
        && kept < missing.saturating_mul(2)
        && !findings.has(ProblemId::PurgeGap)
    {
        findings.add(
            ProblemId::PurgeHorizon,
            &seeing.primary().name,
            format!("it keeps {kept} transactions, and the replica lacks {missing}"),
        );
    }
}

fn is(value: &str, wanted: &str) -> bool {
    match wanted {
        "ON" => matches!(value.to_ascii_uppercase().as_str(), "ON" | "1"),
        "OFF" => matches!(value.to_ascii_uppercase().as_str(), "OFF" | "0" | ""),
        _ => value.eq_ignore_ascii_case(wanted),
    }
}
