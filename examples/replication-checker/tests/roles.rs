//! Which host is the primary is found out, never assumed from the order in which they are configured.

#![allow(clippy::unwrap_used)] // what fails here says so by failing

use std::collections::BTreeMap;

use replication_checker::gtid::GtidSet;
use replication_checker::observation::{Contact, Host, Observed, Reading};
use replication_checker::replica_status::ReplicaStatus;
use replication_checker::verdict::find_roles;

const ONE: &str = "18237c20-e732-11f1-ba60-02fc00000001";
const TWO: &str = "8a142f3d-e732-11f1-8046-02fc00000001";
const THREE: &str = "9faa4545-e8bc-11f1-a8f7-02fc00000001";

/// A host with its uuid, its source, whether it is read-only, and whose transactions it has.
fn host(uuid: &str, source: Option<&str>, read_only: &str, executed: &[&str]) -> Host {
    let executed = executed
        .iter()
        .map(|uuid| format!("{uuid}:1-9"))
        .collect::<Vec<_>>();
    let status = source.map(|source| ReplicaStatus {
        source_uuid: (!source.is_empty()).then(|| source.to_owned()),
        ..ReplicaStatus::default()
    });
    Host {
        name: uuid.to_owned(),
        contact: Contact::Observed(Box::new(Observed {
            version: "9.7.4".to_owned(),
            server_id: None,
            server_uuid: Some(uuid.to_owned()),
            executed: Some(GtidSet::parse(&executed.join(",")).unwrap()),
            purged: None,
            replica_status: Reading::Known(status),
            variables: Reading::Known(BTreeMap::from([(
                "read_only".to_owned(),
                read_only.to_owned(),
            )])),
            certificate_ends: None,
            worker_error: Reading::Known(None),
            heartbeats: None,
            replicas: Reading::Known(Vec::new()),
            binlog_file: None,
            clock_offset_ms: None,
        })),
    }
}

fn unreachable(uuid: &str) -> Host {
    Host {
        name: uuid.to_owned(),
        contact: Contact::Unreachable("no answer".to_owned()),
    }
}

/// The name of the replica, when it is found, whichever is configured first.
fn replica(one: &Host, two: &Host, remembered: Option<&str>) -> Option<String> {
    let [forth, back] = [[one, two], [two, one]].map(|order| {
        let hosts = order.map(Clone::clone);
        let roles = find_roles(&hosts, remembered);
        assert_ne!(roles.primary, roles.replica);
        roles.found.then(|| hosts[roles.replica].name.clone())
    });
    assert_eq!(forth, back, "the order matters");
    forth
}

#[test]
fn the_replica_is_the_one_that_names_the_other_as_its_source() {
    let primary = host(ONE, None, "OFF", &[ONE]);
    for replica_host in [
        host(TWO, Some(ONE), "ON", &[ONE]),
        // Takes writes, follows another, has never reached its source.
        host(TWO, Some(ONE), "OFF", &[ONE, TWO]),
        host(TWO, Some(THREE), "ON", &[]),
        host(TWO, Some(""), "ON", &[]),
    ] {
        assert_eq!(replica(&primary, &replica_host, None).as_deref(), Some(TWO));
    }
    // An old primary that still has a source of its own, which is gone.
    let promoted = host(ONE, Some(THREE), "OFF", &[ONE, THREE]);
    let follower = host(TWO, Some(ONE), "ON", &[ONE, THREE]);
    assert_eq!(replica(&promoted, &follower, None).as_deref(), Some(TWO));
}

#[test]
fn without_a_source_it_is_the_one_that_takes_no_writes_or_has_the_others_transactions() {
    let primary = host(ONE, None, "OFF", &[ONE]);
    for replica_host in [
        host(TWO, None, "ON", &[]),
        host(TWO, None, "OFF", &[ONE]),
        host(TWO, None, "OFF", &[ONE, TWO]),
        unreachable(TWO),
    ] {
        assert_eq!(replica(&primary, &replica_host, None).as_deref(), Some(TWO));
    }
    let replica_host = host(TWO, Some(ONE), "ON", &[ONE]);
    assert_eq!(
        replica(&unreachable(ONE), &replica_host, None).as_deref(),
        Some(TWO)
    );
}

#[test]
fn what_nobody_can_tell_is_remembered_or_not_known() {
    let strangers = [
        host(ONE, None, "OFF", &[ONE]),
        host(TWO, None, "OFF", &[TWO]),
    ];
    let silent = [unreachable(ONE), unreachable(TWO)];
    for [one, two] in [strangers, silent] {
        assert_eq!(replica(&one, &two, None), None);
        assert_eq!(replica(&one, &two, Some(ONE)).as_deref(), Some(ONE));
        assert_eq!(replica(&one, &two, Some("somebody else")), None);
    }
}
