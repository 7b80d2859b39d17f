//! Links that the store itself answers: bytes that do not pass through the service.
//!
//! They are signed for the public endpoint. What a reader's browser may do with the bytes is signed
//! into the link as it follows from the object that is there now; none of our headers stands around
//! them.

use http::{HeaderMap, HeaderValue, Method, header};
use object_store::signer::{SignedUrlOptions, Signer};

use super::fault::RemoteError;
use super::{Inner, layout};
use crate::storage::{LinkMethod, LinkRequest, SignedRequest, StorageError};

pub(super) async fn sign(inner: &Inner, link: &LinkRequest) -> Result<SignedRequest, StorageError> {
    let path = layout::path(&link.at)?;
    let (method, options) = match link.method {
        LinkMethod::Get => {
            let object = inner.stat(&path).await?;
            let headers = object.map_or_else(of_nothing, |object| object.headers(&link.at.key));
            (Method::GET, reading(&headers))
        }
        LinkMethod::Put => (Method::PUT, writing(link)),
    };
    let public = inner.client.public();
    let url = public
        .signed_url_opts(method, &path, link.expires_in, &options)
        .await
        .map_err(|_| RemoteError::Broken)?;
    Ok(SignedRequest {
        url: url.into(),
        // What is laid down is all that is signed.
        headers: Vec::new(),
    })
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

fn writing(link: &LinkRequest) -> SignedUrlOptions {
    let mut options = SignedUrlOptions::new();
    if let Some(content_type) = &link.content_type {
        options = options.with_signed_header(header::CONTENT_TYPE, content_type.clone());
    }
    if link.create_only {
        let nothing = HeaderValue::from_static("*");
        options = options.with_signed_header(header::IF_NONE_MATCH, nothing);
    }
    options
}
