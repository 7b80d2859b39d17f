//! When things happened to which key: `rotation.json` beside the keys.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::key_file::{self, Existing, Readers};
use super::kid::Kid;

/// The name of the file.
const FILE_NAME: &str = "rotation.json";
/// What this program writes.
const VERSION: u32 = 1;

/// Why the record cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It is not one.
    #[error("{}: it is not a record of key rotation ({problem}); move it away to begin a new one", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The system.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// The record file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    version: u32,
    keys: BTreeMap<Kid, History>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(
    clippy::struct_field_names,
    reason = "each is the time at which something happened"
)]
pub(super) struct History {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) generated_at: Option<jiff::Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) published_at: Option<jiff::Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) activated_at: Option<jiff::Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) replaced_at: Option<jiff::Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_token_ends_at: Option<jiff::Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retired_at: Option<jiff::Timestamp>,
}

impl Record {
    /// Reads the record of a folder; one that is not there is empty.
    pub(super) fn load(folder: &Path) -> Result<Self, RecordError> {
        let path = folder.join(FILE_NAME);
        let refuse = |path: PathBuf, problem: String| Err(RecordError::Damaged { path, problem });
        match std::fs::read(&path) {
            Ok(bytes) => match serde_json::from_slice::<Self>(&bytes) {
                Ok(record) if record.version == VERSION => Ok(record),
                Ok(_) => refuse(
                    path,
                    "it is of another version than this program".to_owned(),
                ),
                Err(error) => refuse(path, error.to_string()),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self {
                version: VERSION,
                keys: BTreeMap::new(),
            }),
            Err(error) => Err(RecordError::Io { path, error }),
        }
    }

    /// What is known of a key.
    pub(super) fn of(&self, kid: &Kid) -> History {
        self.keys.get(kid).cloned().unwrap_or_default()
    }

    /// The keys that were retired: none of them signs again.
    pub(super) fn retired(&self) -> impl Iterator<Item = &Kid> {
        self.keys
            .iter()
            .filter_map(|(kid, history)| history.retired_at.map(|_| kid))
    }

    /// Whether the key was ever here.
    pub(super) fn knows(&self, kid: &Kid) -> bool {
        self.keys.contains_key(kid)
    }

    /// Changes what is known of a key, durably.
    pub(super) fn remember(
        &mut self,
        folder: &Path,
        kid: &Kid,
        change: impl FnOnce(&mut History),
    ) -> Result<(), RecordError> {
        change(self.keys.entry(kid.clone()).or_default());
        let path = folder.join(FILE_NAME);
        let text = serde_json::to_string_pretty(self).expect("names and times are JSON");
        key_file::write(&path, text.as_bytes(), Readers::Owner, Existing::Replace)
            .map_err(|error| RecordError::Io { path, error })
    }
}
