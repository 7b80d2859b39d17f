//! Gives links that open one object for a while, to those who could open it themselves.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use dailey_http::{Problem, body};
use http::{Extensions, HeaderMap, HeaderValue, StatusCode};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::links::now_seconds;
use super::openapi::{BodyRefusals, Refusals};
use super::{App, Caller, MAX_JSON_BYTES, failed, key_text, uploads};
use crate::access::Scope;
use crate::digits;
use crate::link::Link;
use crate::storage::{LaidDown, LinkMethod, Location};

#[derive(Deserialize, ToSchema)]
#[schema(as = LinkWanted)]
#[serde(deny_unknown_fields)]
struct Wanted {
    key: String,
    method: Method,
    /// Seconds, 1 to 86400; 900 when left out.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = i64, required = false)]
    expires_in: Option<i64>,
    /// What must be sent with a PUT: `content-type`, `content-length`, and `if-none-match` with `*`.
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[schema(as = LinkMethod)]
enum Method {
    #[serde(rename = "GET")]
    Get,
    #[serde(rename = "PUT")]
    Put,
}

/// A link, and how it is followed.
#[derive(Serialize, ToSchema)]
#[schema(as = Link)]
pub(super) struct LinkBody {
    url: String,
    method: &'static str,
    /// What must be sent with it.
    headers: BTreeMap<String, String>,
    /// RFC 3339.
    expires_at: Option<String>,
}

/// A number, and not `null`.
fn said<'de, D: Deserializer<'de>>(value: D) -> Result<Option<i64>, D::Error> {
    i64::deserialize(value).map(Some)
}

/// Make a link
///
/// `POST /api/media-ops/presign`: a link that opens one object without a token, for up to a day. With S3 a
/// link to read goes to the bucket, and so does one to write where `content-length` is laid down: its bytes
/// count from now on. Any other link to write comes back here, to the same limits, quotas and audit log as a
/// PUT with a token.
#[utoipa::path(post, path = "/api/media-ops/presign", operation_id = "presign", tag = "operations", security(("bearer" = [])), request_body = Wanted, responses(
    Refusals, BodyRefusals,
    (status = 200, description = "The link", body = LinkBody),
    (status = 400, description = "`key_invalid`, `expires_in_invalid`, `link_headers_invalid`, `host_invalid`, `body_incomplete`"),
    (status = 429, description = "`too_many_open_uploads`; `rate_limited`, with `Retry-After`"),
))]
pub(super) async fn presign(
    State(app): State<App>,
    Caller(token): Caller,
    headers: HeaderMap,
    extensions: Extensions,
    body: Body,
) -> Result<Json<LinkBody>, Problem> {
    let wanted: Wanted = match body::json(&headers, body, MAX_JSON_BYTES).await {
        Ok(wanted) => wanted,
        Err(problem) => {
            // Counted like any other: which scope was meant cannot be told.
            let reads = app.access.open(&token, Scope::Read);
            reads.or_else(|_| app.access.open(&token, Scope::Write))?;
            return Err(problem);
        }
    };
    let (method, scope) = match wanted.method {
        Method::Get => (LinkMethod::Get, Scope::Read),
        Method::Put => (LinkMethod::Put, Scope::Write),
    };
    let space = app.access.open(&token, scope)?;
    let most = app.limits.link_max_seconds;
    let seconds = match wanted.expires_in {
        None => Some(app.limits.link_default_seconds),
        Some(seconds) => u64::try_from(seconds).ok(),
    };
    let seconds = seconds
        .filter(|seconds| (1..=most).contains(seconds))
        .ok_or_else(|| {
            let detail = format!("`expires_in` is not a number of seconds from 1 to {most}");
            bad_request("expires_in_invalid", detail)
        })?;
    let key = key_text(wanted.key)?;
    let link = Link {
        at: Location { space, key },
        method,
        expires: now_seconds() + seconds,
        laid_down: lay_down(method, wanted.headers)?,
    };
    let life = Duration::from_secs(seconds);
    let by_store = app
        .storage
        .presign(&link.at, method, &link.laid_down, life)
        .await
        .map_err(failed)?;
    let most = match by_store {
        Some(_) => app.limits.upload_max_bytes,
        None => app.limits.put_max_bytes,
    };
    let length = link.laid_down.content_length;
    if length.is_some_and(|length| length > most) {
        return Err(Problem::body_too_large(most));
    }
    let url = match by_store {
        None => app.link_base.of(&extensions, &headers)? + &link.write(&app.link_secret),
        Some(url) => {
            if let Some(length) = length {
                let entrusted = app.uploads.entrust(link.at, length, life).await;
                entrusted.map_err(uploads::refused)?;
            }
            url
        }
    };
    let expires_at = i64::try_from(link.expires)
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    Ok(Json(LinkBody {
        url,
        method: method.as_str(),
        headers: to_send(&link.laid_down),
        expires_at: expires_at.map(|time| time.to_string()),
    }))
}

fn lay_down(method: LinkMethod, headers: BTreeMap<String, String>) -> Result<LaidDown, Problem> {
    let invalid = || {
        bad_request(
            "link_headers_invalid",
            "`headers` is for a PUT, and takes `content-type`, `content-length` and `if-none-match` (`*`), each once",
        )
    };
    let mut laid_down = LaidDown::default();
    if method == LinkMethod::Get && !headers.is_empty() {
        return Err(invalid());
    }
    for (name, value) in headers {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("content-type") && laid_down.content_type.is_none() {
            let mut sent = HeaderMap::new();
            let value = HeaderValue::try_from(value).map_err(|_| invalid())?;
            sent.insert(http::header::CONTENT_TYPE, value.clone());
            // A type that no PUT could be sent with.
            crate::description::Description::read(&sent).map_err(|_| invalid())?;
            laid_down.content_type = Some(value);
        } else if is("content-length") && laid_down.content_length.is_none() {
            laid_down.content_length = Some(digits::number(&value).ok_or_else(invalid)?);
        } else if is("if-none-match") && value == "*" && !laid_down.create_only {
            laid_down.create_only = true;
        } else {
            return Err(invalid());
        }
    }
    Ok(laid_down)
}

fn to_send(laid_down: &LaidDown) -> BTreeMap<String, String> {
    let content_type = laid_down.content_type.as_ref();
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let length = laid_down.content_length;
    let create_only = laid_down.create_only;
    let fields = [
        ("content-type", content_type.map(str::to_owned)),
        ("content-length", length.map(|length| length.to_string())),
        ("if-none-match", create_only.then(|| "*".to_owned())),
    ];
    let fields = fields.into_iter();
    fields
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

fn bad_request(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, code, detail)
}
