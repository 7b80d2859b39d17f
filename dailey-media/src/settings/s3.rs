//! `[storage.s3]`: where the bucket is and with which key it is used.

use std::fmt;

use dailey_auth::Environment;
use dailey_http::settings::{self, Lookup};
use serde::Deserialize;
use url::{Host, Url};

/// Longest region, key id and secret: more is a mistake.
const MAX_TEXT_BYTES: usize = 256;

/// The table as it stands in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    bucket: String,
    region: String,
    endpoint: String,
    public_endpoint: Option<String>,
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    #[serde(default = "by_path")]
    path_style: bool,
    #[serde(default)]
    large_writes: LargeWrites,
}

/// What every S3 server but Amazon's takes, and Amazon's as well.
fn by_path() -> bool {
    true
}

/// A bucket, and the key that opens it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct S3Settings {
    /// The bucket's name.
    pub bucket: String,
    /// The region that requests are signed for.
    pub region: String,
    /// Where the service sends its requests.
    pub endpoint: Url,
    /// Where those who get a link to read send theirs.
    pub public_endpoint: Url,
    /// The key's id.
    pub access_key_id: String,
    /// The key's secret.
    pub secret_access_key: String,
    /// How the bucket stands in an address.
    pub addressing: Addressing,
    /// How an object of several parts takes its place.
    pub large_writes: LargeWrites,
}

/// How the bucket stands in an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressing {
    /// `https://endpoint/bucket/key`.
    Path,
    /// `https://bucket.endpoint/key`.
    Host,
}

/// How an object of several parts takes its place under a condition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LargeWrites {
    /// Its multipart upload is completed there under the condition.
    #[default]
    Complete,
    /// It is completed elsewhere, and copied there under the condition: for a store that keeps conditions of
    /// `CopyObject` and not those of `CompleteMultipartUpload`.
    Copy,
}

impl fmt::Debug for S3Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("S3Settings")
            .field("bucket", &self.bucket)
            .field("region", &self.region)
            .field("endpoint", &self.endpoint.as_str())
            .field("public_endpoint", &self.public_endpoint.as_str())
            .field("addressing", &self.addressing)
            .field("large_writes", &self.large_writes)
            .finish_non_exhaustive()
    }
}

impl Table {
    /// The settings, or what is wrong with them. No message holds a value.
    pub(super) fn read(
        self,
        lookup: Lookup<'_>,
        environment: Environment,
    ) -> Result<S3Settings, String> {
        if !is_bucket(&self.bucket) {
            return Err(
                "[storage.s3] bucket is not a bucket's name: 3 to 63 of a-z, 0-9, `.` and `-`"
                    .into(),
            );
        }
        if !is_word(&self.region) {
            return Err(
                "[storage.s3] region is not a region's name: write `auto` where the store has none"
                    .into(),
            );
        }
        let endpoint = address("endpoint", &self.endpoint, environment)?;
        let public_endpoint = match &self.public_endpoint {
            Some(text) => address("public_endpoint", text, environment)?,
            None => endpoint.clone(),
        };
        let addressing = if self.path_style {
            Addressing::Path
        } else {
            Addressing::Host
        };
        if addressing == Addressing::Host
            && [&endpoint, &public_endpoint]
                .iter()
                .any(|url| url.domain().is_none())
        {
            return Err("[storage.s3] path_style = false needs an endpoint with a name: a bucket cannot stand before an address of digits".into());
        }
        let access_key_id = secret(
            "access_key_id",
            self.access_key_id,
            "AWS_ACCESS_KEY_ID",
            lookup,
        )?;
        let secret_access_key = secret(
            "secret_access_key",
            self.secret_access_key,
            "AWS_SECRET_ACCESS_KEY",
            lookup,
        )?;
        Ok(S3Settings {
            bucket: self.bucket,
            region: self.region,
            endpoint,
            public_endpoint,
            access_key_id,
            secret_access_key,
            addressing,
            large_writes: self.large_writes,
        })
    }
}

fn is_bucket(text: &str) -> bool {
    (3..=63).contains(&text.len())
        && text.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        })
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_TEXT_BYTES
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Scheme, host and port: https, or http to this very machine in development.
fn address(key: &str, text: &str, environment: Environment) -> Result<Url, String> {
    let fits = |url: &Url| {
        let loopback = match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            _ => false,
        };
        let scheme = match url.scheme() {
            "https" => true,
            "http" => loopback && environment == Environment::Development,
            _ => false,
        };
        scheme
            && url.username().is_empty()
            && url.password().is_none()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
    };
    // The parser mends what browsers mend: a setting is to be right as it stands.
    let as_it_stands = (text.starts_with("https://") || text.starts_with("http://"))
        && !text.contains(char::is_whitespace)
        && !text.contains('\\');
    Url::parse(text).ok().filter(|url| as_it_stands && fits(url)).ok_or_else(|| {
        format!(
            "[storage.s3] {key} is not an address like https://s3.example.com, without user, path or query \
             (plain http is for a literal loopback address in development)"
        )
    })
}

/// From the file or from the environment, which is where secrets rather belong.
fn secret(
    key: &str,
    in_file: Option<String>,
    variable: &str,
    lookup: Lookup<'_>,
) -> Result<String, String> {
    let text = match (in_file, settings::text(lookup, variable)) {
        (Some(file), Some(environment)) if file != environment => {
            return Err(format!(
                "[storage.s3] {key} differs from {variable}: keep one of the two"
            ));
        }
        (Some(text), _) | (None, Some(text)) => text,
        (None, None) => {
            return Err(format!(
                "[storage.s3] {key} is missing: write it there or set {variable}"
            ));
        }
    };
    if is_word(&text) {
        Ok(text)
    } else {
        Err(format!(
            "[storage.s3] {key} is not 1 to 256 characters of visible ASCII"
        ))
    }
}
