//! Resumable uploads: one file each, which grows, and is the object's file in the end.
//!
//! Bytes behind those that count are left over from a step that nobody finished; the next one
//! writes over them.

use std::fs::{self, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use bytes::Bytes;

use super::upload::{Finished, publish};
use super::{LocalStorage, durable};
use crate::digest::Sha256;
use crate::storage::{Commit, Committed, Pending, Received, Resumable, StorageError, Target};

const SHORT: StorageError = StorageError::Damaged("received bytes of an upload are gone");

impl Resumable for LocalStorage {
    fn append<'a>(
        &'a self,
        id: &'a str,
        _: &'a Target,
        received: &'a Received,
        bytes: Bytes,
    ) -> Pending<'a, Received> {
        let (path, start) = (self.inner.layout.resumable(id), received.bytes);
        Box::pin(self.inner.blocking(move |_| {
            Ok(Received {
                bytes: append(&path, start, &bytes)?,
                ..Received::default()
            })
        }))
    }

    fn complete<'a>(
        &'a self,
        id: &'a str,
        target: Target,
        received: &'a Received,
        sha256: Sha256,
        commit: Commit,
    ) -> Pending<'a, Option<Committed>> {
        let (path, size) = (self.inner.layout.resumable(id), received.bytes);
        Box::pin(self.inner.blocking(move |store| {
            let mut file = match OpenOptions::new().write(true).open(&path) {
                // It moves to its key in one step: where it is no more, that was done.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                opened => opened?,
            };
            if file.metadata()?.len() < size {
                return Err(SHORT);
            }
            // What is behind is of a step that nobody finished, an earlier record perhaps.
            file.set_len(size)?;
            file.seek(SeekFrom::End(0))?;
            let finished = Finished {
                path: &path,
                file: &mut file,
                size,
                sha256,
            };
            // Never a second name: with two, nobody could tell after a crash that it was done.
            publish(store, finished, target, &commit, |_| durable::Name::Any).map(Some)
        }))
    }

    fn abort<'a>(&'a self, id: &'a str, _: &'a Target, received: &'a Received) -> Pending<'a, ()> {
        self.clear(id, received)
    }

    fn clear<'a>(&'a self, id: &'a str, _: &'a Received) -> Pending<'a, ()> {
        let path = self.inner.layout.resumable(id);
        Box::pin(self.inner.blocking(move |_| match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }))
    }
}

fn append(path: &Path, start: u64, bytes: &Bytes) -> Result<u64, StorageError> {
    let is_first = start == 0;
    let opened = OpenOptions::new()
        .write(true)
        .create(is_first)
        .truncate(false)
        .mode(0o600)
        .open(path);
    let file = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !is_first => return Err(SHORT),
        opened => opened?,
    };
    if file.metadata()?.len() < start {
        return Err(SHORT);
    }
    let written = file
        .write_all_at(bytes, start)
        .and_then(|()| file.sync_data());
    if let Err(error) = written {
        // On a full disk others need the room more than bytes that do not count.
        let _ = file.set_len(start);
        return Err(error.into());
    }
    if is_first {
        durable::sync_name(path)?;
    }
    Ok(start + bytes.len() as u64)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::{SHA256, digest};

    use super::*;
    use crate::description::Description;
    use crate::key::{ObjectKey, Space};
    use crate::storage::{Location, Storage};

    #[tokio::test]
    async fn what_a_crash_left_is_written_over_and_a_completion_is_known_again() {
        let root = tempfile::tempdir().unwrap();
        let store = LocalStorage::open(root.path()).unwrap();
        let target = Target {
            at: Location {
                space: Space::new("app", "user"),
                key: ObjectKey::parse("a").unwrap(),
            },
            description: Description::of_type("text/plain"),
        };
        let append = async |received: &Received, text: &'static str| {
            let bytes = Bytes::from_static(text.as_bytes());
            store.append("id", &target, received, bytes).await
        };
        let hello = append(&Received::default(), "hello").await.unwrap();
        // A step that was not kept, and is longer than what follows.
        append(&hello, " world and all the others").await.unwrap();
        let all = append(&hello, " tus").await.unwrap();
        assert_eq!(all.bytes, 9);
        let sha256 = Sha256::from_bytes(digest(&SHA256, b"hello tus").as_ref()).unwrap();
        let complete = async |commit| {
            let target = target.clone();
            store.complete("id", target, &all, sha256, commit).await
        };
        let wrong = Commit {
            expected: Sha256::from_bytes(&[0; 32]),
            ..Commit::default()
        };
        let refused = complete(wrong).await.unwrap();
        assert_eq!(refused, Some(Committed::DigestMismatch));
        let done = complete(Commit::default()).await.unwrap();
        assert!(matches!(done, Some(Committed::Stored { .. })), "{done:?}");
        assert_eq!(complete(Commit::default()).await.unwrap(), None);
        let stored = store.stat(&target.at).await.unwrap().unwrap();
        assert_eq!((stored.size, stored.sha256), (9, sha256));
        // Nothing of it is there any more.
        let lost = append(&all, "!").await;
        assert!(matches!(lost, Err(StorageError::Damaged(_))), "{lost:?}");
        store.abort("id", &target, &all).await.unwrap();
    }
}
