//! Which host is the primary and which the replica: found out from what they say, never from the order in
//! which they are configured.

use crate::observation::{Contact, Host};

/// Places of the two hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    /// The primary's.
    pub primary: usize,
    /// The replica's.
    pub replica: usize,
    /// Whether this was found out; if not, it is a guess to have somewhere to put what was seen.
    pub found: bool,
}

/// Finds the roles. `remembered` is the name of the replica at an earlier run.
pub fn find(hosts: &[Host; 2], remembered: Option<&str>) -> Roles {
    let replica_is = |replica: usize, found: bool| Roles {
        primary: 1 - replica,
        replica,
        found,
    };
    let follows = |at: usize| {
        let status = hosts[at].observed().and_then(|host| host.status())?;
        let other = hosts[1 - at].observed()?.server_uuid.as_deref()?;
        let own = hosts[at].observed()?.server_uuid.as_deref();
        Some(status.source_uuid.as_deref() == Some(other) && own != Some(other))
    };
    let has_status = |at: usize| {
        hosts[at]
            .observed()
            .is_some_and(|host| host.status().is_some())
    };
    let read_only = |at: usize| {
        hosts[at]
            .observed()
            .and_then(|host| host.switch("read_only"))
    };

    // Who names the other one as its source.
    match (follows(0) == Some(true), follows(1) == Some(true)) {
        (true, false) => return replica_is(0, true),
        (false, true) => return replica_is(1, true),
        _ => {}
    }
    // Who has a source at all.
    match (has_status(0), has_status(1)) {
        (true, false) => return replica_is(0, true),
        (false, true) => return replica_is(1, true),
        _ => {}
    }
    // Who takes no writes.
    match (read_only(0), read_only(1)) {
        (Some(true), Some(false) | None) => return replica_is(0, true),
        (Some(false) | None, Some(true)) => return replica_is(1, true),
        (Some(false), None) if !is_observed(&hosts[1]) => return replica_is(1, true),
        (None, Some(false)) if !is_observed(&hosts[0]) => return replica_is(0, true),
        _ => {}
    }
    // Who has transactions of the other one, which has none of its.
    match (has_of_other(hosts, 0), has_of_other(hosts, 1)) {
        (Some(true), Some(false)) => return replica_is(0, true),
        (Some(false), Some(true)) => return replica_is(1, true),
        _ => {}
    }
    // What was found at an earlier run.
    match remembered.and_then(|name| hosts.iter().position(|host| host.name == name)) {
        Some(replica) => replica_is(replica, true),
        None => replica_is(1, false),
    }
}

fn has_of_other(hosts: &[Host; 2], at: usize) -> Option<bool> {
    let executed = hosts[at].observed()?.executed.as_ref()?;
    let other = hosts[1 - at].observed()?.server_uuid.as_deref()?;
    let (of_other, _) = executed.split_by_server(other);
    Some(!of_other.is_empty())
}

fn is_observed(host: &Host) -> bool {
    matches!(host.contact, Contact::Observed(_))
}
