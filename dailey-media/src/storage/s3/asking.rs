//! What a bucket is asked that the library does not ask, or not like this: one signed request, and
//! the XML of its answer.

use std::time::Duration;

use bytes::Bytes;
use data_encoding::HEXUPPER;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::client::{HttpClient, HttpErrorKind, HttpRequest, HttpRequestBody};
use object_store::path::Path;
use serde::de::DeserializeOwned;

use super::fault::{Failure, RemoteError, told};

/// Largest answer: 1000 keys of 1024 bytes, each byte written as an entity, and as much again.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// Longest copy: of 5 GiB, and well below the 15 minutes after which a sweep takes an upload over.
const MAX_COPY: Duration = Duration::from_secs(5 * 60);

const COPY_SOURCE: HeaderName = HeaderName::from_static("x-amz-copy-source");

/// The bucket, and what a request to it needs.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) http: HttpClient,
    /// One whose requests may take longer.
    pub(super) patient: HttpClient,
    /// Its address.
    pub(super) bucket: String,
    pub(super) name: String,
    pub(super) credential: AwsCredential,
    pub(super) region: String,
}

impl Asking {
    /// Asks once for what the bucket lists.
    pub(super) async fn ask<T: DeserializeOwned>(&self, query: &str) -> Result<T, Failure> {
        let uri = format!("{}?{query}", self.bucket);
        let body = self.send(&self.http, Method::GET, &uri, HeaderMap::new());
        quick_xml::de::from_reader(&*body.await?).map_err(|_| broken())
    }

    /// Asks once for a copy with its headers. A store may send the success of its answer before it has copied,
    /// and tell a failure behind it: it counts by what it ends with.
    pub(super) async fn copy(
        &self,
        from: &Path,
        to: &Path,
        condition: Option<(HeaderName, &str)>,
    ) -> Result<(), Failure> {
        let mut headers = HeaderMap::new();
        let source = format!("/{}/{}", self.name, escaped_path(from));
        for (name, value) in [Some((COPY_SOURCE, &*source)), condition]
            .into_iter()
            .flatten()
        {
            headers.insert(name, HeaderValue::from_str(value).map_err(|_| broken())?);
        }
        let bucket = self.bucket.trim_end_matches('/');
        let uri = format!("{bucket}/{}", escaped_path(to));
        let sent = self.send(&self.patient, Method::PUT, &uri, headers);
        let body = tokio::time::timeout(MAX_COPY, sent)
            .await
            .map_err(|_| Failure::Other(RemoteError::Slow))??;
        let body = String::from_utf8_lossy(&body);
        if body.contains("<CopyObjectResult") {
            Ok(())
        } else {
            Err(told(StatusCode::OK, &body))
        }
    }

    async fn send(
        &self,
        http: &HttpClient,
        method: Method,
        uri: &str,
        headers: HeaderMap,
    ) -> Result<Bytes, Failure> {
        let uri: Uri = uri.parse().map_err(|_| broken())?;
        let mut request: HttpRequest = http::Request::new(HttpRequestBody::empty());
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        AwsAuthorizer::new(&self.credential, "s3", &self.region)
            .try_authorize(&mut request, None)
            .map_err(|_| broken())?;
        let answer = http.execute(request).await.map_err(|error| {
            Failure::Other(match error.kind() {
                HttpErrorKind::Connect => RemoteError::Unreachable,
                HttpErrorKind::Timeout => RemoteError::Slow,
                _ => RemoteError::Broken,
            })
        })?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect();
        let body: Bytes = body.await.map_err(|_| broken())?.to_bytes();
        if status.is_success() {
            Ok(body)
        } else {
            Err(told(status, &String::from_utf8_lossy(&body)))
        }
    }
}

fn broken() -> Failure {
    Failure::Other(RemoteError::Broken)
}

/// A key as it stands in an address.
fn escaped_path(path: &Path) -> String {
    let parts: Vec<String> = path.as_ref().split('/').map(escaped).collect();
    parts.join("/")
}

/// A query of these names and values, in the order in which they are signed.
pub(super) fn query<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let pairs = pairs.into_iter();
    let pairs = pairs.map(|(name, value)| format!("{name}={}", escaped(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// As signatures have it: everything but unreserved characters (RFC 3986 2.3).
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push('%');
            escaped.push_str(&HEXUPPER.encode(&[byte]));
        }
    }
    escaped
}
