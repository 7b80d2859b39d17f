//! Is it replicating, from the right source, everything and nothing else?

use super::{Findings, ProblemId, Seeing};
use crate::observation::{Contact, Observed, Reading};
use crate::replica_status::{IoThread, ReplicaStatus};
use crate::scrub::bounded;

/// Tries to connect must reach at least this long.
const RETRY_BUDGET_S: u64 = 60 * 60;

/// Longest GTID set in a detail, in characters; reports hold more.
const DETAIL_CHARS: usize = 200;

pub(super) fn judge(seeing: &Seeing, findings: &mut Findings) {
    sources(seeing, findings);
    if let Some(replica) = seeing.replica().observed() {
        match &replica.replica_status {
            Reading::Known(Some(status)) => {
                threads(seeing, replica, status, findings);
                channel(seeing, status, findings);
            }
            Reading::Known(None) => not_a_replica(seeing, replica, findings),
            Reading::Unknown(reason) => findings.add(
                ProblemId::CheckIncomplete,
                &seeing.replica().name,
                format!("SHOW REPLICA STATUS: {reason}"),
            ),
        }
    }
    sets(seeing, findings);
    connected(seeing, findings);
}

/// Are these two a pair at all?
fn sources(seeing: &Seeing, findings: &mut Findings) {
    let Some((primary, replica)) = seeing.both() else {
        return;
    };
    let (Some(primary_uuid), Some(replica_uuid)) = (&primary.server_uuid, &replica.server_uuid)
    else {
        return;
    };
    if primary_uuid == replica_uuid {
        findings.add(
            ProblemId::SameServerUuid,
            &seeing.replica().name,
            format!("both are {primary_uuid}"),
        );
    } else if let Some(source) = replica
        .status()
        .and_then(|status| status.source_uuid.as_ref())
        && source != primary_uuid
    {
        findings.add(
            ProblemId::WrongSource,
            &seeing.replica().name,
            format!(
                "its source is {source}, and {} is {primary_uuid}",
                seeing.primary().name
            ),
        );
    }
}

fn not_a_replica(seeing: &Seeing, replica: &Observed, findings: &mut Findings) {
    findings.add(
        ProblemId::NotAReplica,
        &seeing.replica().name,
        "SHOW REPLICA STATUS has no row",
    );
    let writable = |host: Option<&Observed>| host.and_then(|host| host.switch("read_only"));
    if writable(Some(replica)) == Some(false)
        && writable(seeing.primary().observed()) == Some(false)
    {
        findings.add(
            ProblemId::BothWritable,
            &seeing.replica().name,
            "neither follows the other, and both take writes",
        );
    }
}

fn threads(seeing: &Seeing, replica: &Observed, status: &ReplicaStatus, findings: &mut Findings) {
    let name = &seeing.replica().name;
    let io_detail = || {
        error_detail(
            status.io_errno,
            &status.io_error,
            "stopped, without an error",
        )
    };
    match status.io {
        Some(IoThread::Yes) => {}
        Some(IoThread::No) => findings.add(ProblemId::IoStopped, name, io_detail()),
        Some(IoThread::Connecting) => {
            let detail = error_detail(status.io_errno, &status.io_error, &status.io_state);
            findings.add(ProblemId::IoConnecting, name, detail);
        }
        None => findings.add(
            ProblemId::CheckIncomplete,
            name,
            "Replica_IO_Running cannot be read",
        ),
    }
    match status.sql_running {
        Some(true) => {}
        Some(false) => {
            let detail = match replica.worker_error.known() {
                Some(Some(worker)) => error_detail(status.sql_errno, worker, ""),
                _ => error_detail(
                    status.sql_errno,
                    &status.sql_error,
                    "stopped, without an error",
                ),
            };
            findings.add(ProblemId::SqlStopped, name, detail);
        }
        None => findings.add(
            ProblemId::CheckIncomplete,
            name,
            "Replica_SQL_Running cannot be read",
        ),
    }
    if let Some(reason) = replica.worker_error.reason() {
        findings.degrade("worker_error", reason);
    }
    for state in [&status.io_state, &status.sql_state] {
        if state.to_ascii_lowercase().contains("disk space") {
            findings.add(ProblemId::DiskWait, name, state);
            break;
        }
    }
}

