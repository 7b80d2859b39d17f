//! A multipart upload: begun, sent part by part, and completed or aborted.

use std::sync::Arc;

use object_store::multipart::PartId;
use object_store::path::Path;
use object_store::{Attributes, PutPayload};
use tokio::task::JoinHandle;

use super::Inner;
use super::client::{Client, Guard};
use super::fault::{Failure, RemoteError};
use super::notes::{self, Note};
use super::staging;
use crate::storage::StorageError;

/// One that the store has begun.
pub(super) struct Begun {
    /// The store's name of it.
    pub(super) upload: String,
    /// The name of its note, which does not know that name yet.
    pub(super) note: String,
    noted: Note,
}

/// Begins one. Each try has a note of its own, which stays where nobody knows whether something was begun.
async fn begin(
    client: &Client,
    path: &Path,
    attributes: Attributes,
    resumable: Option<&str>,
) -> Result<Begun, StorageError> {
    let mut tries = client.tries();
    loop {
        let (note, noted) = (notes::new_name(), Note::new(path, resumable));
        noted.keep(client, &note).await?;
        let error = match client.begin(path, attributes.clone()).await {
            Ok(upload) => {
                return Ok(Begun {
                    upload,
                    note,
                    noted,
                });
            }
            Err(failure) => RemoteError::from(failure),
        };
        if !error.may_pass() {
            notes::forget(client, &note).await;
        }
        tries.again(error).await?;
    }
}

impl Begun {
    /// Writes its name into its note.
    async fn name(&self, client: &Client) -> Result<(), StorageError> {
        let named = Note {
            upload: Some(self.upload.clone()),
            ..self.noted.clone()
        };
        named.keep(client, &self.note).await
    }
}

/// Begins one for a resumable upload, which keeps its name and completes or aborts it itself.
pub(super) async fn begin_resumable(
    client: &Client,
    path: &Path,
    attributes: Attributes,
    resumable: &str,
) -> Result<Begun, StorageError> {
    let begun = begin(client, path, attributes, Some(resumable)).await?;
    if let Err(error) = begun.name(client).await {
        // Where this fails, too, the sweep finds it by its key.
        if client.abort(path, &begun.upload).await.is_ok() {
            notes::forget(client, &begun.note).await;
        }
        return Err(error);
    }
    Ok(begun)
}

/// Dropping it before it is completed aborts it.
pub(super) struct Multipart {
    store: Arc<Inner>,
    /// The key of its parts: the target, unless they are put together elsewhere (see `staging`).
    path: Path,
    target: Path,
    note: String,
    upload: String,
    sent: Vec<PartId>,
    sending: Option<JoinHandle<Result<PartId, Failure>>>,
    is_open: bool,
}

impl Multipart {
    pub(super) async fn begin(
        store: Arc<Inner>,
        path: Path,
        target: Path,
        attributes: Attributes,
    ) -> Result<Self, StorageError> {
        let client = Arc::clone(&store.client);
        let begun = begin(&client, &path, attributes, None).await?;
        // From here on dropping aborts.
        let multipart = Self {
            store,
            path,
            target,
            note: begun.note.clone(),
            upload: begun.upload.clone(),
            sent: Vec::new(),
            sending: None,
            is_open: true,
        };
        begun.name(&client).await?;
        Ok(multipart)
    }

    /// Sends a part while the caller gathers the next; waits for the one before.
    pub(super) async fn send(&mut self, payload: PutPayload) -> Result<(), StorageError> {
        self.all_sent().await?;
        let client = Arc::clone(&self.store.client);
        let (path, upload, index) = (self.path.clone(), self.upload.clone(), self.sent.len());
        self.sending = Some(tokio::spawn(async move {
            client.put_part(&path, &upload, index, payload).await
        }));
        Ok(())
    }

    /// Waits until every part is there.
    pub(super) async fn all_sent(&mut self) -> Result<(), StorageError> {
        if let Some(sending) = &mut self.sending {
            let part = sending.await.map_err(|_| RemoteError::Broken)?;
            self.sending = None;
            self.sent.push(part.map_err(RemoteError::from)?);
        }
        Ok(())
    }

    /// Makes it the object, if the guard holds for what is there. May be asked for again.
    pub(super) async fn complete(&self, guard: &Guard) -> Result<(), Failure> {
        let client = &self.store.client;
        if !self.is_staged() {
            let parts = self.sent.clone();
            let completed = client.complete(&self.path, &self.upload, parts, guard);
            return completed.await;
        }
        self.put_together().await?;
        client.copy(&self.path, &self.target, guard).await
    }

    /// Makes it an object of its own, if it is none yet.
    pub(super) async fn put_together(&self) -> Result<(), Failure> {
        let client = &self.store.client;
        let there = client.head(&self.path).await.map_err(Failure::Other)?;
        if there.is_some() {
            return Ok(());
        }
        let (parts, anything) = (self.sent.clone(), Guard::Anything);
        let completed = client.complete(&self.path, &self.upload, parts, &anything);
        completed.await
    }

    /// Whether it is put together elsewhere.
    pub(super) fn is_staged(&self) -> bool {
        self.path != self.target
    }

    /// Leaves it to the sweep: the store may still be at it.
    pub(super) fn leave(mut self) {
        self.is_open = false;
    }

    /// It is an object now.
    pub(super) async fn completed(mut self) {
        self.is_open = false;
        let client = &self.store.client;
        // What cannot be removed now is removed by the sweep, which finds it by its note.
        if staging::clear(client, &self.path).await.is_ok() {
            notes::forget(client, &self.note).await;
        }
    }

    /// As if the process ended here; the upload's own id.
    #[cfg(test)]
    pub(super) fn crash(mut self) -> String {
        self.is_open = false;
        self.upload.clone()
    }

    /// One of a resumable upload, with the parts that it has; `note` is its note's name. Dropping it
    /// leaves it as it is.
    pub(super) fn resumed(
        store: Arc<Inner>,
        path: Path,
        target: Path,
        note: String,
        upload: String,
        sent: Vec<PartId>,
    ) -> Self {
        Self {
            store,
            path,
            target,
            note,
            upload,
            sent,
            sending: None,
            is_open: false,
        }
    }
}

impl Drop for Multipart {
    fn drop(&mut self) {
        if !self.is_open {
            return;
        }
        if let Some(sending) = self.sending.take() {
            sending.abort();
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (store, path, upload) = (
            Arc::clone(&self.store),
            self.path.clone(),
            self.upload.clone(),
        );
        let note = self.note.clone();
        runtime.spawn(async move {
            // Without an answer the note stays, for the sweep.
            if end(&store.client, &path, &upload).await.is_ok() {
                notes::forget(&store.client, &note).await;
            }
        });
    }
}

/// Aborts it; or removes what it has become, where that is no object yet.
pub(super) async fn end(client: &Client, path: &Path, upload: &String) -> Result<(), Failure> {
    // There are servers that refuse to abort what is completed.
    let is_put_together =
        staging::holds(path) && client.head(path).await.map_err(Failure::Other)?.is_some();
    if is_put_together {
        return staging::clear(client, path).await;
    }
    match client.abort(path, upload).await {
        Ok(()) | Err(Failure::Absent) => Ok(()),
        Err(other) => Err(other),
    }
}
