//! One request for a key set and its answer, bounded in time and size whatever the server does.
//!
//! The only file that knows the HTTP client.

use std::path::Path;
use std::time::Duration;

use reqwest::header::{
    ACCEPT, AGE, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
    IF_NONE_MATCH,
};
use reqwest::{Client, Response, StatusCode, redirect};
use tokio::io::AsyncReadExt;
use url::Url;

use crate::error::{ConfigError, FetchError, KeySetError};
use crate::keys::{KeySet, MAX_JWKS_BYTES, SkipReason, SkippedKey};
use crate::observer::{KeySetEvent, Observers};

use super::cache::FetchOutcome;
use super::freshness;
use super::source::Source;

/// Until the connection stands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// For everything, body included.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(5);

/// A validator longer than this is not kept, nor sent back.
const MAX_ETAG_BYTES: usize = 256;

/// How to reach the issuer.
#[derive(Debug, Clone, Default)]
pub(crate) struct HttpSettings {
    /// Trust only this authority (PEM) instead of the platform's roots.
    pub(crate) root_certificate_pem: Option<Vec<u8>>,
    /// Take in only keys with these thumbprints.
    pub(crate) pinned_thumbprints: Option<Vec<String>>,
}

/// Fetches one key set again and again.
#[derive(Debug, Clone)]
pub(crate) struct Fetcher {
    source: Source,
    client: Option<Client>,
    pinned_thumbprints: Option<Vec<String>>,
    observers: Observers,
}

/// What a place answered, before it is looked at.
enum Answer {
    Document {
        bytes: Vec<u8>,
        etag: Option<String>,
        fresh_for: Option<Duration>,
    },
    NotModified {
        fresh_for: Option<Duration>,
    },
}

impl Fetcher {
    pub(crate) fn new(
        source: Source,
        settings: HttpSettings,
        observers: Observers,
    ) -> Result<Self, ConfigError> {
        let client = match &source {
            Source::Address(url) => Some(client(url, settings.root_certificate_pem.as_deref())?),
            Source::File(_) => None,
        };
        Ok(Self {
            source,
            client,
            pinned_thumbprints: settings.pinned_thumbprints,
            observers,
        })
    }

    /// Fetches the set, on condition that it is not the one with `etag`.
    pub(crate) async fn fetch(&self, etag: Option<String>) -> FetchOutcome {
        self.answer(etag)
            .await
            .and_then(|answer| self.outcome(answer))
            .unwrap_or_else(FetchOutcome::Failed)
    }

    /// Fetches the document as it stands, for those who want to look at it.
    #[cfg(feature = "cli")]
    pub(crate) async fn document(&self) -> Result<Vec<u8>, FetchError> {
        match self.answer(None).await? {
            Answer::Document { bytes, .. } => Ok(bytes),
            Answer::NotModified { .. } => Err(FetchError::NotModifiedUnasked),
        }
    }

    async fn answer(&self, etag: Option<String>) -> Result<Answer, FetchError> {
        let answer = async {
            match (&self.source, &self.client) {
                (Source::Address(url), Some(client)) => over_http(client, url, etag).await,
                (Source::File(path), _) => read_file(path).await,
                (Source::Address(_), None) => Err(FetchError::Internal),
            }
        };
        // The client has the same limit; here it holds whatever the client or the disk does.
        tokio::time::timeout(TOTAL_TIMEOUT, answer)
            .await
            .unwrap_or(Err(FetchError::Timeout))
    }

    fn outcome(&self, answer: Answer) -> Result<FetchOutcome, FetchError> {
        Ok(match answer {
            Answer::Document {
                bytes,
                etag,
                fresh_for,
            } => FetchOutcome::Fetched {
                keys: self.take_in(&bytes)?,
                etag,
                fresh_for,
            },
            Answer::NotModified { fresh_for } => FetchOutcome::NotModified { fresh_for },
        })
    }

    /// The usable and, where pinned, pinned keys of a document.
    pub(crate) fn take_in(&self, document: &[u8]) -> Result<KeySet, FetchError> {
        let (keys, skipped) = KeySet::read(document).map_err(FetchError::KeySet)?;
        self.tell_skipped(&skipped);
        let keys = keys.ok_or(FetchError::KeySet(KeySetError::NoUsableKey))?;
        let Some(pinned) = &self.pinned_thumbprints else {
            return Ok(keys);
        };
        let (keys, skipped) = keys.pinned(pinned);
        self.tell_skipped(&skipped);
        keys.ok_or(FetchError::KeySet(KeySetError::NoUsableKey))
    }

