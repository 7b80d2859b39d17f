//! A page of the bucket's keys as they are. The library's own lists stop at a key that it would not
//! make itself, and other tools make such.

use bytes::Bytes;
use data_encoding::HEXUPPER;
use http::{Method, Uri};
use http_body_util::{BodyExt, Limited};
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::client::{HttpClient, HttpErrorKind, HttpRequest, HttpRequestBody};
use serde::Deserialize;

use super::fault::{Failure, RemoteError, answered};

/// Largest page: 1000 keys of 1024 bytes, each byte written as an entity, and as much again.
const MAX_PAGE_BYTES: usize = 16 * 1024 * 1024;

/// Which page.
pub(super) struct Query<'a> {
    pub(super) prefix: &'a str,
    pub(super) after: Option<&'a str>,
    pub(super) to_next_slash: bool,
    pub(super) limit: usize,
    /// Where the page before ended, in the store's own words.
    pub(super) token: Option<&'a str>,
}

/// One page, as the store gives it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Names {
    contents: Vec<Content>,
    common_prefixes: Vec<CommonPrefix>,
    next_continuation_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Content {
    key: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CommonPrefix {
    prefix: String,
}

impl Names {
    /// Keys, prefixes with their slash, and where it goes on.
    pub(super) fn into_parts(self) -> (Vec<String>, Vec<String>, Option<String>) {
        let keys = self.contents.into_iter().map(|content| content.key);
        let prefixes = self.common_prefixes.into_iter().map(|one| one.prefix);
        let next = self.next_continuation_token;
        (keys.collect(), prefixes.collect(), next)
    }
}

/// Asks once.
pub(super) async fn ask(
    http: &HttpClient,
    bucket: &str,
    credential: &AwsCredential,
    region: &str,
    query: &Query<'_>,
) -> Result<Names, Failure> {
    let broken = || Failure::Other(RemoteError::Broken);
    let uri: Uri = format!("{bucket}?{}", query.text())
        .parse()
        .map_err(|_| broken())?;
    let mut request: HttpRequest = http::Request::new(HttpRequestBody::empty());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = uri;
    AwsAuthorizer::new(credential, "s3", region)
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
    let body = Limited::new(answer.into_body(), MAX_PAGE_BYTES).collect();
    let body: Bytes = body.await.map_err(|_| broken())?.to_bytes();
    if !status.is_success() {
        return Err(answered(status, &String::from_utf8_lossy(&body)));
    }
    quick_xml::de::from_reader(&*body).map_err(|_| broken())
}

impl Query<'_> {
    fn text(&self) -> String {
        let limit = self.limit.to_string();
        let pairs = [
            ("continuation-token", self.token),
            ("delimiter", self.to_next_slash.then_some("/")),
            ("list-type", Some("2")),
            ("max-keys", Some(&limit)),
            ("prefix", Some(self.prefix)),
            ("start-after", self.after),
        ];
        let pairs = pairs
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", escaped(value?))));
        pairs.collect::<Vec<_>>().join("&")
    }
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
