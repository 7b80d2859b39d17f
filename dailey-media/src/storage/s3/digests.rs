//! The digests that an object's headers do not hold.
//!
//! A large object's headers are written before its last byte is known, so its digest goes into a
//! record of the write's id, before the object becomes visible. An object that somebody else put
//! there is read once, and its digest kept in a record of its key and the store's entity tag.
//! Records never change; they go with their object, or with a sweep (`orphans`) where a crash or somebody
//! else has removed only that. One that is lost is made anew by reading.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256, digest};
use data_encoding::HEXLOWER;
use futures_util::StreamExt;
use object_store::PutPayload;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use super::client::{Guard, SharedClient};
use super::fault::{Failure, RemoteError};
use super::found::{Found, Writing, now_ms};
use crate::description::Description;
use crate::digest::Sha256;
use crate::storage::{Object, StorageError};

pub(super) const FOLDER: &str = ".dailey/digests";

/// Records in memory: some 300 bytes each.
const MAX_REMEMBERED: usize = 4096;

/// Largest record.
pub(super) const MAX_RECORD_BYTES: u64 = 32 * 1024;

/// Objects of others that are read at once.
const TURNS: usize = 4;

/// Longest wait for somebody else's object to be read through; it goes on without us.
const MAX_WAIT: Duration = Duration::from_secs(20);

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    /// Of the object, in the bucket. Nothing in the records of earlier versions, which are never swept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
    size: u64,
    sha256: String,
    modified_ms: u64,
    /// Where the object's headers do not give it back as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<Description>,
}

#[derive(Debug)]
pub(super) struct Digests {
    client: SharedClient,
    remembered: Mutex<Remembered>,
    turns: Vec<Arc<Turn<()>>>,
}

#[derive(Debug, Default)]
struct Remembered {
    records: HashMap<String, Arc<Record>>,
    order: VecDeque<String>,
}

/// What an object turned out to be.
pub(super) enum Resolved {
    Object(Object),
    /// It has changed or gone meanwhile: look again.
    Changed,
}

impl Digests {
    pub(super) fn new(client: SharedClient) -> Self {
        Self {
            client,
            remembered: Mutex::default(),
            turns: (0..TURNS).map(|_| Arc::default()).collect(),
        }
    }

    /// The object that `found` shows.
    pub(super) async fn resolve(&self, found: &Found) -> Result<Resolved, StorageError> {
        match &found.writing {
            Some(Writing {
                sha256: Some(sha256),
                modified_ms,
                ..
            }) => Ok(Resolved::Object(Object {
                size: found.size,
                sha256: *sha256,
                modified_ms: *modified_ms,
                description: found.description.clone(),
            })),
            Some(writing) => match self.read(&writing.id).await? {
                Some(record) if record.size == found.size => object(found, &record),
                // Lost, or of other bytes: what is there is what counts.
                _ => self.of_others(found).await,
            },
            None => self.of_others(found).await,
        }
    }

    /// Keeps what the headers of the write do not hold, before it becomes visible.
    pub(super) async fn keep(
        &self,
        path: &Path,
        writing: &Writing,
        object: &Object,
        description: Option<Description>,
    ) -> Result<(), StorageError> {
        let record = Record {
            key: Some(path.to_string()),
            size: object.size,
            sha256: object.sha256.to_hex(),
            modified_ms: object.modified_ms,
            description,
        };
        self.write(&writing.id, record).await
    }

    /// Removes the record of an object that is gone, if it has one. One that stays is swept.
    pub(super) async fn forget(&self, found: &Found) {
        let name = match &found.writing {
            Some(Writing {
                sha256: Some(_), ..
            }) => return,
            Some(writing) => writing.id.clone(),
            None => name_of_others(found),
        };
        self.forget_name(&name).await;
    }

    pub(super) async fn forget_name(&self, name: &str) {
        let _ = self.client.delete(&path(name), &Guard::Anything).await;
        let mut remembered = self.lock();
        remembered.records.remove(name);
    }

    async fn of_others(&self, found: &Found) -> Result<Resolved, StorageError> {
        let name = name_of_others(found);
        if let Some(record) = self.read(&name).await? {
            return object(found, &record);
        }
        let byte = usize::from(name.as_bytes()[0]);
        let turn = Arc::clone(&self.turns[byte % self.turns.len()]);
        let reading = async {
            let turn = turn.lock_owned().await;
            // Whoever had the turn before may have done it.
            if let Some(record) = self.read(&name).await? {
                return object(found, &record);
            }
            let client = Arc::clone(&self.client);
            let (wanted, kept_as) = (found.clone(), name.clone());
            // Goes on when nobody waits any more, so that the next one finds it done.
            let read = tokio::spawn(async move { through(&client, &wanted, &kept_as, turn).await });
            match read.await {
                Ok(Ok(record)) => {
                    let resolved = object(found, &record);
                    self.remember(&name, record);
                    resolved
                }
                Ok(Err(Failure::Absent | Failure::Condition)) => Ok(Resolved::Changed),
                Ok(Err(other)) => Err(RemoteError::from(other).into()),
                Err(_) => Err(RemoteError::Broken.into()),
            }
        };
        tokio::time::timeout(MAX_WAIT, reading)
            .await
            .unwrap_or(Err(StorageError::Busy))
    }

