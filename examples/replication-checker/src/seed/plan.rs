//! May this target be erased and seeded from this source, and how? Decided before anything is touched.

use crate::gtid::GtidSet;

/// How the data gets over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// MySQL's clone plugin: pages of the data files.
    Clone,
    /// `mysqldump` into `mysql`.
    Dump,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// `server_uuid` of the server that is to be erased.
    pub erase_target: String,
    /// The method, where one is asked for.
    pub method: Option<Method>,
    /// Whether transactions that only the target has may be lost.
    pub discard_errant: bool,
}

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// `VERSION()`.
    pub version: String,
    /// `server_uuid`.
    pub uuid: String,
    /// `server_uuid` of the server that it follows.
    pub follows: Option<String>,
    /// How many replicas are connected to it.
    pub replicas: usize,
    /// Whether the clone plugin is active.
    pub has_clone: bool,
    /// Whether GTIDs are on.
    pub has_gtids: bool,
}

/// What is known before anything is touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The server that is copied.
    pub source: Side,
    /// The server that is erased.
    pub target: Side,
    /// What the target has and the source has not.
    pub errant: GtidSet,
    /// Tables of the source that a consistent dump cannot hold.
    pub not_innodb: Vec<String>,
    /// Why a dump cannot be made here, if it cannot.
    pub no_dump: Option<String>,
}

/// Why nothing was touched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Refusal {
    /// A stable word.
    pub code: &'static str,
    /// What is wrong, and what to do.
    pub what: String,
}

fn refused<T>(code: &'static str, what: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal {
        code,
        what: what.into(),
    })
}

/// Decides.
pub fn plan(facts: &Facts, wish: &Wish) -> Result<Method, Refusal> {
    let (source, target) = (&facts.source, &facts.target);
    if !target.uuid.eq_ignore_ascii_case(&wish.erase_target) {
        return refused(
            "target_mismatch",
            format!(
                "the server at --target is {}, and --erase-target names another one",
                target.uuid
            ),
        );
    }
    if source.uuid == target.uuid {
        return refused("same_server", "source and target are the same server");
    }
    if source.follows.as_ref() == Some(&target.uuid) {
        return refused(
            "target_is_primary",
            "the source follows the target: they are the wrong way round",
        );
    }
    if target.replicas > 0 {
        return refused(
            "target_is_primary",
            format!("{} replicas follow the target", target.replicas),
        );
    }
    if !source.has_gtids || !target.has_gtids {
        return refused("gtid_off", "gtid_mode must be ON on both servers");
    }
    if !facts.errant.is_empty() && !wish.discard_errant {
        return refused(
            "errant_gtids",
            format!(
                "the target has {} transactions that the source has not; look at them, then say --discard-errant",
                facts.errant.count()
            ),
        );
    }
    match wish.method {
        Some(Method::Clone) => match no_clone(facts) {
            None => Ok(Method::Clone),
            Some(why) => refused("clone_impossible", why),
        },
        None if no_clone(facts).is_none() => Ok(Method::Clone),
        Some(Method::Dump) | None => dump(facts),
    }
}

fn no_clone(facts: &Facts) -> Option<String> {
    if facts.source.version != facts.target.version {
        return Some(format!(
            "clone needs the same version on both: the source has {}, the target {}",
            facts.source.version, facts.target.version
        ));
    }
    (!facts.source.has_clone || !facts.target.has_clone)
        .then(|| "the clone plugin is not active on both servers".to_owned())
}

fn dump(facts: &Facts) -> Result<Method, Refusal> {
    if let Some(why) = &facts.no_dump {
        return refused("dump_impossible", why.clone());
    }
    if !facts.not_innodb.is_empty() {
        return refused(
            "not_innodb",
            format!(
                "a dump is consistent for InnoDB alone; convert first: {}",
                facts.not_innodb.join(", ")
            ),
        );
    }
    Ok(Method::Dump)
}
