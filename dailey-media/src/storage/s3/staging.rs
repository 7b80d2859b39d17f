//! Where large objects are put together.
//!
//! Most stores complete a multipart upload under a condition, so its parts are sent to the object's own
//! key. Where a store completes whatever the condition, but copies under one, they become an object of
//! their own first, which no token can name, and that is copied to its place.

use object_store::path::Path;

use super::client::{Client, Guard};
use super::fault::Failure;
use crate::settings::LargeWrites;

/// Where those of their own are.
const FOLDER: &str = ".dailey/staging";

/// The key of the parts of a write to `target`.
pub(super) fn key(large_writes: LargeWrites, target: &Path, writing: &str) -> Path {
    match large_writes {
        LargeWrites::Complete => target.clone(),
        LargeWrites::Copy => staged(writing),
    }
}

/// The same where it is one of its own.
pub(super) fn staged(writing: &str) -> Path {
    Path::from(format!("{FOLDER}/{writing}"))
}

/// Whether the key is one of those, and no object's own.
pub(super) fn holds(key: &Path) -> bool {
    key.prefix_matches(&Path::from(FOLDER))
}

/// Removes what was put together at `key`, if it is one of those.
pub(super) async fn clear(client: &Client, key: &Path) -> Result<(), Failure> {
    if !holds(key) {
        return Ok(());
    }
    match client.delete(key, &Guard::Anything).await {
        Ok(()) | Err(Failure::Absent) => Ok(()),
        Err(other) => Err(other),
    }
}
