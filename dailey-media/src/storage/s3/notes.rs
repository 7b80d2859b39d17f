//! Notes of multipart uploads under way, for the sweep to abort what a crash left: one is written
//! before the upload is begun, named again when the store has given it a name, and removed behind its
//! end. So none is ever without its note.

use std::time::Duration;

use object_store::Attributes;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::client::{Client, Guard};
use super::fault::{Failure, RemoteError, failure};
use super::found::now_ms;
use crate::storage::StorageError;

/// Where they are.
pub(super) const FOLDER: &str = ".dailey/multiparts";

/// Uploads whose note is older are nobody's: longer than any upload may take.
pub(super) const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// Largest note.
const MAX_BYTES: u64 = 8 * 1024;

/// What the sweep needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Note {
    pub(super) key: String,
    /// The store's name of it. `None`: begun, or about to be, and its name is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) upload: Option<String>,
    pub(super) begun_ms: u64,
    /// The resumable upload that it belongs to, whose state says how long it is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) resumable: Option<String>,
}

impl Note {
    /// Of an upload to `key` that is about to be begun.
    pub(super) fn new(key: &Path, resumable: Option<&str>) -> Self {
        Self {
            key: key.to_string(),
            upload: None,
            begun_ms: now_ms(),
            resumable: resumable.map(str::to_owned),
        }
    }

    pub(super) async fn keep(&self, client: &Client, name: &str) -> Result<(), StorageError> {
        let json = serde_json::to_vec(self).map_err(|_| RemoteError::Broken)?;
        let (path, none) = (path(name), Attributes::new());
        let put = client.put(&path, json.into(), none, &Guard::Anything).await;
        Ok(put.map_err(RemoteError::from)?)
    }

    /// What is at `path`.
    pub(super) async fn read(client: &Client, path: &Path) -> Result<Read, Failure> {
        let bytes = match client.get_start(path, MAX_BYTES).await {
            Ok(got) => got.bytes().await.map_err(failure)?,
            // Ended meanwhile.
            Err(Failure::Absent) => return Ok(Read::Gone),
            Err(Failure::Range) => return Ok(Read::Unknown),
            Err(other) => return Err(other),
        };
        Ok(serde_json::from_slice(&bytes).map_or(Read::Unknown, Read::Note))
    }

    pub(super) fn is_older_than(&self, age: Duration) -> bool {
        u128::from(now_ms().saturating_sub(self.begun_ms)) >= age.as_millis()
    }
}

/// What was found where a note is.
pub(super) enum Read {
    Note(Note),
    Gone,
    /// Perhaps a newer version's.
    Unknown,
}

/// A name for another one.
pub(super) fn new_name() -> String {
    Uuid::new_v4().simple().to_string()
}

/// Removes the note of an upload that has ended. One that stays is swept.
pub(super) async fn forget(client: &Client, name: &str) {
    let _ = client.delete(&path(name), &Guard::Anything).await;
}

fn path(name: &str) -> Path {
    Path::from(format!("{FOLDER}/{name}"))
}
