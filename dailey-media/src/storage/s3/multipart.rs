//! A multipart upload: begun, sent part by part, and completed or aborted. While it is under way a
//! record says so, for the sweep to abort what a crash left.

use std::sync::Arc;
use std::time::Duration;

use object_store::multipart::PartId;
use object_store::path::Path;
use object_store::{Attributes, PutPayload};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use super::Inner;
use super::client::{Client, Guard};
use super::fault::{Failure, RemoteError};
use super::found::now_ms;
use crate::storage::StorageError;

/// Where the records are.
pub(super) const FOLDER: &str = ".dailey/multiparts";

/// Uploads whose record is older are nobody's: longer than any upload may take.
pub(super) const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// What the sweep needs.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) key: String,
    pub(super) upload: String,
    pub(super) begun_ms: u64,
    /// The resumable upload that it belongs to, whose state says how long it is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) resumable: Option<String>,
}

/// Begins one for a resumable upload, which keeps its name and completes or aborts it itself. Its
/// record is `note`.
pub(super) async fn begin_resumable(
    client: &Client,
    path: &Path,
    attributes: Attributes,
    note: &str,
    resumable: &str,
) -> Result<String, StorageError> {
    let upload = client.begin(path, attributes).await;
    let upload = upload.map_err(RemoteError::from)?;
    let record = Record {
        key: path.to_string(),
        upload: upload.clone(),
        begun_ms: now_ms(),
        resumable: Some(resumable.to_owned()),
    };
    if let Err(error) = keep(client, note, &record).await {
        let _ = client.abort(path, &upload).await;
        return Err(error);
    }
    Ok(upload)
}

async fn keep(client: &Client, name: &str, record: &Record) -> Result<(), StorageError> {
    let json = serde_json::to_vec(record).map_err(|_| RemoteError::Broken)?;
    let (path, none) = (record_path(name), Attributes::new());
    let put = client.put(&path, json.into(), none, &Guard::Anything).await;
    Ok(put.map_err(RemoteError::from)?)
}

/// Removes the record of one that has ended. One that stays is swept.
pub(super) async fn forget(client: &Client, name: &str) {
    let _ = client.delete(&record_path(name), &Guard::Anything).await;
}

fn record_path(name: &str) -> Path {
    Path::from(format!("{FOLDER}/{name}"))
}

/// Dropping it before it is completed aborts it.
pub(super) struct Multipart {
    store: Arc<Inner>,
    path: Path,
    id: String,
    upload: String,
    sent: Vec<PartId>,
    sending: Option<JoinHandle<Result<PartId, Failure>>>,
    is_open: bool,
}

impl Multipart {
    pub(super) async fn begin(
        store: Arc<Inner>,
        path: Path,
        id: String,
        attributes: Attributes,
    ) -> Result<Self, StorageError> {
        let client = Arc::clone(&store.client);
        let upload = client.begin(&path, attributes).await;
        let upload = upload.map_err(RemoteError::from)?;
        let record = Record {
            key: path.to_string(),
            upload: upload.clone(),
            begun_ms: now_ms(),
            resumable: None,
        };
        // From here on dropping aborts.
        let begun = Self {
            store,
            path,
            id,
            upload,
            sent: Vec::new(),
            sending: None,
            is_open: true,
        };
        keep(&client, &begun.id, &record).await?;
        Ok(begun)
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

    pub(super) async fn complete(&self, guard: &Guard) -> Result<(), Failure> {
        let parts = self.sent.clone();
        let client = &self.store.client;
        client
            .complete(&self.path, &self.upload, parts, guard)
            .await
    }

    /// It is an object now.
    pub(super) async fn completed(mut self) {
        self.is_open = false;
        forget(&self.store.client, &self.id).await;
    }

    /// As if the process ended here; the upload's own id.
    #[cfg(test)]
    pub(super) fn crash(mut self) -> String {
        self.is_open = false;
        self.upload.clone()
    }

    /// One of a resumable upload, with the parts that it has; `note` is its record. Dropping it
    /// leaves it as it is.
    pub(super) fn resumed(
        store: Arc<Inner>,
        path: Path,
        note: String,
        upload: String,
        sent: Vec<PartId>,
    ) -> Self {
        Self {
            store,
            path,
            id: note,
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
        let record = self.id.clone();
        runtime.spawn(async move {
            let aborted = store.client.abort(&path, &upload).await;
            // Without an answer the record stays, for the sweep.
            if matches!(aborted, Ok(()) | Err(Failure::Absent)) {
                forget(&store.client, &record).await;
            }
        });
    }
}
