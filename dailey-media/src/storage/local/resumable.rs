//! Resumable uploads: one file each, which grows, and is the object's file in the end.
//!
//! Bytes behind those that count are left over from a step that nobody finished; the next one
//! writes over them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;

use super::upload::{Finished, publish};
use super::{LocalStorage, durable};
use crate::digest::Sha256;
use crate::storage::{Commit, Committed, Pending, Received, Resumable, StorageError};

/// Bytes of one read for the digest.
const READ_BYTES: usize = 256 * 1024;

const SHORT: StorageError = StorageError::Damaged("received bytes of an upload are gone");

impl Resumable for LocalStorage {
    fn append<'a>(
        &'a self,
        id: &'a str,
        received: &'a Received,
        bytes: Bytes,
    ) -> Pending<'a, Received> {
        let (path, start) = (self.inner.layout.resumable(id), received.bytes);
        Box::pin(
            self.inner
                .blocking(move |_| append(&path, start, &bytes).map(|bytes| Received { bytes })),
        )
    }

    fn complete<'a>(
        &'a self,
        id: &'a str,
        received: &'a Received,
        sha256: Option<Sha256>,
        commit: Commit,
    ) -> Pending<'a, Option<Committed>> {
        let (path, size) = (self.inner.layout.resumable(id), received.bytes);
        Box::pin(self.inner.blocking(move |store| {
            let mut file = match OpenOptions::new().read(true).write(true).open(&path) {
                // It moves to its key in one step: where it is no more, that was done.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                opened => opened?,
            };
            if file.metadata()?.len() < size {
                return Err(SHORT);
            }
            // What is behind is of a step that nobody finished, an earlier record perhaps.
            file.set_len(size)?;
            let sha256 = sha256.map_or_else(|| digest(&mut file), Ok)?;
            file.seek(SeekFrom::End(0))?;
            let finished = Finished {
                path: &path,
                file: &mut file,
                size,
                sha256,
            };
            // Never a second name: with two, nobody could tell after a crash that it was done.
            publish(store, finished, &commit, |_| durable::Name::Any).map(Some)
        }))
    }

    fn abort<'a>(&'a self, id: &'a str, _: &'a Received) -> Pending<'a, ()> {
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

fn digest(file: &mut File) -> Result<Sha256, StorageError> {
    file.seek(SeekFrom::Start(0))?;
    let mut digest = Context::new(&SHA256);
    let mut chunk = vec![0; READ_BYTES];
    loop {
        match file.read(&mut chunk)? {
            0 => break,
            bytes => digest.update(&chunk[..bytes]),
        }
    }
    Sha256::from_bytes(digest.finish().as_ref()).ok_or(StorageError::Damaged("it has no digest"))
}
