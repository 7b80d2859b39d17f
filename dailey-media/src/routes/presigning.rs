//! Gives links that open one object for a while, to those who could open it themselves.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use dailey_http::Problem;
use http::{Extensions, HeaderMap, HeaderValue, StatusCode};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::links::now_seconds;
use super::openapi::{BodyRefusals, Refusals};
use super::{App, Caller, failed, json_body, key_text, refuse_longer_key};
use crate::access::Scope;
use crate::link::Link;
use crate::storage::{LinkMethod, Location};

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
    /// What must be sent with a PUT: `content-type`, and `if-none-match` with `*`.
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
/// link to read goes to the bucket; one to write comes back here, to the same limits, quotas and audit log as
/// a PUT with a token.
#[utoipa::path(post, path = "/api/media-ops/presign", operation_id = "presign", tag = "operations", security(("bearer" = [])), request_body = Wanted, responses(
    Refusals, BodyRefusals,
    (status = 200, description = "The link", body = LinkBody),
    (status = 400, description = "`key_invalid`, `expires_in_invalid`, `link_headers_invalid`, `host_invalid`, `body_incomplete`"),
))]
pub(super) async fn presign(
    State(app): State<App>,
    Caller(token): Caller,
    headers: HeaderMap,
    extensions: Extensions,
    body: Body,
) -> Result<Json<LinkBody>, Problem> {
    let wanted: Wanted = match json_body(&app, &headers, body).await {
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
    if method == LinkMethod::Put {
        refuse_longer_key(&app, &key)?;
    }
    let mut link = Link {
        at: Location { space, key },
        method,
        expires: now_seconds() + seconds,
        content_type: None,
        create_only: false,
    };
    lay_down(&mut link, wanted.headers)?;

    let mut to_send = BTreeMap::new();
    if let Some(value) = link
        .content_type
        .as_ref()
        .and_then(|value| value.to_str().ok())
    {
        to_send.insert("content-type".to_owned(), value.to_owned());
    }
    if link.create_only {
        to_send.insert("if-none-match".to_owned(), "*".to_owned());
    }
    let signed_by_store = match method {
        LinkMethod::Get => {
            let life = Duration::from_secs(seconds);
            let signed = app.storage.presign(&link.at, life).await;
            signed.map_err(failed)?
        }
        // What comes is bounded, counted and written down here.
        LinkMethod::Put => None,
    };
    let url = match signed_by_store {
        Some(url) => url,
        None => app.link_base.of(&extensions, &headers)? + &link.write(&app.link_secret),
    };
    let expires_at = i64::try_from(link.expires)
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    Ok(Json(LinkBody {
        url,
        method: method.as_str(),
        headers: to_send,
        expires_at: expires_at.map(|time| time.to_string()),
    }))
}

fn lay_down(link: &mut Link, headers: BTreeMap<String, String>) -> Result<(), Problem> {
    let invalid = || {
        bad_request(
            "link_headers_invalid",
            "`headers` is for a PUT, and takes `content-type` and `if-none-match` (`*`), each once",
        )
    };
    if link.method == LinkMethod::Get && !headers.is_empty() {
        return Err(invalid());
    }
    for (name, value) in headers {
        if name.eq_ignore_ascii_case("content-type") && link.content_type.is_none() {
            let mut sent = HeaderMap::new();
            let value = HeaderValue::try_from(value).map_err(|_| invalid())?;
            sent.insert(http::header::CONTENT_TYPE, value.clone());
            // A type that no PUT could be sent with.
            crate::description::Description::read(&sent).map_err(|_| invalid())?;
            link.content_type = Some(value);
        } else if name.eq_ignore_ascii_case("if-none-match") && value == "*" && !link.create_only {
            link.create_only = true;
        } else {
            return Err(invalid());
        }
    }
    Ok(())
}

fn bad_request(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, code, detail)
}
