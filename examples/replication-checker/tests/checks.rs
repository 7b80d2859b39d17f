//! Every check has its agreed severity, and each fault of configuration is named alone on a pair that
//! is healthy otherwise. The variables' names are MySQL's.

#![allow(clippy::unwrap_used)] // what fails here says so by failing

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use replication_checker::gtid::GtidSet;
use replication_checker::observation::{Contact, Differences, Host, Observed, Reading};
use replication_checker::replica_status::{IoThread, ReplicaStatus};
use replication_checker::verdict::{History, ProblemId, Seeing, Severity, find_roles, judge};

const ONE: &str = "18237c20-e732-11f1-ba60-02fc00000001";
const TWO: &str = "8a142f3d-e732-11f1-8046-02fc00000001";
const THREE: &str = "3a142f3d-e732-11f1-8046-02fc00000001";

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// As it was agreed on; ours besides are at the end of each line.
const SEVERITIES: [(Severity, &str); 4] = [
    (
        Severity::Critical,
        "host_unreachable not_a_replica io_stopped sql_stopped io_connecting errant_gtids purge_gap \
         source_ahead_lost wrong_source replica_writable stale_data same_server_uuid disk_wait both_writable \
         primary_read_only not_encrypted",
    ),
    (
        Severity::Warning,
        "lag super_read_only_off retry_budget purge_horizon filters_set auto_position_off gtid_mode \
         binlog_format row_image log_replica_updates_off bind_address_open ssl_not_verified \
         require_secure_transport_off cert_expiry relay_log_recovery_off skip_errors_or_idempotent version_skew \
         delay_unexpected event_scheduler_on_replica clock_skew no_replica_connected sync_settings",
    ),
    (Severity::Info, "primary_idle intended_delay check_degraded"),
    (
        Severity::Unknown,
        "check_incomplete unsupported_server already_running",
    ),
];

#[test]
fn every_check_has_its_agreed_severity() {
    let agreed: BTreeMap<&str, Severity> = SEVERITIES
        .iter()
        .flat_map(|(severity, ids)| ids.split_whitespace().map(move |id| (id, *severity)))
        .collect();
    let ours: BTreeMap<&str, Severity> = ProblemId::ALL
        .iter()
        .map(|id| (id.as_str(), id.severity()))
        .collect();
    assert_eq!(ours, agreed);
}

const PRIMARY: usize = 0;
const REPLICA: usize = 1;

/// A pair without a fault; tests spoil one thing.
struct Pair([Observed; 2]);

impl Pair {
    fn healthy() -> Self {
        let status = ReplicaStatus {
            source_uuid: Some(ONE.to_owned()),
            io: Some(IoThread::Yes),
            sql_running: Some(true),
            ssl: Some(true),
            ssl_verify: Some(true),
            auto_position: Some(true),
            seconds_behind_source: Some(0),
            sql_delay_s: Some(0),
            connect_retry_s: Some(60),
            retry_count: Some(86_400),
            ..ReplicaStatus::default()
        };
        Self([
            observed(ONE, "OFF", None),
            observed(TWO, "ON", Some(status)),
        ])
    }

    fn set(&mut self, at: usize, variable: &str, value: &str) {
        if let Reading::Known(variables) = &mut self.0[at].variables {
            variables.insert(variable.to_owned(), value.to_owned());
        }
    }

    fn status(&mut self) -> &mut ReplicaStatus {
        match &mut self.0[REPLICA].replica_status {
            Reading::Known(Some(status)) => status,
            _ => unreachable!("it is a replica"),
        }
    }

    /// Names and hosts of what is wrong or worth knowing; idleness is neither here.
    fn found(self, expected_delay_s: u64) -> BTreeSet<(&'static str, String)> {
        self.found_with(expected_delay_s, |_| {})
    }

