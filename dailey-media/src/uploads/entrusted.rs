//! Objects that the store itself takes, by a link: their bytes do not pass through here, so their room is
//! held from before the link is handed out until nobody can use it any more. Then what came is written down, and
//! counted anew.

use std::time::Duration;

use super::state::State;
use super::{Upload, UploadError, UploadId, Uploads, detached, now_ms};
use crate::pace;
use crate::preconditions::Preconditions;
use crate::storage::{Location, Object, StorageError};

impl Uploads {
    /// Before a link is handed out by which the store takes `length` bytes as the object at `at`, where they
    /// begin to come within `life`.
    pub(crate) async fn entrust(
        &self,
        at: Location,
        length: u64,
        life: Duration,
    ) -> Result<(), UploadError> {
        let uploads = self.clone();
        detached(async move {
            let id = UploadId::new();
            let held = uploads.changes.hold(&at.space, id.as_str(), length).await;
            let held = held.map_err(UploadError::Refused)?;
            let before = uploads.there(&at).await?;
            // Who begins in the last moment needs time for the bytes.
            let life = life.saturating_add(pace::longest(length));
            let life = u64::try_from(life.as_millis()).unwrap_or(u64::MAX);
            let expires = now_ms().saturating_add(life);
            let before = before.map(|object| object.validators().etag);
            let state = State::entrusted(at.clone(), length, before, expires);
            let only = Preconditions::create_only();
            uploads.write(&id, &state, only).await?;
            held.keep();
            let given = uploads.changes.link_given(&at, length).await;
            given.map_err(UploadError::Refused)
        })
        .await
    }

    /// Writes down what has come by the link, once nobody can use it any more.
    pub(super) async fn look(&self, upload: &Upload) -> Result<(), UploadError> {
        let at = upload.state.target()?.at;
        let Some(object) = self.there(&at).await? else {
            return Ok(());
        };
        if upload.state.before.as_ref() == Some(&object.validators().etag) {
            return Ok(());
        }
        let found = self.changes.found(&at, upload.id.as_str(), &object).await;
        found.map_err(UploadError::Refused)
    }

    /// The object, if it is whole.
    async fn there(&self, at: &Location) -> Result<Option<Object>, StorageError> {
        match self.storage.stat(at).await {
            Err(StorageError::Damaged(_)) => Ok(None),
            stat => stat,
        }
    }
}
