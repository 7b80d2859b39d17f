//! How far behind the replica is said to be, and when what may pass by itself is taken seriously.

#![allow(clippy::unwrap_used)] // what fails here says so by failing

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use replication_checker::gtid::GtidSet;
use replication_checker::observation::{Contact, Differences, Host, Observed, Reading};
use replication_checker::replica_status::{IoThread, ReplicaStatus};
use replication_checker::verdict::{History, Seeing, Severity, Verdict, find_roles, judge};

const ONE: &str = "18237c20-e732-11f1-ba60-02fc00000001";
const TWO: &str = "8a142f3d-e732-11f1-8046-02fc00000001";

/// A pair at an instant; tests change it.
struct Pair {
    status: ReplicaStatus,
    executed: u64,
    has_awaited: bool,
    heartbeats: [Option<i64>; 2],
    offsets_ms: [i64; 2],
    at_s: i64,
}

impl Pair {
    fn new() -> Self {
        Self {
            status: ReplicaStatus {
                source_uuid: Some(ONE.to_owned()),
                io: Some(IoThread::Yes),
                sql_running: Some(true),
                ssl: Some(true),
                ssl_verify: Some(true),
                auto_position: Some(true),
                seconds_behind_source: Some(0),
                sql_delay_s: Some(0),
                ..ReplicaStatus::default()
            },
            executed: 10,
            has_awaited: true,
            heartbeats: [None, None],
            offsets_ms: [0, 0],
            at_s: 0,
        }
    }

    fn judge(&self, history: &History) -> Verdict {
        let host = |at: usize, uuid: &str, read_only: &str, status: Option<ReplicaStatus>| Host {
            name: ["coredb1", "coredb2"][at].to_owned(),
            contact: Contact::Observed(Box::new(Observed {
                version: "9.7.4".to_owned(),
                server_id: None,
                server_uuid: Some(uuid.to_owned()),
                executed: Some(GtidSet::default()),
                purged: Some(GtidSet::default()),
                replica_status: Reading::Known(status),
                variables: Reading::Known(BTreeMap::from(
                    [("read_only", read_only), ("super_read_only", read_only)]
                        .map(|(name, value)| (name.to_owned(), value.to_owned())),
                )),
                certificate_ends: None,
                worker_error: Reading::Known(None),
                heartbeats: self.heartbeats[at]
                    .map(|age| Reading::Known(BTreeMap::from([(ONE.to_owned(), age)]))),
                replicas: Reading::Known(vec![TWO.to_owned()]),
                binlog_file: None,
                clock_offset_ms: Some(self.offsets_ms[at]),
            })),
        };
        let hosts = [
            host(0, ONE, "OFF", None),
            host(1, TWO, "ON", Some(self.status.clone())),
        ];
        let executed = GtidSet::parse(&format!("{ONE}:1-{}", self.executed)).unwrap();
        let seeing = Seeing {
            roles: find_roles(&hosts, None),
            hosts,
            differences: Ok(Differences {
                executed: Some(executed),
                purged: Some(GtidSet::default()),
                missing: Some(GtidSet::default()),
                errant: Some(GtidSet::default()),
                purge_gap: Some(GtidSet::default()),
                not_applied: Some(GtidSet::default()),
                has_awaited: Some(self.has_awaited),
            }),
            expected_delay_s: 0,
            now: Timestamp::UNIX_EPOCH + SignedDuration::from_secs(self.at_s),
        };
        judge(&seeing, history)
    }
}

fn after(verdict: Verdict) -> History {
    History::Known(Box::new(verdict.memory))
}

fn severities(verdict: &Verdict) -> Vec<(&'static str, Severity)> {
    verdict
        .problems
        .iter()
        .map(|problem| (problem.id.as_str(), problem.severity))
        .collect()
}

#[test]
fn null_is_not_zero() {
    let mut pair = Pair::new();
    pair.status.seconds_behind_source = None;
    let lag = pair.judge(&History::Untracked).lag;
    assert_eq!((lag.effective_s, lag.source), (None, None));
}

