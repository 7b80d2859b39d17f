//! Removes uploads that nobody went on with, and completes those that a crash left incomplete: at
//! the start, and every hour.

use std::time::Duration;

use super::state::Stage;
use super::{UploadError, UploadId, Uploads, all, now_ms};
use crate::storage::StorageError;

/// Between two sweeps.
const INTERVAL: Duration = Duration::from_secs(60 * 60);

/// A completion may be under way on another replica for as long as this.
const MAX_FINISH: Duration = Duration::from_secs(15 * 60);

/// Sweeps for as long as it is polled.
pub(crate) async fn sweep_for_ever(uploads: Uploads) {
    // Where uploads expire sooner than that, they are swept sooner.
    let interval = INTERVAL.min(uploads.expiry);
    loop {
        if let Err(error) = uploads.sweep().await {
            tracing::warn!(%error, "could not sweep all expired uploads; the next sweep tries again");
        }
        tokio::time::sleep(interval).await;
    }
}

impl Uploads {
    async fn sweep(&self) -> Result<(), StorageError> {
        let mut removed = 0_u64;
        let mut after = None;
        loop {
            let (ids, next) = all::page(&*self.storage, after).await?;
            for id in &ids {
                match self.sweep_one(id).await {
                    Ok(Swept::Removed) => removed += 1,
                    Ok(Swept::Kept) => {}
                    // The others are not to wait for it.
                    Err(error) => tracing::warn!(?error, "could not sweep an upload"),
                }
            }
            after = next;
            if after.is_none() {
                break;
            }
        }
        if removed > 0 {
            tracing::info!(removed, "removed expired uploads");
        }
        Ok(())
    }

    async fn sweep_one(&self, id: &UploadId) -> Result<Swept, UploadError> {
        // Who has the turn has just shown that it goes on.
        let Some(_turn) = self.turns.try_take(id.as_str()) else {
            return Ok(Swept::Kept);
        };
        let Some(mut upload) = self.find(id).await? else {
            return Ok(Swept::Kept);
        };
        let unfinished_for = now_ms()
            .saturating_add(u64::try_from(self.expiry.as_millis()).unwrap_or(u64::MAX))
            .saturating_sub(upload.state.expires_ms);
        let is_abandoned = u128::from(unfinished_for) >= MAX_FINISH.as_millis();
        if upload.state.stage == Stage::Finishing && is_abandoned {
            // Its client was told nothing: it may rightly believe that it has done all it can.
            self.finish(&mut upload).await?;
            return Ok(Swept::Kept);
        }
        if upload.state.expires_ms > now_ms() {
            return Ok(Swept::Kept);
        }
        if upload.state.stage == Stage::Receiving {
            self.end(&mut upload).await?;
        }
        self.remove(&upload).await?;
        Ok(Swept::Removed)
    }
}

enum Swept {
    Kept,
    Removed,
}
