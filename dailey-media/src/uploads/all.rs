//! All uploads that there are, of all subjects: page by page, and those that are open.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::UploadId;
use super::state::State;
use crate::quota::{OpenUpload, OpenUploads};
use crate::storage::resumable::states;
use crate::storage::{Depth, ListQuery, Pending, Storage, StorageError, records};

const PAGE: usize = 1000;

/// States that are read at once.
const AT_ONCE: usize = 16;

/// Their names behind `after`, and where the next page goes on.
pub(super) async fn page(
    storage: &dyn Storage,
    after: Option<String>,
) -> Result<(Vec<UploadId>, Option<String>), StorageError> {
    let query = ListQuery {
        prefix: String::new(),
        depth: Depth::All,
        limit: PAGE,
        after,
    };
    let page = storage.list(&states(), &query).await?;
    let names = page.objects.iter();
    let ids = names.filter_map(|(key, _)| UploadId::parse(key.file_name()));
    Ok((ids.collect(), page.next))
}

/// All of them, for whoever counts what is stored.
#[derive(Debug)]
pub(crate) struct AllUploads(Arc<dyn Storage>);

impl AllUploads {
    pub(crate) fn new(storage: Arc<dyn Storage>) -> Self {
        Self(storage)
    }

    /// Those of `ids` that are open.
    async fn open(&self, ids: Vec<UploadId>) -> Result<Vec<OpenUpload>, StorageError> {
        let reading = ids.into_iter().map(|id| self.read_open(id));
        let read = stream::iter(reading).buffer_unordered(AT_ONCE);
        read.try_filter_map(async |upload| Ok(upload))
            .try_collect()
            .await
    }

    /// Nothing where it has ended, or cannot be read: then nobody goes on with it.
    async fn read_open(&self, id: UploadId) -> Result<Option<OpenUpload>, StorageError> {
        let record = match records::read(&*self.0, &id.location()).await {
            Ok(record) => record,
            Err(StorageError::Damaged(_)) => None,
            Err(error) => return Err(error),
        };
        let state = record.and_then(|record| State::parse(&record.bytes).ok());
        Ok(state.filter(State::is_open).map(|state| OpenUpload {
            id: id.as_str().to_owned(),
            space: state.space(),
            length: state.length,
        }))
    }
}

impl OpenUploads for AllUploads {
    fn of_app<'a>(&'a self, app_id: &'a str) -> Pending<'a, Vec<OpenUpload>> {
        Box::pin(async move {
            let mut open = Vec::new();
            let mut after = None;
            loop {
                let (ids, next) = page(&*self.0, after).await?;
                let of_page = self.open(ids).await?.into_iter();
                open.extend(of_page.filter(|upload| upload.space.app_id() == app_id));
                after = next;
                if after.is_none() {
                    return Ok(open);
                }
            }
        })
    }

    fn among(&self, ids: Vec<String>) -> Pending<'_, Vec<OpenUpload>> {
        let ids = ids.iter().filter_map(|id| UploadId::parse(id)).collect();
        Box::pin(self.open(ids))
    }
}