    fn tell_skipped(&self, skipped: &[SkippedKey]) {
        for key in skipped {
            let (kid, reason) = (key.kid(), key.reason());
            let shown = kid.unwrap_or("(none)");
            let event = if reason == SkipReason::PrivateKey {
                tracing::error!(
                    kid = shown,
                    "the issuer publishes a private key: have it replaced at once"
                );
                KeySetEvent::PrivateKey { kid }
            } else {
                tracing::warn!(kid = shown, %reason, "a key of the issuer's set is skipped");
                KeySetEvent::KeySkipped { kid, reason }
            };
            self.observers.tell(|observer| observer.key_set(&event));
        }
    }

    pub(crate) fn observers(&self) -> &Observers {
        &self.observers
    }
}

fn client(url: &Url, root_certificate_pem: Option<&[u8]>) -> Result<Client, ConfigError> {
    let mut builder = Client::builder()
        .https_only(url.scheme() == "https")
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TOTAL_TIMEOUT)
        // A refresh is rare: a kept connection would only be found dead.
        .pool_max_idle_per_host(0)
        .user_agent(concat!("dailey-auth/", env!("CARGO_PKG_VERSION")));
    if let Some(pem) = root_certificate_pem {
        let certificates = reqwest::Certificate::from_pem_bundle(pem)
            .ok()
            .filter(|certificates| !certificates.is_empty())
            .ok_or_else(|| {
                ConfigError::new("root_certificate_pem", "give at least one PEM certificate")
            })?;
        builder = builder.tls_certs_only(certificates);
    } else if url.scheme() == "http" {
        // Loopback in development: no reason to fail where the machine has no root certificates.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|_| {
        ConfigError::new(
            "jwks_url",
            "TLS could not be set up: install the system's root certificates (package ca-certificates)",
        )
    })
}

async fn over_http(client: &Client, url: &Url, etag: Option<String>) -> Result<Answer, FetchError> {
    let mut request = client
        .get(url.clone())
        .header(ACCEPT, "application/jwk-set+json, application/json");
    if let Some(etag) = etag {
        request = request.header(IF_NONE_MATCH, etag);
    }
    let mut response = request.send().await.map_err(|error| transport(&error))?;
    let headers = response.headers();
    let fresh_for =
        freshness::fresh_for(text(headers, &CACHE_CONTROL).as_deref(), one(headers, &AGE));
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_MODIFIED => return Ok(Answer::NotModified { fresh_for }),
        status if status.is_redirection() => return Err(FetchError::Redirect),
        status => return Err(FetchError::Status(status.as_u16())),
    }
    if !one(headers, &CONTENT_TYPE).is_some_and(is_json) {
        return Err(FetchError::ContentType);
    }
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    if codings.any(|coding| coding != "identity") {
        return Err(FetchError::ContentEncoding);
    }
    let etag = one(headers, &ETAG)
        .filter(|etag| etag.len() <= MAX_ETAG_BYTES)
        .map(str::to_owned);
    Ok(Answer::Document {
        bytes: bounded_body(&mut response).await?,
        etag,
        fresh_for,
    })
}

async fn read_file(path: &Path) -> Result<Answer, FetchError> {
    let read = async {
        // Looked at before it is opened: opening a pipe would wait for a writer.
        if !tokio::fs::metadata(path).await?.is_file() {
            return Err(std::io::ErrorKind::InvalidInput.into());
        }
        let file = tokio::fs::File::open(path).await?;
        let mut bytes = Vec::new();
        // One byte more than allowed, so that "too large" is seen.
        file.take(MAX_JWKS_BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .await?;
        Ok::<_, std::io::Error>(bytes)
    };
    let bytes = read.await.map_err(|_| FetchError::File)?;
    Ok(Answer::Document {
        bytes,
        etag: None,
        fresh_for: None,
    })
}

async fn bounded_body(response: &mut Response) -> Result<Vec<u8>, FetchError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| transport(&error))? {
        if body.len() + chunk.len() > MAX_JWKS_BYTES {
            return Err(FetchError::KeySet(KeySetError::TooLarge));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn transport(error: &reqwest::Error) -> FetchError {
    if error.is_timeout() {
        FetchError::Timeout
    } else {
        FetchError::Connection
    }
}

/// The value of a header that stands once, in visible ASCII.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// All values of a list header, joined (RFC 9110 section 5.3).
fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<&str> = headers
        .get_all(name)
        .iter()
        .map(|value| value.to_str().unwrap_or_default())
        .collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// `application/json`, or any type with the `+json` suffix (RFC 6839 section 3.1).
fn is_json(content_type: &str) -> bool {
    let media_type = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    media_type == "application/json"
        || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}
