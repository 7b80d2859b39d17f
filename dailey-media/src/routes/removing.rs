//! Removes objects.

use axum::extract::State;
use dailey_http::Problem;
use http::{HeaderMap, StatusCode, Uri};

use super::{App, absent, condition_failed, failed, key, malformed_condition};
use crate::access::Scope;
use crate::preconditions::Preconditions;
use crate::storage::{Deletion, Location};

/// `DELETE /api/media/{key}`.
pub(super) async fn delete(
    State(app): State<App>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<StatusCode, Problem> {
    let space = app.access.space(&headers, Scope::Write).await?;
    let at = Location {
        space,
        key: key(&uri)?,
    };
    let conditions = Preconditions::read(&headers).map_err(malformed_condition)?;
    match app.storage.delete(&at, &conditions).await.map_err(failed)? {
        Deletion::Deleted => Ok(StatusCode::NO_CONTENT),
        // RFC 9110 13.2.1: without an object, conditions do not count.
        Deletion::Absent => Err(absent()),
        Deletion::ConditionFailed(current) => Err(condition_failed(current.as_ref())),
    }
}
