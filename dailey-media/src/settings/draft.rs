//! Everything that was said, read as far as it can be: the service starts from a whole draft, the
//! preflight looks at what there is of one.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use dailey_auth::{Environment, VerifierSettings};
use dailey_http::client::TrustedProxies;
use dailey_http::cors::Origins;
use dailey_http::edge::PublicOrigin;
use dailey_http::settings::{self, Lookup};

use super::file::ConfigFile;
use super::{
    DEFAULT_PORT, DEFAULT_ROOT, Limits, LinkSecret, SettingError, Settings, StorageSettings, keys,
};
use crate::rate::RateLimit;

/// Each setting as far as it can be used, and every reason why one cannot.
pub(crate) struct Draft {
    pub(crate) environment: Environment,
    pub(crate) verifier: Option<VerifierSettings>,
    pub(crate) port: Option<u16>,
    pub(crate) bind: Option<IpAddr>,
    pub(crate) storage: Option<StorageSettings>,
    pub(crate) link_secret: Option<LinkSecret>,
    pub(crate) frontend_env_file: Option<PathBuf>,
    pub(crate) audit_log: Option<PathBuf>,
    /// `verifier` has it, too, and does not tell.
    pub(crate) jwks_snapshot: Option<PathBuf>,
    origins: Option<Origins>,
    trusted_proxies: Option<TrustedProxies>,
    public_origin: Option<PublicOrigin>,
    rate_limit: Option<RateLimit>,
    limits: Option<Limits>,
    upload_expiry: Option<Duration>,
    pub(crate) errors: Vec<SettingError>,
}

impl Draft {
    pub(crate) fn read(lookup: Lookup<'_>, config: Option<&Path>) -> Self {
        let mut errors = Vec::new();
        let environment = Environment::from_lookup(lookup).unwrap_or(Environment::Production);
        let verifier = keep(&mut errors, keys::verifier(lookup));
        // The service itself asks Core for nothing but its keys: the preflight does.
        keep(&mut errors, keys::core_url(lookup, environment));
        let port = settings::port(lookup, DEFAULT_PORT).map_err(Into::into);
        let port = keep(&mut errors, port);
        let bind = keep(&mut errors, settings::bind(lookup).map_err(Into::into));
        let origins = settings::origins(lookup, "CORS_ORIGINS", environment).map_err(Into::into);
        let origins = keep(&mut errors, origins);
        let trusted_proxies = keep(
            &mut errors,
            settings::trusted_proxies(lookup).map_err(Into::into),
        );
        let public_origin = settings::public_origin(lookup).map_err(Into::into);
        let public_origin = keep(&mut errors, public_origin).flatten();
        let file = keep(&mut errors, ConfigFile::read(lookup, config));
        let (storage, limits) = file.map_or((None, None), |file| {
            let limits = keep(&mut errors, file.limits());
            (keep(&mut errors, file.storage(lookup, environment)), limits)
        });
        let root = storage.as_ref().map(|storage| match storage {
            StorageSettings::Local(root) => root.as_path(),
            StorageSettings::S3(_) => Path::new(DEFAULT_ROOT),
        });
        let link_secret = keys::link_secret(lookup, environment, root);
        let link_secret = keep(&mut errors, link_secret).flatten();
        let rate_limit = keep(&mut errors, keys::rate_limit(lookup, environment));
        let upload_expiry = keep(&mut errors, keys::upload_expiry(lookup, environment));
        // One wrong text is one error, though two settings are made from it.
        errors.dedup_by(|later, first| first.key().is_some() && first.key() == later.key());
        Self {
            environment,
            verifier,
            port,
            bind,
            storage,
            link_secret,
            frontend_env_file: settings::text(lookup, "FRONTEND_ENV_FILE").map(PathBuf::from),
            audit_log: settings::text(lookup, "AUDIT_LOG_FILE").map(PathBuf::from),
            jwks_snapshot: settings::text(lookup, "JWKS_SNAPSHOT_FILE").map(PathBuf::from),
            origins,
            trusted_proxies,
            public_origin,
            rate_limit,
            limits,
            upload_expiry,
            errors,
        }
    }

    pub(super) fn finish(mut self) -> Result<Settings, Vec<SettingError>> {
        if self.environment == Environment::Production
            && self.port.is_some_and(|port| port != DEFAULT_PORT)
        {
            let message = "must be 4100 in production: nginx and the checks rely on it";
            self.errors.push(keys::invalid("PORT", message).into());
        }
        match self {
            Self {
                verifier: Some(verifier),
                port: Some(port),
                bind: Some(bind),
                origins: Some(origins),
                trusted_proxies: Some(trusted_proxies),
                public_origin,
                storage: Some(storage),
                link_secret: Some(link_secret),
                rate_limit: Some(rate_limit),
                limits: Some(limits),
                audit_log,
                upload_expiry: Some(upload_expiry),
                errors,
                ..
            } if errors.is_empty() => Ok(Settings {
                verifier,
                address: SocketAddr::new(bind, port),
                origins,
                trusted_proxies,
                public_origin,
                storage,
                link_secret,
                rate_limit,
                audit_log,
                limits,
                upload_expiry,
            }),
            Self { errors, .. } => Err(errors),
        }
    }
}

fn keep<T>(errors: &mut Vec<SettingError>, read: Result<T, SettingError>) -> Option<T> {
    read.map_err(|error| errors.push(error)).ok()
}
