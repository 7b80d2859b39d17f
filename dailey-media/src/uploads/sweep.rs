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
        if upload.state.stage == Stage::Finishing {
            // Its client was told nothing: it may rightly believe that it has done all it can. So it
            // never expires.
            if is_abandoned {
                self.finish(&mut upload).await?;
            }
            return Ok(Swept::Kept);
        }
        if upload.state.expires_ms > now_ms() {
            return Ok(Swept::Kept);
        }
        if upload.state.stage == Stage::Receiving {
            self.end(&mut upload).await?;
        } else {
            // Whoever completed or ended it may have been unable to. Nobody knows its name afterwards.
            let resumable = self.storage.resumable();
            resumable.clear(id.as_str(), &upload.state.received).await?;
        }
        self.remove(&upload).await?;
        Ok(Swept::Removed)
    }
}

enum Swept {
    Kept,
    Removed,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::super::digest::RunningDigest;
    use super::super::state::Conditions;
    use super::super::{AllUploads, Wanted};
    use super::*;
    use crate::audit::Audit;
    use crate::changes::Changes;
    use crate::description::Description;
    use crate::key::{ObjectKey, Space};
    use crate::quota::{Quotas, Writers};
    use crate::settings::Limits;
    use crate::storage::local::LocalStorage;
    use crate::storage::{Location, Received, Storage, Target};

    #[tokio::test]
    async fn an_upload_whose_bytes_are_all_there_is_completed_however_soon_it_expires() {
        let root = tempfile::tempdir().unwrap();
        let storage: Arc<dyn Storage> = Arc::new(LocalStorage::open(root.path()).unwrap());
        let limits = Limits::default();
        let all = Arc::new(AllUploads::new(Arc::clone(&storage)));
        let quotas = Quotas::new(&limits, Writers::Alone, Arc::clone(&storage), all);
        let changes = Changes::new(Arc::clone(&storage), quotas, Audit::off());
        let short = Duration::from_secs(1);
        let uploads = Uploads::new(Arc::clone(&storage), changes, short, &limits);
        let target = Target {
            at: Location {
                space: Space::new("app", "ada"),
                key: ObjectKey::parse("a").unwrap(),
            },
            description: Description::of_type("text/plain"),
        };
        let wanted = Wanted {
            target: target.clone(),
            metadata: String::new(),
            conditions: Conditions::default(),
            expected: None,
            length: 5,
        };
        let (id, _) = uploads.create(wanted).await.unwrap();
        // Its last byte came; then the process ended.
        let (hello, nothing) = (Bytes::from_static(b"hello"), Received::default());
        let resumable = storage.resumable();
        let appended = resumable.append(id.as_str(), &target, &nothing, hello.clone());
        let received = appended.await.unwrap();
        let mut upload = uploads.find(&id).await.unwrap().unwrap();
        let mut digest = RunningDigest::default();
        digest.update(&hello);
        upload.state.count(received, &digest);
        for (expired_ms, becomes) in [(1, Stage::Finishing), (20 * 60 * 1000, Stage::Done)] {
            upload.state.expires_ms = now_ms() - expired_ms;
            let still = crate::preconditions::Preconditions::still(&upload.read);
            upload.read = uploads.write(&id, &upload.state, still).await.unwrap();
            uploads.sweep_one(&id).await.unwrap();
            let swept = uploads.find(&id).await.unwrap().unwrap();
            assert_eq!(swept.state.stage, becomes);
        }
        let stored = storage.stat(&target.at).await.unwrap().unwrap();
        assert_eq!(stored.size, 5);
    }
}
