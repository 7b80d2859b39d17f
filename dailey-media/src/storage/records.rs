//! Small texts that a request leaves for a later one: objects in a reserved space, so that any
//! replica finds them, after a restart as well.

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};

use super::{Commit, Committed, Depth, ListQuery, Location, Object, Storage, StorageError, Target};
use crate::description::Description;
use crate::key::Space;
use crate::preconditions::{Preconditions, Validators};

/// Largest record in bytes: what one request leaves is far smaller.
pub(crate) const MAX_RECORD_BYTES: usize = 512 * 1024;

/// Most records that are looked at in one piece.
const PAGE: usize = 1000;

/// A record as it was read.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) bytes: Bytes,
    /// For [`Preconditions::still`]: a change is made to this very state or not at all.
    pub(crate) state: Validators,
}

/// The record at `at`.
pub(crate) async fn read(
    storage: &dyn Storage,
    at: &Location,
) -> Result<Option<Record>, StorageError> {
    let Some(opened) = storage.open(at).await? else {
        return Ok(None);
    };
    let state = opened.object.validators();
    let body = opened.whole().await?;
    let read = Limited::new(body, MAX_RECORD_BYTES).collect().await;
    let bytes = read.map_err(std::io::Error::other)?.to_bytes();
    Ok(Some(Record { bytes, state }))
}

/// Writes the record at `at` if `conditions` allow it: its state then, or `None` where they do not.
pub(crate) async fn write(
    storage: &dyn Storage,
    at: &Location,
    bytes: impl Into<Bytes>,
    conditions: Preconditions,
) -> Result<Option<Validators>, StorageError> {
    let target = Target {
        at: at.clone(),
        description: Description::of_type("application/json"),
    };
    let mut upload = storage.upload(target).await?;
    upload.write(bytes.into()).await?;
    let commit = Commit {
        conditions,
        expected: None,
    };
    match upload.commit(commit).await? {
        Committed::Stored { object, .. } => Ok(Some(Object::validators(&object))),
        Committed::ConditionFailed(_) => Ok(None),
        Committed::DigestMismatch => Err(StorageError::Damaged("a record has another digest")),
    }
}

/// Removes what has lain in `space` since `before_ms` or longer, as it was then; how many.
pub(crate) async fn remove_older(
    storage: &dyn Storage,
    space: &Space,
    before_ms: u64,
) -> Result<u64, StorageError> {
    let mut query = ListQuery {
        prefix: String::new(),
        depth: Depth::All,
        limit: PAGE,
        after: None,
    };
    let mut removed = 0;
    loop {
        let page = storage.list(space, &query).await?;
        for (key, object) in page.objects {
            if object.modified_ms > before_ms {
                continue;
            }
            let space = space.clone();
            let at = Location { space, key };
            let still = Preconditions::still(&object.validators());
            storage.delete(&at, &still).await?;
            removed += 1;
        }
        query.after = page.next;
        if query.after.is_none() {
            return Ok(removed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::ObjectKey;
    use crate::storage::local::LocalStorage;

    #[tokio::test]
    async fn a_record_is_changed_from_the_state_that_was_read_or_not_at_all() {
        let root = tempfile::tempdir().unwrap();
        let store = LocalStorage::open(root.path()).unwrap();
        let at = Location {
            space: Space::reserved("test"),
            key: ObjectKey::parse("a").unwrap(),
        };
        assert!(read(&store, &at).await.unwrap().is_none());
        let only = Preconditions::create_only();
        assert!(
            write(&store, &at, "1", only.clone())
                .await
                .unwrap()
                .is_some()
        );
        assert!(write(&store, &at, "x", only).await.unwrap().is_none());
        let first = read(&store, &at).await.unwrap().unwrap();
        let still = Preconditions::still(&first.state);
        let second = write(&store, &at, "2", still.clone())
            .await
            .unwrap()
            .unwrap();
        assert!(write(&store, &at, "x", still).await.unwrap().is_none());
        let read = read(&store, &at).await.unwrap().unwrap();
        assert_eq!((&*read.bytes, read.state), (&b"2"[..], second));
    }
}
