//! Links by which the store itself gives or takes an object: bytes that do not pass through the service.
//!
//! They are signed for the public endpoint. What a reader's browser may do with the bytes is signed
//! into the link as it follows from the object that is there now; none of our headers stands around
//! them. Of a writer, what was laid down is signed: above all how many bytes come.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};

use super::fault::RemoteError;
use super::{Inner, layout};
use crate::settings::{Addressing, S3Settings};
use crate::storage::{LaidDown, LinkMethod, Location, StorageError};

/// What signs.
#[derive(Debug)]
pub(super) struct Signer {
    bucket: Bucket,
    credentials: Credentials,
}

impl Signer {
    pub(super) fn new(settings: &S3Settings) -> Result<Self, RemoteError> {
        let style = match settings.addressing {
            Addressing::Path => UrlStyle::Path,
            Addressing::Host => UrlStyle::VirtualHost,
        };
        let endpoint = settings.public_endpoint.clone();
        let (name, region) = (settings.bucket.clone(), settings.region.clone());
        Ok(Self {
            bucket: Bucket::new(endpoint, style, name, region).map_err(|_| RemoteError::Broken)?,
            credentials: Credentials::new(&settings.access_key_id, &settings.secret_access_key),
        })
    }
}

/// See [`Storage::presign`](crate::storage::Storage::presign).
pub(super) async fn link(
    inner: &Inner,
    at: &Location,
    method: LinkMethod,
    laid_down: &LaidDown,
    life: Duration,
) -> Result<Option<String>, StorageError> {
    let path = layout::path(at)?;
    let Signer {
        bucket,
        credentials,
    } = &inner.signer;
    let url = match (method, laid_down.content_length) {
        (LinkMethod::Get, _) => {
            let object = inner.stat(&path).await?;
            let headers = object.map_or_else(of_nothing, |object| object.headers(&at.key));
            let mut action = bucket.get_object(Some(credentials), path.as_ref());
            for (parameter, value) in answered(&headers) {
                action.query_mut().insert(parameter, value);
            }
            action.sign(life)
        }
        (LinkMethod::Put, Some(length)) => {
            let mut action = bucket.put_object(Some(credentials), path.as_ref());
            let headers = action.headers_mut();
            headers.insert("content-length", length.to_string());
            if let Some(value) = &laid_down.content_type {
                // As they are signed: spaces run together.
                let value = value.to_str().map_err(|_| RemoteError::Broken)?;
                let words: Vec<&str> = value.split_ascii_whitespace().collect();
                headers.insert("content-type", words.join(" "));
            }
            if laid_down.create_only {
                headers.insert("if-none-match", "*");
            }
            action.sign(life)
        }
        (LinkMethod::Put, None) => return Ok(None),
    };
    Ok(Some(url.into()))
}

/// Type, disposition and caching are the answer's, whatever lies there when the link is used.
fn answered(headers: &HeaderMap) -> impl Iterator<Item = (&'static str, &str)> {
    let pairs = [
        ("response-content-type", header::CONTENT_TYPE),
        ("response-content-disposition", header::CONTENT_DISPOSITION),
        ("response-cache-control", header::CACHE_CONTROL),
    ];
    let said = pairs.into_iter();
    said.filter_map(|(parameter, name)| Some((parameter, headers.get(name)?.to_str().ok()?)))
}

/// What somebody may put there meanwhile is of no known type, so it is saved and not shown.
fn of_nothing() -> HeaderMap {
    let said = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CONTENT_DISPOSITION, "attachment"),
        (header::CACHE_CONTROL, "private, no-cache, no-transform"),
    ];
    let said = said.map(|(name, value)| (name, HeaderValue::from_static(value)));
    HeaderMap::from_iter(said)
}