    async fn read(&self, name: &str) -> Result<Option<Arc<Record>>, StorageError> {
        if let Some(record) = self.lock().records.get(name) {
            return Ok(Some(Arc::clone(record)));
        }
        let got = match self.client.get_start(&path(name), MAX_RECORD_BYTES).await {
            Ok(got) => got,
            Err(Failure::Absent | Failure::Range) => return Ok(None),
            Err(other) => return Err(RemoteError::from(other).into()),
        };
        let bytes = got.bytes().await.map_err(|_| RemoteError::Broken)?;
        let Ok(record) = serde_json::from_slice::<Record>(&bytes) else {
            return Ok(None);
        };
        let record = Arc::new(record);
        self.remember(name, Arc::clone(&record));
        Ok(Some(record))
    }

    async fn write(&self, name: &str, record: Record) -> Result<(), StorageError> {
        put(&self.client, name, &record)
            .await
            .map_err(RemoteError::from)?;
        self.remember(name, Arc::new(record));
        Ok(())
    }

    fn remember(&self, name: &str, record: Arc<Record>) {
        let mut remembered = self.lock();
        if remembered.order.len() >= MAX_REMEMBERED
            && let Some(oldest) = remembered.order.pop_front()
        {
            remembered.records.remove(&oldest);
        }
        remembered.order.push_back(name.to_owned());
        remembered.records.insert(name.to_owned(), record);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Remembered> {
        // Whole at all times, whoever panicked.
        self.remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn object(found: &Found, record: &Record) -> Result<Resolved, StorageError> {
    let sha256 = Sha256::from_hex(&record.sha256);
    let sha256 = sha256.ok_or(StorageError::Damaged("its digest cannot be read"))?;
    let description = record.description.as_ref().unwrap_or(&found.description);
    Ok(Resolved::Object(Object {
        size: found.size,
        sha256,
        modified_ms: record.modified_ms,
        description: description.clone(),
    }))
}

/// Reads an object through once, with memory for a piece of it.
async fn through(
    client: &SharedClient,
    found: &Found,
    name: &str,
    _turn: OwnedMutexGuard<()>,
) -> Result<Arc<Record>, Failure> {
    let broken = || Failure::Other(RemoteError::Broken);
    let mut hash = Context::new(&SHA256);
    let mut size = 0;
    let got = client.get_still(&found.path, &found.etag, None).await?;
    let mut bytes = got.into_stream();
    while let Some(piece) = bytes.next().await {
        let piece = piece.map_err(super::fault::failure)?;
        hash.update(&piece);
        size += piece.len() as u64;
    }
    // One that was cut off has failed above: these are the bytes of another object.
    if size != found.size {
        return Err(Failure::Condition);
    }
    let sha256 = Sha256::from_bytes(hash.finish().as_ref()).ok_or_else(broken)?;
    let record = Record {
        key: Some(found.path.to_string()),
        size,
        sha256: sha256.to_hex(),
        modified_ms: found.stored_ms.min(now_ms()),
        description: None,
    };
    put(client, name, &record).await?;
    Ok(Arc::new(record))
}

async fn put(client: &SharedClient, name: &str, record: &Record) -> Result<(), Failure> {
    let json = serde_json::to_vec(record).map_err(|_| Failure::Other(RemoteError::Broken))?;
    let attributes = object_store::Attributes::new();
    let payload = PutPayload::from(json);
    client
        .put(&path(name), payload, attributes, &Guard::Anything)
        .await
}

fn path(name: &str) -> Path {
    Path::from(format!("{FOLDER}/{name}"))
}

/// Whether the record of this name is one that `found` may need.
pub(super) fn is_of(name: &str, found: &Found) -> bool {
    let writing = found.writing.as_ref();
    writing.is_some_and(|writing| writing.id == name) || name_of_others(found) == name
}

/// By key, entity tag and size; each with its length before it, so that no two are alike.
fn name_of_others(found: &Found) -> String {
    let mut all = Vec::new();
    for part in [found.path.as_ref(), &found.etag] {
        all.extend((part.len() as u64).to_be_bytes());
        all.extend(part.as_bytes());
    }
    all.extend(found.size.to_be_bytes());
    HEXLOWER.encode(digest(&SHA256, &all).as_ref())
}

#[cfg(test)]
mod tests {
    use object_store::Attributes;

    use super::super::ground::on_moto;
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
    async fn bytes_of_another_size_are_those_of_another_object() {
        let folder = tempfile::tempdir().unwrap();
        let (_server, inner) = on_moto(folder.path());
        let path = Path::from("app/ada/a");
        let payload = PutPayload::from_static(b"hello");
        let put = inner
            .client
            .put(&path, payload, Attributes::new(), &Guard::Anything);
        put.await.unwrap();
        let mut found = inner.client.head(&path).await.unwrap().unwrap();
        // As a store tells it that took the size and then the tag, and was written in between.
        found.size += 1;
        let resolved = inner.digests.resolve(&found).await.unwrap();
        assert!(matches!(resolved, Resolved::Changed));
    }
}