#[test]
fn the_worst_measure_counts_less_the_delay_that_is_demanded() {
    let mut pair = Pair::new();
    pair.status.seconds_behind_source = Some(3);
    pair.heartbeats = [Some(0), Some(42_000_000)];
    let lag = pair.judge(&History::Untracked).lag;
    assert_eq!(
        (lag.effective_s, lag.source),
        (Some(42.0), Some("heartbeat"))
    );
    pair.status.sql_delay_s = Some(40);
    let lag = pair.judge(&History::Untracked).lag;
    assert_eq!(lag.effective_s, Some(2.0));
}

#[test]
fn lag_is_a_warning_the_second_time_and_data_of_minutes_ago_are_critical_at_once() {
    let mut pair = Pair::new();
    pair.status.seconds_behind_source = Some(6);
    let first = pair.judge(&History::Begins(None));
    assert_eq!(severities(&first), [("lag", Severity::Info)]);
    pair.executed = 11;
    let second = pair.judge(&after(first));
    assert_eq!(severities(&second), [("lag", Severity::Warning)]);
    // Whoever remembers nothing takes it as it is.
    let untracked = pair.judge(&History::Untracked);
    assert_eq!(severities(&untracked), [("lag", Severity::Warning)]);
    pair.status.seconds_behind_source = Some(301);
    let stale = pair.judge(&History::Begins(None));
    assert_eq!(severities(&stale), [("stale_data", Severity::Critical)]);
}

#[test]
fn what_the_primary_had_at_an_earlier_run_is_a_lower_bound_that_grows() {
    let mut pair = Pair::new();
    let mut history = after(pair.judge(&History::Begins(None)));
    for (at_s, stale_s) in [(120, 120.0), (240, 240.0), (360, 360.0)] {
        pair.at_s = at_s;
        pair.executed += 1;
        pair.has_awaited = false;
        let verdict = pair.judge(&history);
        assert_eq!(verdict.lag.stale_at_least_s, Some(stale_s));
        assert_eq!(verdict.lag.source, Some("previous_set"));
        history = after(verdict);
    }
    pair.at_s = 480;
    pair.has_awaited = true;
    let caught_up = pair.judge(&history);
    assert_eq!(caught_up.lag.stale_at_least_s, Some(0.0));
    let History::Known(memory) = after(caught_up) else {
        unreachable!("made from a memory")
    };
    assert_eq!(memory.awaited.unwrap().at.as_second(), 480);
}

#[test]
fn an_idle_primary_is_said_to_be_idle() {
    let pair = Pair::new();
    let history = after(pair.judge(&History::Begins(None)));
    let verdict = pair.judge(&history);
    assert_eq!(severities(&verdict), [("primary_idle", Severity::Info)]);
    assert_eq!(verdict.lag.primary_idle, Some(true));
}

#[test]
fn clocks_that_differ_are_a_problem_of_their_own_and_no_lag() {
    let mut pair = Pair::new();
    // The replica's clock is an hour ahead: the row looks an hour old.
    pair.offsets_ms = [0, 3_600_000];
    pair.heartbeats = [Some(200_000), Some(3_600_300_000)];
    let verdict = pair.judge(&History::Untracked);
    assert_eq!(severities(&verdict), [("clock_skew", Severity::Warning)]);
    assert!((verdict.lag.heartbeat_s.unwrap() - 0.3).abs() < 0.001);
}

#[test]
fn a_heartbeat_that_nobody_writes_is_no_lag() {
    let mut pair = Pair::new();
    pair.heartbeats = [Some(86_400_000_000), Some(86_400_000_000)];
    let verdict = pair.judge(&History::Untracked);
    assert_eq!(severities(&verdict), [("check_degraded", Severity::Info)]);
    assert_eq!(verdict.lag.heartbeat_s, None);
}

#[test]
fn connecting_is_critical_the_second_time_and_since_stays() {
    let mut pair = Pair::new();
    pair.status.io = Some(IoThread::Connecting);
    pair.status.seconds_behind_source = None;
    let first = pair.judge(&History::Begins(None));
    assert_eq!(severities(&first), [("io_connecting", Severity::Warning)]);
    pair.at_s = 120;
    pair.executed += 1;
    let second = pair.judge(&after(first));
    assert_eq!(severities(&second), [("io_connecting", Severity::Critical)]);
    let seen = second.seen["io_connecting@coredb2"];
    assert_eq!((seen.since, seen.runs), (Timestamp::UNIX_EPOCH, 2));
}
