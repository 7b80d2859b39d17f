//! What a client is told when the store could not do what it was asked.

use std::io::ErrorKind;

use dailey_http::Problem;
use http::StatusCode;

use crate::storage::StorageError;

/// Seconds after which a client may try again.
const RETRY_AFTER_SECONDS: u32 = 5;

/// The cause goes to the log, where it belongs to somebody who can act.
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn failed(error: StorageError) -> Problem {
    match &error {
        StorageError::Io(cause)
            if matches!(
                cause.kind(),
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded
            ) =>
        {
            tracing::error!(%error, "the storage is full");
            Problem::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "storage_full",
                "the storage is full; tell the operator",
            )
        }
        StorageError::KeyTooLong => {
            Problem::new(StatusCode::BAD_REQUEST, "key_invalid", error.to_string())
        }
        StorageError::Io(_) | StorageError::Remote(_) => {
            tracing::error!(%error, "the storage failed");
            Problem::unavailable(
                "storage_unavailable",
                "the storage cannot serve now: try again",
                RETRY_AFTER_SECONDS,
            )
        }
        StorageError::Busy => {
            tracing::warn!(%error, "the storage is busy");
            Problem::unavailable(
                "storage_busy",
                "too much is going on: try again",
                RETRY_AFTER_SECONDS,
            )
        }
        StorageError::Damaged(_) => {
            tracing::error!(%error, "a stored object is damaged");
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "object_damaged",
                "a stored object is not as it was written; tell the operator this request_id",
            )
        }
    }
}
