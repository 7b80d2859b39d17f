//! Lists the objects of the token's space, page by page.

use axum::Json;
use axum::extract::State;
use dailey_http::Problem;
use http::{HeaderMap, StatusCode, Uri};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::openapi::{ObjectBody, Refusals};
use super::{App, count, failed};
use crate::access::Scope;
use crate::cursor::{self, List};
use crate::key::MAX_KEY_BYTES;
use crate::settings::Limits;
use crate::storage::{Depth, ListQuery, Object};

/// A page of a list.
#[derive(Serialize, ToSchema)]
#[schema(as = Page)]
struct ListBody {
    objects: Vec<ObjectBody>,
    /// What lies deeper, up to and with its slash.
    prefixes: Vec<String>,
    /// Null on the last page.
    next_cursor: Option<String>,
}

/// List objects
///
/// `GET /api/media?prefix&delimiter&limit&cursor`.
#[utoipa::path(get, path = "/api/media", operation_id = "list_objects", tag = "objects", security(("bearer" = [])), params(
    ("prefix" = Option<String>, Query, description = "Start of the keys"),
    ("delimiter" = Option<String>, Query, description = "`/`: what lies deeper shows as one prefix"),
    ("limit" = Option<u16>, Query, description = "1 to 1000, default 100"),
    ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
), responses(
    Refusals,
    (status = 200, description = "A page", body = ListBody),
    (status = 400, description = "`query_invalid`, `cursor_invalid`"),
))]
pub(super) async fn list(
    State(app): State<App>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Json<Value>, Problem> {
    let space = app.access.space(&headers, Scope::Read).await?;
    let Parameters {
        prefix,
        depth,
        limit,
        cursor,
    } = Parameters::read(uri.query().unwrap_or_default(), &app.limits)?;
    let list = List {
        space: &space,
        prefix: &prefix,
        depth,
    };
    let after = match cursor {
        None => None,
        Some(cursor) => Some(cursor::read(&app.link_secret, list, &cursor).ok_or_else(|| {
            invalid("cursor_invalid", "the cursor is not one that this list gave: begin again without it, or keep prefix and delimiter as they were")
        })?),
    };
    let query = ListQuery {
        prefix: prefix.clone(),
        depth,
        limit,
        after,
    };
    let page = app.storage.list(&space, &query).await.map_err(failed)?;
    let objects: Vec<Value> = page
        .objects
        .iter()
        .map(|(key, object)| describe(key.as_str(), object))
        .collect();
    let next = page
        .next
        .map(|after| cursor::write(&app.link_secret, list, &after));
    Ok(Json(
        json!({ "objects": objects, "prefixes": page.prefixes, "next_cursor": next }),
    ))
}

/// An object as JSON, here and in the answer to an upload.
pub(super) fn describe(key: &str, object: &Object) -> Value {
    let modified = i64::try_from(object.modified_ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    json!({
        "key": key,
        "size": object.size,
        "etag": object.validators().etag,
        "sha256": object.sha256.to_hex(),
        "content_type": object.description.content_type,
        "last_modified": modified.map(|time| time.to_string()),
    })
}

struct Parameters {
    prefix: String,
    depth: Depth,
    limit: usize,
    cursor: Option<String>,
}

impl Parameters {
    fn read(query: &str, limits: &Limits) -> Result<Self, Problem> {
        let most = limits.list_max_objects;
        let (mut prefix, mut delimiter, mut limit, mut cursor) = (None, None, None, None);
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let place = match &*name {
                "prefix" => &mut prefix,
                "delimiter" => &mut delimiter,
                "limit" => &mut limit,
                "cursor" => &mut cursor,
                _ => {
                    return Err(invalid(
                        "query_invalid",
                        "the query takes prefix, delimiter, limit and cursor",
                    ));
                }
            };
            if place.replace(value.into_owned()).is_some() {
                return Err(invalid(
                    "query_invalid",
                    "a query parameter stands there twice",
                ));
            }
        }
        let prefix = prefix.unwrap_or_default();
        if prefix.len() > MAX_KEY_BYTES {
            return Err(invalid(
                "query_invalid",
                "the prefix is longer than a key can be: 1024 bytes",
            ));
        }
        let depth = match delimiter.as_deref() {
            None | Some("") => Depth::All,
            Some("/") => Depth::ToNextSlash,
            Some(_) => return Err(invalid("query_invalid", "the delimiter can only be `/`")),
        };
        let limit = match limit.as_deref() {
            None => count(limits.list_default_objects),
            Some(text) => text
                .parse()
                .ok()
                .filter(|limit| (1..=count(most)).contains(limit) && !text.starts_with('+'))
                .ok_or_else(|| {
                    let detail = format!("the limit is not a number from 1 to {most}");
                    Problem::new(StatusCode::BAD_REQUEST, "query_invalid", detail)
                })?,
        };
        Ok(Self {
            prefix,
            depth,
            limit,
            cursor: cursor.filter(|text| !text.is_empty()),
        })
    }
}

fn invalid(code: &'static str, detail: &'static str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, code, detail)
}