fn channel(seeing: &Seeing, status: &ReplicaStatus, findings: &mut Findings) {
    let name = &seeing.replica().name;
    match (status.ssl, status.ssl_verify) {
        (Some(true), Some(true)) => {}
        (Some(true), _) => findings.add(
            ProblemId::SslNotVerified,
            name,
            "Source_SSL_Verify_Server_Cert is not Yes",
        ),
        _ => findings.add(
            ProblemId::NotEncrypted,
            name,
            "Source_SSL_Allowed is not Yes",
        ),
    }
    retry_budget(name, status, findings);
    if !status.filters.is_empty() {
        findings.add(ProblemId::FiltersSet, name, status.filters.join("; "));
    }
    if status.auto_position != Some(true) {
        findings.add(ProblemId::AutoPositionOff, name, "Auto_Position is not 1");
    }
    match status.sql_delay_s {
        Some(0) | None => {}
        Some(delay) if delay == seeing.expected_delay_s => {
            findings.add(
                ProblemId::IntendedDelay,
                name,
                format!("{delay} s, as announced"),
            );
        }
        Some(delay) => findings.add(ProblemId::DelayUnexpected, name, format!("{delay} s")),
    }
}

fn retry_budget(name: &str, status: &ReplicaStatus, findings: &mut Findings) {
    let (Some(count), Some(interval)) = (status.retry_count, status.connect_retry_s) else {
        return;
    };
    let budget_s = count.saturating_mul(interval);
    // MySQL takes 0 for "for ever".
    let is_short = count != 0 && budget_s < RETRY_BUDGET_S;
    let attempt = status.retry_attempt();
    let is_late = count != 0 && attempt.is_some_and(|attempt| attempt >= count.div_ceil(2));
    if is_short || is_late {
        let tried = attempt.map_or(String::new(), |attempt| format!(", at try {attempt}"));
        findings.add(
            ProblemId::RetryBudget,
            name,
            format!("{count} tries {interval} s apart{tried}"),
        );
    }
}

fn sets(seeing: &Seeing, findings: &mut Findings) {
    let Some((primary, _)) = seeing.both() else {
        for host in &seeing.hosts {
            let why = match host.contact {
                Contact::Observed(_) => continue,
                Contact::Unreachable(_) => "is unreachable",
                Contact::Unsupported(_) => "is not supported",
            };
            for check in ["errant_gtids", "purge_gap"] {
                findings.skip(check, format!("{} {why}", host.name));
            }
        }
        return;
    };
    if !seeing.roles.found {
        for check in ["errant_gtids", "purge_gap"] {
            findings.skip(check, "nobody knows which of the two is the primary");
        }
        return;
    }
    let name = &seeing.replica().name;
    let unknown = |findings: &mut Findings, reason: &str| {
        findings.add(
            ProblemId::CheckIncomplete,
            name,
            format!("differences of GTID sets: {reason}"),
        );
    };
    let differences = match &seeing.differences {
        Ok(differences) => differences,
        Err(reason) => return unknown(findings, reason),
    };
    let (Some(errant), Some(purge_gap), Some(missing)) = (
        &differences.errant,
        &differences.purge_gap,
        &differences.missing,
    ) else {
        return unknown(findings, "an answer is not a GTID set");
    };
    let primary_uuid = primary.server_uuid.as_deref().unwrap_or_default();
    let (of_primary, of_others) = errant.split_by_server(primary_uuid);
    for (id, set) in [
        (ProblemId::ErrantGtids, of_others),
        (ProblemId::SourceAheadLost, of_primary),
    ] {
        if !set.is_empty() {
            let count = set.count();
            let shown = bounded(set.as_str(), DETAIL_CHARS);
            findings.add(id, name, format!("{count} transactions: {shown}"));
        }
    }
    if !purge_gap.is_empty() {
        let count = purge_gap.count();
        let shown = bounded(purge_gap.as_str(), DETAIL_CHARS);
        findings.add(
            ProblemId::PurgeGap,
            name,
            format!("{count} transactions: {shown}"),
        );
    }
    super::configuration::purge_horizon(seeing, primary, differences, missing.count(), findings);
}

fn connected(seeing: &Seeing, findings: &mut Findings) {
    let Some((primary, replica)) = seeing.both() else {
        return;
    };
    match &primary.replicas {
        Reading::Unknown(_) => findings.skip(
            "no_replica_connected",
            "SHOW REPLICAS needs REPLICATION SLAVE, which lets an account read every row",
        ),
        Reading::Known(connected) => {
            let believes = replica
                .status()
                .is_some_and(|status| status.io == Some(IoThread::Yes));
            let is_there = replica
                .server_uuid
                .as_ref()
                .is_some_and(|uuid| connected.contains(uuid));
            if believes && !is_there {
                findings.add(
                    ProblemId::NoReplicaConnected,
                    &seeing.primary().name,
                    format!("{} is not in SHOW REPLICAS", seeing.replica().name),
                );
            }
        }
    }
}

/// `1062: …`, or what is said when there is no error.
fn error_detail(number: Option<u32>, text: &str, otherwise: &str) -> String {
    match number {
        Some(number) if number != 0 => format!("{number}: {text}"),
        _ if text.is_empty() => otherwise.to_owned(),
        _ => text.to_owned(),
    }
}
