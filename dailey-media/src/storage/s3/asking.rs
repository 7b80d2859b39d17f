//! What a bucket is asked that the library does not ask, or not like this: one signed request, and
//! the XML of its answer.

use bytes::Bytes;
use data_encoding::HEXUPPER;
use http::{Method, Uri};
use http_body_util::{BodyExt, Limited};
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::client::{HttpClient, HttpErrorKind, HttpRequest, HttpRequestBody};
use serde::de::DeserializeOwned;

use super::fault::{Failure, RemoteError, answered};

/// Largest answer: 1000 keys of 1024 bytes, each byte written as an entity, and as much again.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// The bucket, and what a request to it needs.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) http: HttpClient,
    /// Its address.
    pub(super) bucket: String,
    pub(super) credential: AwsCredential,
    pub(super) region: String,
}

impl Asking {
    /// Asks once.
    pub(super) async fn ask<T: DeserializeOwned>(&self, query: &str) -> Result<T, Failure> {
        let broken = || Failure::Other(RemoteError::Broken);
        let uri: Uri = format!("{}?{query}", self.bucket)
            .parse()
            .map_err(|_| broken())?;
        let mut request: HttpRequest = http::Request::new(HttpRequestBody::empty());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = uri;
        AwsAuthorizer::new(&self.credential, "s3", &self.region)
            .try_authorize(&mut request, None)
            .map_err(|_| broken())?;
        let answer = self.http.execute(request).await.map_err(|error| {
            Failure::Other(match error.kind() {
                HttpErrorKind::Connect => RemoteError::Unreachable,
                HttpErrorKind::Timeout => RemoteError::Slow,
                _ => RemoteError::Broken,
            })
        })?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect();
        let body: Bytes = body.await.map_err(|_| broken())?.to_bytes();
        if !status.is_success() {
            return Err(answered(status, &String::from_utf8_lossy(&body)));
        }
        quick_xml::de::from_reader(&*body).map_err(|_| broken())
    }
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
