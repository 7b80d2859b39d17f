//! All uploads that there are, of all subjects: page by page, and those that are open.

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::UploadId;
use super::state::State;
use crate::quota::OpenUpload;
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
    let ids = names.filter_map(|(key, _)| UploadId::parse(key.as_str()));
    Ok((ids.collect(), page.next))
}

/// Those of an app that are open, for whoever counts what it stores.
pub(crate) fn find_open<'a>(
    storage: &'a dyn Storage,
    app_id: &'a str,
) -> Pending<'a, Vec<OpenUpload>> {
    Box::pin(async move {
        let mut open = Vec::new();
        let mut after = None;
        loop {
            let (ids, next) = page(storage, after).await?;
            let reading = ids.into_iter().map(|id| read_open(storage, app_id, id));
            let mut read = stream::iter(reading).buffer_unordered(AT_ONCE);
            while let Some(upload) = read.try_next().await? {
                open.extend(upload);
            }
            after = next;
            if after.is_none() {
                return Ok(open);
            }
        }
    })
}

/// Nothing where it is of another app, has ended, or cannot be read: then nobody goes on with it.
async fn read_open(
    storage: &dyn Storage,
    app_id: &str,
    id: UploadId,
) -> Result<Option<OpenUpload>, StorageError> {
    let record = match records::read(storage, &id.location()).await {
        Ok(record) => record,
        Err(StorageError::Damaged(_)) => None,
        Err(error) => return Err(error),
    };
    let state = record.and_then(|record| State::parse(&record.bytes).ok());
    let of_app = |state: &State| state.is_open() && state.space().app_id() == app_id;
    Ok(state.filter(of_app).map(|state| OpenUpload {
        id: id.as_str().to_owned(),
        subject: state.space().subject().to_owned(),
        length: state.length,
    }))
}
