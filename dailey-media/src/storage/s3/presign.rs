//! Links by which the store itself gives an object: bytes that do not pass through the service.
//!
//! They are signed for the public endpoint. What a reader's browser may do with the bytes is signed
//! into the link as it follows from the object that is there now; none of our headers stands around
//! them.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use object_store::signer::{SignedUrlOptions, Signer};

use super::fault::RemoteError;
use super::{Inner, layout};
use crate::storage::{Location, StorageError};

pub(super) async fn sign(
    inner: &Inner,
    at: &Location,
    life: Duration,
) -> Result<String, StorageError> {
    let path = layout::path(at)?;
    let object = inner.stat(&path).await?;
    let headers = object.map_or_else(of_nothing, |object| object.headers(&at.key));
    let options = reading(&headers);
    let public = inner.client.public();
    let signed = public.signed_url_opts(Method::GET, &path, life, &options);
    let url = signed.await.map_err(|_| RemoteError::Broken)?;
    Ok(url.into())
}

/// Type, disposition and caching are the answer's, whatever lies there when the link is used.
fn reading(headers: &HeaderMap) -> SignedUrlOptions {
    let pairs = [
        ("response-content-type", header::CONTENT_TYPE),
        ("response-content-disposition", header::CONTENT_DISPOSITION),
        ("response-cache-control", header::CACHE_CONTROL),
    ];
    let said = pairs.into_iter().filter_map(|(parameter, name)| {
        let value = headers.get(name)?.to_str().ok()?;
        Some((parameter.to_owned(), value.to_owned()))
    });
    SignedUrlOptions::new().with_query(said)
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
