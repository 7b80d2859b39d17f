//! Removes the records of digests whose object is gone: a crash came between the record and the object, an
//! answer was lost, or somebody else removed or replaced the object.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use object_store::ObjectStore;
use object_store::path::Path;

use super::client::{Guard, SharedClient};
use super::digests::{FOLDER, MAX_RECORD_BYTES, Record, is_of};
use super::fault::Failure;
use super::found::now_ms;

/// Where the sweep stands: a bucket may have more records than one looks at.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    behind: Option<Path>,
}

impl Orphans {
    /// Looks at the next `most` records, and removes those of no object that are older than `age`; how
    /// many. A younger one may be of an object that is about to be there.
    pub(super) async fn sweep(
        &mut self,
        client: &SharedClient,
        age: Duration,
        most: usize,
    ) -> usize {
        let folder = Path::from(FOLDER);
        let records = match &self.behind {
            None => client.lister().list(Some(&folder)),
            Some(behind) => client.lister().list_with_offset(Some(&folder), behind),
        };
        let mut records = records.take(most);
        let (mut looked_at, mut removed) = (0, 0);
        // Where the store is away, the next sweep goes on.
        while let Ok(record) = records.try_next().await {
            let Some(record) = record else {
                if looked_at < most {
                    self.behind = None;
                }
                break;
            };
            let written_ms = u64::try_from(record.last_modified.timestamp_millis()).unwrap_or(0);
            if u128::from(now_ms().saturating_sub(written_ms)) >= age.as_millis() {
                match remove_orphan(client, &record.location).await {
                    Ok(is_orphan) => removed += usize::from(is_orphan),
                    Err(_) => break,
                }
            }
            looked_at += 1;
            self.behind = Some(record.location);
        }
        removed
    }
}

async fn remove_orphan(client: &SharedClient, path: &Path) -> Result<bool, Failure> {
    let bytes = match client.get_start(path, MAX_RECORD_BYTES).await {
        Ok(got) => got.bytes().await.map_err(super::fault::failure)?,
        Err(Failure::Absent | Failure::Range) => return Ok(false),
        Err(other) => return Err(other),
    };
    let record = serde_json::from_slice::<Record>(&bytes).ok();
    let key = record.and_then(|record| Path::parse(record.key?).ok());
    let (Some(key), Some(name)) = (key, path.filename()) else {
        return Ok(false);
    };
    let found = client.head(&key).await.map_err(Failure::Other)?;
    if found.is_some_and(|found| is_of(name, &found)) {
        return Ok(false);
    }
    client.delete(path, &Guard::Anything).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use object_store::{Attributes, PutPayload};

    use super::super::Inner;
    use super::super::digests::Resolved;
    use super::super::found::Writing;
    use super::super::ground::{on_moto, process};
    use super::super::notes::MAX_AGE;
    use super::*;
    use crate::description::Description;
    use crate::digest::Sha256;
    use crate::storage::Object;

    const BYTES: &str = "hello";

    async fn put(inner: &Inner, path: &Path, attributes: Attributes) {
        let payload = PutPayload::from_static(BYTES.as_bytes());
        let put = inner
            .client
            .put(path, payload, attributes, &Guard::Anything);
        put.await.unwrap();
    }

    async fn resolve(inner: &Inner, path: &Path) -> Object {
        let found = inner.client.head(path).await.unwrap().unwrap();
        match inner.digests.resolve(&found).await.unwrap() {
            Resolved::Object(object) => object,
            Resolved::Changed => panic!("nobody changes it"),
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
    async fn records_of_no_object_are_removed_when_they_are_old_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let (server, inner) = on_moto(folder.path());
        let description = Description::of_type("text/plain");
        let object = Object {
            size: BYTES.len() as u64,
            // Not that of the bytes: only the record knows it.
            sha256: Sha256::from_bytes(&[7; 32]).unwrap(),
            modified_ms: 0,
            description: description.clone(),
        };
        let (kept, lost) = (Path::from("app/ada/kept"), Path::from("app/ada/lost"));
        for path in [&kept, &lost] {
            let writing = Writing::begin();
            let keep = inner.digests.keep(path, &writing, &object, None);
            keep.await.unwrap();
            if path == &kept {
                put(&inner, path, writing.attributes(&description)).await;
            }
        }
        // Of others: one that stays, and one that they remove again.
        let (stays, goes) = (Path::from("app/ada/stays"), Path::from("app/ada/goes"));
        for path in [&stays, &goes] {
            put(&inner, path, Attributes::new()).await;
            resolve(&inner, path).await;
        }
        inner.client.delete(&goes, &Guard::Anything).await.unwrap();

        let mut orphans = Orphans::default();
        assert_eq!(orphans.sweep(&inner.client, MAX_AGE, 10).await, 0);
        // One record at a time: each sweep goes on where the last one ended, and then begins again.
        let mut removed = 0;
        for _ in 0..4 {
            removed += orphans.sweep(&inner.client, Duration::ZERO, 1).await;
        }
        assert_eq!(removed, 2);
        assert_eq!(orphans.sweep(&inner.client, Duration::ZERO, 1).await, 0);
        assert_eq!(orphans.behind, None);
        let folder = Path::from(FOLDER);
        let left = inner.client.lister().list(Some(&folder)).count().await;
        assert_eq!(left, 2);
        // Without what this process remembers.
        assert_eq!(
            resolve(&process(&server), &kept).await.sha256,
            object.sha256
        );
    }
}
