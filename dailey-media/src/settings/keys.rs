//! The environment keys of this service alone, each read and checked. What it shares with others is read
//! by `dailey_http::settings` and by the library.

use std::path::{Path, PathBuf};
use std::time::Duration;

use dailey_auth::{Environment, VerifierSettings};
use dailey_http::settings::{self, Lookup, SettingsError};
use url::{Host, Url};

use super::{LinkSecret, SettingError};
use crate::rate::RateLimit;

/// Name of the link secret in the storage root, in development.
const DEFAULT_LINK_SECRET: &str = "link-secret";

/// Longest audience: it becomes a folder's name.
const MAX_AUDIENCE_BYTES: usize = 255;

/// How long a resumable upload is kept without a sign of its client, in seconds.
const DEFAULT_UPLOAD_EXPIRY_SECONDS: u64 = 24 * 60 * 60;

/// A week: stale parts cost money.
const MAX_UPLOAD_EXPIRY_SECONDS: u64 = 7 * DEFAULT_UPLOAD_EXPIRY_SECONDS;

/// What the library reads, and this service's own rules about it.
pub(crate) fn verifier(lookup: Lookup<'_>) -> Result<VerifierSettings, SettingError> {
    let verifier = VerifierSettings::from_lookup(lookup)?;
    if verifier
        .audiences()
        .iter()
        .any(|audience| audience.len() > MAX_AUDIENCE_BYTES)
    {
        return Err(invalid(
            "CORE_AUDIENCE",
            "an audience is longer than 255 bytes: use the app's id",
        )
        .into());
    }
    // Checked as text by the library; that it is an address of Core is this service's own rule.
    let is_https = Url::parse(verifier.issuer()).is_ok_and(|issuer| {
        issuer.scheme() == "https" && issuer.username().is_empty() && issuer.password().is_none()
    });
    if verifier.environment() == Environment::Production && !is_https {
        let message = "is not an https address: in production tokens are issued over https only";
        return Err(invalid("JWT_ISSUER", message).into());
    }
    Ok(verifier)
}

/// `DAILEY_CORE_URL`: Core's base address.
pub(crate) fn core_url(
    lookup: Lookup<'_>,
    environment: Environment,
) -> Result<Option<Url>, SettingError> {
    let Some(text) = settings::text(lookup, "DAILEY_CORE_URL") else {
        return Ok(None);
    };
    let url = Url::parse(&text).ok().filter(|url| {
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
        // The parser mends what browsers mend: a setting is to be right as it stands.
        let as_it_stands = text.starts_with("https://") || text.starts_with("http://");
        scheme
            && as_it_stands
            && url.username().is_empty()
            && url.password().is_none()
            && !text.contains(['?', '#', '\\'])
            && !text.contains(char::is_whitespace)
    });
    url.map(Some).ok_or_else(|| {
        invalid(
            "DAILEY_CORE_URL",
            "is not a base address: write one like https://core.dailey.cloud, without user, query or fragment \
             (plain http is for a literal loopback address in development)",
        )
        .into()
    })
}

/// `LINK_SECRET_FILE`; nothing where it would lie in a root that is not known.
pub(super) fn link_secret(
    lookup: Lookup<'_>,
    environment: Environment,
    root: Option<&Path>,
) -> Result<Option<LinkSecret>, SettingError> {
    let file = settings::text(lookup, "LINK_SECRET_FILE").map(PathBuf::from);
    match (environment, file) {
        (Environment::Production, Some(file)) => Ok(Some(LinkSecret::File(file))),
        (Environment::Production, None) => Err(SettingsError::new(
            "setting_missing",
            "LINK_SECRET_FILE",
            "is required in production: write 32 random bytes to a file of mode 0600, the same on all replicas",
        )
        .into()),
        (Environment::Development, file) => {
            let made = file.or_else(|| Some(root?.join(DEFAULT_LINK_SECRET)));
            Ok(made.map(LinkSecret::Made))
        }
    }
}

/// `RATE_LIMIT`.
pub(super) fn rate_limit(
    lookup: Lookup<'_>,
    environment: Environment,
) -> Result<RateLimit, SettingError> {
    match settings::text(lookup, "RATE_LIMIT").as_deref() {
        None => Ok(RateLimit::On),
        Some("off") if environment == Environment::Development => Ok(RateLimit::Off),
        Some("off") => {
            Err(invalid("RATE_LIMIT", "`off` is for development only: remove it").into())
        }
        Some(_) => Err(invalid("RATE_LIMIT", "takes `off` and nothing else").into()),
    }
}

/// `UPLOAD_EXPIRY_SECONDS`: less than an hour is for tests, in development.
pub(super) fn upload_expiry(
    lookup: Lookup<'_>,
    environment: Environment,
) -> Result<Duration, SettingError> {
    let least = match environment {
        Environment::Production => 60 * 60,
        Environment::Development => 1,
    };
    let seconds = match settings::text(lookup, "UPLOAD_EXPIRY_SECONDS") {
        None => Some(DEFAULT_UPLOAD_EXPIRY_SECONDS),
        Some(text) => text.parse().ok(),
    };
    seconds
        .filter(|seconds| (least..=MAX_UPLOAD_EXPIRY_SECONDS).contains(seconds))
        .map(Duration::from_secs)
        .ok_or_else(|| {
            let message = "takes seconds, from an hour (3600) to a week (604800)";
            invalid("UPLOAD_EXPIRY_SECONDS", message).into()
        })
}

pub(super) fn invalid(key: &'static str, message: &str) -> SettingsError {
    SettingsError::new("setting_invalid", key, message)
}
