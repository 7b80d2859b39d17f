//! Removes objects.

use std::borrow::Cow;
use std::collections::HashSet;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use dailey_http::Problem;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::openapi::{BodyRefusals, Refusals, StateRefusals};
use super::{
    App, Caller, absent, condition_failed, count, failed, json_body, key, key_text,
    malformed_condition,
};
use crate::access::Scope;
use crate::key::{MAX_KEY_BYTES, Space};
use crate::preconditions::Preconditions;
use crate::storage::{Deletion, Depth, ListQuery, Location};

/// Objects of a batch that are removed at once: a full batch ends well before the edge gives up on it.
const AT_ONCE: usize = 16;

/// Delete an object
///
/// `DELETE /api/media/{key}`.
#[utoipa::path(delete, path = "/api/media/{key}", operation_id = "delete_object", tag = "objects", security(("bearer" = [])), params(
    ("key" = String, Path, description = "UTF-8 of at most 1024 bytes, percent-encoded once; slashes as they are"),
    ("If-Match" = Option<String>, Header, description = "Only if it is in this state"),
), responses(
    Refusals,
    (status = 204, description = "It is gone"),
    StateRefusals,
))]
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
    match app.changes.delete(at, conditions).await? {
        Deletion::Deleted => Ok(StatusCode::NO_CONTENT),
        // RFC 9110 13.2.1: without an object, conditions do not count.
        Deletion::Absent => Err(absent()),
        Deletion::ConditionFailed(current) => Err(condition_failed(current.as_ref())),
    }
}

/// What became of a batch.
#[derive(Serialize, ToSchema)]
#[schema(as = Deleted)]
struct DeletedBody {
    results: Vec<DeletedKey>,
    /// Whether there are others with the prefix.
    more: bool,
}

/// What became of one object.
#[derive(Serialize, ToSchema)]
struct DeletedKey {
    key: String,
    /// `deleted`, `absent`, or `failed` with a `code`.
    status: String,
    code: Option<String>,
}

/// Either `keys` or `prefix`.
#[derive(Deserialize, ToSchema)]
#[schema(as = Delete)]
#[serde(deny_unknown_fields)]
struct Wanted {
    keys: Option<Vec<String>>,
    prefix: Option<String>,
}

/// Delete several objects
///
/// `POST /api/media-ops/delete`: the keys that are named, or as many that begin with a prefix.
/// Each has a result of its own, in the order of `keys`; a text that is no key has one as well. `more` says
/// whether others with the prefix are left.
#[utoipa::path(post, path = "/api/media-ops/delete", operation_id = "delete_objects", tag = "operations", security(("bearer" = [])), request_body = Wanted, responses(
    Refusals, BodyRefusals,
    (status = 200, description = "What became of each", body = DeletedBody),
    (status = 400, description = "`batch_invalid`, `body_incomplete`"),
))]
pub(super) async fn delete_many(
    State(app): State<App>,
    Caller(token): Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let space = app.access.open(&token, Scope::Write)?;
    let wanted: Wanted = json_body(&app, &headers, body).await?;
    let (keys, more) = match (wanted.keys, wanted.prefix) {
        (Some(keys), None) => (named(&app, keys)?, false),
        (None, Some(prefix)) => with_prefix(&app, &space, prefix).await?,
        _ => return Err(batch_invalid("say either `keys` or `prefix`")),
    };
    let results = stream::iter(keys).map(|key| result_of(&app, &space, key));
    let results: Vec<Value> = results.buffered(AT_ONCE).collect().await;
    Ok(Json(json!({ "results": results, "more": more })))
}

async fn result_of(app: &App, space: &Space, key: String) -> Value {
    match delete_one(app, space, &key).await {
        Ok(Deletion::Deleted) => json!({ "key": key, "status": "deleted" }),
        Ok(Deletion::Absent) => json!({ "key": key, "status": "absent" }),
        Ok(Deletion::ConditionFailed(_)) => {
            json!({ "key": key, "status": "failed", "code": "precondition_failed" })
        }
        // The others may still go: what failed is told, and logged with its cause.
        Err(error) => {
            app.metrics.failed(error.code());
            json!({ "key": key, "status": "failed", "code": error.code() })
        }
    }
}

async fn delete_one(app: &App, space: &Space, key: &str) -> Result<Deletion, Problem> {
    let at = Location {
        space: space.clone(),
        key: key_text(key.to_owned())?,
    };
    app.changes.delete(at, Preconditions::default()).await
}

/// Each once, where it is named first.
fn named(app: &App, mut keys: Vec<String>) -> Result<Vec<String>, Problem> {
    let most = app.limits.batch_max_keys;
    if keys.is_empty() || keys.len() > count(most) {
        return Err(batch_invalid(format!("`keys` takes 1 to {most} keys")));
    }
    let mut seen = HashSet::with_capacity(keys.len());
    keys.retain(|key| seen.insert(key.clone()));
    Ok(keys)
}

async fn with_prefix(
    app: &App,
    space: &Space,
    prefix: String,
) -> Result<(Vec<String>, bool), Problem> {
    // Everything is a lot to lose by a text that was forgotten.
    if prefix.is_empty() || prefix.len() > MAX_KEY_BYTES {
        return Err(batch_invalid("`prefix` takes 1 to 1024 bytes"));
    }
    let query = ListQuery {
        prefix,
        depth: Depth::All,
        limit: count(app.limits.batch_max_keys),
        after: None,
    };
    let page = app.storage.list(space, &query).await.map_err(failed)?;
    let keys = page.objects.iter();
    let keys = keys.map(|(key, _)| key.as_str().to_owned()).collect();
    Ok((keys, page.next.is_some()))
}

fn batch_invalid(detail: impl Into<Cow<'static, str>>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "batch_invalid", detail)
}
