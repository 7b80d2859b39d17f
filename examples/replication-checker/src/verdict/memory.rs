//! What one run tells the next: when each problem was first seen, and which transactions the replica was
//! seen without.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The form of what is remembered.
pub const MEMORY_SCHEMA: u32 = 1;

/// What is remembered of an earlier run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// [`MEMORY_SCHEMA`].
    pub schema: u32,
    /// When the run was.
    pub at: Timestamp,
    /// Name of the replica, when it was found out.
    pub replica: Option<String>,
    /// What the primary had.
    pub primary_executed: Option<String>,
    /// What the primary had at the time the replica is measured against.
    pub awaited: Option<Awaited>,
    /// Problems by `id@host`.
    pub problems: BTreeMap<String, Seen>,
}

/// A set that the replica must have by now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Awaited {
    /// The set.
    pub set: String,
    /// When the primary had it.
    pub at: Timestamp,
}

/// How long a problem has been seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// First seen at.
    pub since: Timestamp,
    /// In how many runs, one after the other.
    pub runs: u64,
}

/// What this run knows of earlier ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum History {
    /// Runs are not remembered, so nothing is put off to a second one.
    Untracked,
    /// This is the first run, or what was remembered is lost: then it says why.
    Begins(Option<String>),
    /// What was remembered.
    Known(Box<Memory>),
}

impl History {
    /// What was remembered, if anything.
    pub fn memory(&self) -> Option<&Memory> {
        match self {
            Self::Known(memory) => Some(memory),
            Self::Untracked | Self::Begins(_) => None,
        }
    }

    /// Whether a problem that may pass by itself is to be taken for what its name says.
    pub(super) fn confirms(&self, key: &str) -> bool {
        match self {
            Self::Untracked => true,
            Self::Begins(_) => false,
            Self::Known(memory) => memory.problems.contains_key(key),
        }
    }
}