    fn found_with(
        self,
        expected_delay_s: u64,
        change: impl FnOnce(&mut Differences),
    ) -> BTreeSet<(&'static str, String)> {
        let [primary, replica] = self.0;
        let host = |name: &str, observed| Host {
            name: name.to_owned(),
            contact: Contact::Observed(Box::new(observed)),
        };
        let hosts = [host("coredb1", primary), host("coredb2", replica)];
        let executed = GtidSet::parse(&format!("{ONE}:1-10")).unwrap();
        let none = || Some(GtidSet::default());
        let mut differences = Differences {
            executed: Some(executed),
            purged: none(),
            missing: none(),
            errant: none(),
            purge_gap: none(),
            not_applied: none(),
            has_awaited: Some(true),
        };
        change(&mut differences);
        let seeing = Seeing {
            roles: find_roles(&hosts, None),
            hosts,
            differences: Ok(differences),
            expected_delay_s,
            now: NOW,
        };
        let problems = judge(&seeing, &History::Untracked).problems;
        problems
            .into_iter()
            .map(|problem| (problem.id.as_str(), problem.host))
            .filter(|(id, _)| !matches!(*id, "primary_idle" | "check_degraded"))
            .collect()
    }
}

fn observed(uuid: &str, read_only: &str, status: Option<ReplicaStatus>) -> Observed {
    let variables = [
        ("gtid_mode", "ON"),
        ("enforce_gtid_consistency", "ON"),
        ("log_bin", "ON"),
        ("binlog_format", "ROW"),
        ("binlog_row_image", "FULL"),
        ("log_replica_updates", "ON"),
        ("sync_binlog", "1"),
        ("innodb_flush_log_at_trx_commit", "1"),
        ("bind_address", "127.0.0.1"),
        ("require_secure_transport", "ON"),
        ("relay_log_recovery", "ON"),
        ("replica_skip_errors", "OFF"),
        ("replica_exec_mode", "STRICT"),
        ("event_scheduler", "OFF"),
        ("binlog_expire_logs_seconds", "2592000"),
        ("read_only", read_only),
        ("super_read_only", read_only),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Observed {
        version: "9.7.4".to_owned(),
        server_id: None,
        server_uuid: Some(uuid.to_owned()),
        executed: Some(GtidSet::default()),
        purged: Some(GtidSet::default()),
        replica_status: Reading::Known(status),
        variables: Reading::Known(variables.into()),
        certificate_ends: Some(NOW + SignedDuration::from_hours(365 * 24)),
        worker_error: Reading::Known(None),
        heartbeats: None,
        replicas: Reading::Known(vec![TWO.to_owned()]),
        binlog_file: None,
        clock_offset_ms: Some(0),
    }
}

#[test]
fn a_variable_that_makes_replication_unsound_is_named_alone_on_its_host() {
    assert_eq!(Pair::healthy().found(0), BTreeSet::new());
    let each = &[PRIMARY, REPLICA][..];
    let table = [
        ("gtid_mode", "OFF_PERMISSIVE", each, "gtid_mode"),
        ("enforce_gtid_consistency", "WARN", each, "gtid_mode"),
        ("log_bin", "OFF", each, "binlog_format"),
        ("binlog_format", "MIXED", each, "binlog_format"),
        ("binlog_row_image", "MINIMAL", each, "row_image"),
        (
            "log_replica_updates",
            "OFF",
            each,
            "log_replica_updates_off",
        ),
        ("bind_address", "*", each, "bind_address_open"),
        ("bind_address", "0.0.0.0", each, "bind_address_open"),
        (
            "bind_address",
            "127.0.0.1,10.0.0.1",
            each,
            "bind_address_open",
        ),
        (
            "require_secure_transport",
            "OFF",
            each,
            "require_secure_transport_off",
        ),
        ("sync_binlog", "0", each, "sync_settings"),
        ("innodb_flush_log_at_trx_commit", "2", each, "sync_settings"),
        ("read_only", "ON", &[PRIMARY], "primary_read_only"),
        (
            "binlog_expire_logs_seconds",
            "86399",
            &[PRIMARY],
            "purge_horizon",
        ),
        ("read_only", "OFF", &[REPLICA], "replica_writable"),
        ("super_read_only", "OFF", &[REPLICA], "super_read_only_off"),
        (
            "relay_log_recovery",
            "OFF",
            &[REPLICA],
            "relay_log_recovery_off",
        ),
        (
            "replica_skip_errors",
            "1062",
            &[REPLICA],
            "skip_errors_or_idempotent",
        ),
        (
            "replica_exec_mode",
            "IDEMPOTENT",
            &[REPLICA],
            "skip_errors_or_idempotent",
        ),
        (
            "event_scheduler",
            "ON",
            &[REPLICA],
            "event_scheduler_on_replica",
        ),
    ];
    for (variable, value, hosts, id) in table {
        for at in hosts {
            let mut pair = Pair::healthy();
            pair.set(*at, variable, value);
            let host = ["coredb1", "coredb2"][*at].to_owned();
            assert_eq!(
                pair.found(0),
                BTreeSet::from([(id, host)]),
                "{variable} = {value}"
            );
        }
    }
    for (variable, value) in [
        ("bind_address", "127.0.0.1,::1"),
        ("binlog_expire_logs_seconds", "0"),
        ("binlog_expire_logs_seconds", "86400"),
    ] {
        let mut pair = Pair::healthy();
        pair.set(PRIMARY, variable, value);
        assert_eq!(pair.found(0), BTreeSet::new(), "{variable} = {value}");
    }
}

#[test]
fn what_two_servers_say_of_each_other_is_held_together() {
    let primary = |id| BTreeSet::from([(id, "coredb1".to_owned())]);
    let replica = |id| BTreeSet::from([(id, "coredb2".to_owned())]);

    let mut pair = Pair::healthy();
    pair.status().source_uuid = Some(THREE.to_owned());
    assert_eq!(pair.found(0), replica("wrong_source"));

    let mut pair = Pair::healthy();
    pair.0[PRIMARY].replicas = Reading::Known(vec![THREE.to_owned()]);
    assert_eq!(pair.found(0), primary("no_replica_connected"));

    let mut pair = Pair::healthy();
    pair.0[REPLICA].version = "9.7.3".to_owned();
    assert_eq!(pair.found(0), replica("version_skew"));
    let mut pair = Pair::healthy();
    pair.0[PRIMARY].version = "9.7.3-1".to_owned();
    assert_eq!(pair.found(0), BTreeSet::new(), "a newer replica is right");

    let mut pair = Pair::healthy();
    pair.status().sql_delay_s = Some(3600);
    assert_eq!(pair.found(0), replica("delay_unexpected"));
    let mut pair = Pair::healthy();
    pair.status().sql_delay_s = Some(3600);
    assert_eq!(pair.found(3600), replica("intended_delay"));
}

#[test]
fn certificates_and_clocks_are_told_from_their_bound_on() {
    for (at, host) in [(PRIMARY, "coredb1"), (REPLICA, "coredb2")] {
        let of = |id| BTreeSet::from([(id, host.to_owned())]);
        for (hours_left, expected) in [
            (30 * 24, BTreeSet::new()),
            (30 * 24 - 1, of("cert_expiry")),
            (-1, of("cert_expiry")),
        ] {
            let mut pair = Pair::healthy();
            pair.0[at].certificate_ends = Some(NOW + SignedDuration::from_hours(hours_left));
            assert_eq!(pair.found(0), expected, "{hours_left} h");
        }
        for (offset_ms, expected) in [
            (2000, BTreeSet::new()),
            (2001, of("clock_skew")),
            (-2001, of("clock_skew")),
        ] {
            let mut pair = Pair::healthy();
            pair.0[at].clock_offset_ms = Some(offset_ms);
            assert_eq!(pair.found(0), expected, "{offset_ms} ms");
        }
    }
}

#[test]
fn a_source_that_keeps_less_than_twice_what_the_replica_lacks_is_near_its_horizon() {
    let horizon = || BTreeSet::from([("purge_horizon", "coredb1".to_owned())]);
    for (purged, lacking, expected) in [
        (0, 1000, BTreeSet::new()),
        (800, 100, BTreeSet::new()),
        (801, 100, horizon()),
        (900, 99, BTreeSet::new()),
        (900, 100, horizon()),
    ] {
        let up_to = |last: u64| match last {
            0 => GtidSet::default(),
            last => GtidSet::parse(&format!("{ONE}:1-{last}")).unwrap(),
        };
        let found = Pair::healthy().found_with(0, |differences| {
            differences.executed = Some(up_to(1000));
            differences.purged = Some(up_to(purged));
            differences.missing = Some(up_to(lacking));
        });
        assert_eq!(found, expected, "{purged} purged, {lacking} missing");
    }
}
