//! Environment and configuration file → [`Settings`], or every reason why not.

mod file;
mod limits;
mod s3;

pub use s3::{Addressing, S3Settings};

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use dailey_auth::{Environment, VerifierSettings};
use dailey_http::client::TrustedProxies;
use dailey_http::cors::Origins;
use dailey_http::edge::PublicOrigin;
use dailey_http::settings::{self, Lookup, SettingsError};
use url::{Host, Url};

use crate::rate::RateLimit;

pub use limits::Limits;

/// The port that deployments rely on.
pub const DEFAULT_PORT: u16 = 4100;

/// Read when nothing else is named and it is there.
pub const DEFAULT_CONFIG_FILE: &str = "dailey-media.toml";

/// Where objects lie when no file says otherwise.
const DEFAULT_ROOT: &str = "./data/media";

/// Name of the link secret in the storage root, in development.
const DEFAULT_LINK_SECRET: &str = "link-secret";

/// Longest audience: it becomes a folder's name.
const MAX_AUDIENCE_BYTES: usize = 255;

/// How long a resumable upload is kept without a sign of its client, in seconds.
const DEFAULT_UPLOAD_EXPIRY_SECONDS: u64 = 24 * 60 * 60;

/// A week: stale parts cost money.
const MAX_UPLOAD_EXPIRY_SECONDS: u64 = 7 * DEFAULT_UPLOAD_EXPIRY_SECONDS;

/// Everything that the service is told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// How tokens are verified, and whether this is production.
    pub verifier: VerifierSettings,
    /// Where to listen.
    pub address: SocketAddr,
    /// Pages of these origins may call.
    pub origins: Origins,
    /// Whose forwarding headers are believed.
    pub trusted_proxies: TrustedProxies,
    /// Where the public reaches the service, if the operator says.
    pub public_origin: Option<PublicOrigin>,
    /// Where the objects are.
    pub storage: StorageSettings,
    /// The secret that signs links and cursors.
    pub link_secret: LinkSecret,
    /// Whether requests are limited.
    pub rate_limit: RateLimit,
    /// Where each change is written down, if anywhere.
    pub audit_log: Option<PathBuf>,
    /// How much may be asked for, stored and sent.
    pub limits: Limits,
    /// How long a resumable upload is kept without a sign of its client.
    pub upload_expiry: Duration,
}

/// Where the objects are.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorageSettings {
    /// In files below this folder.
    Local(PathBuf),
    /// In a bucket.
    S3(Box<S3Settings>),
}

/// Where the link secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkSecret {
    /// There, and an error if it is not.
    File(PathBuf),
    /// There, and made on first start: development only.
    Made(PathBuf),
}

/// Why there are no settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingError {
    /// An environment key.
    #[error(transparent)]
    Key(#[from] SettingsError),
    /// An environment key about tokens.
    #[error(transparent)]
    Verifier(#[from] dailey_auth::ConfigError),
    /// The configuration file.
    #[error("{}{}: {message}", path.display(), line.map(|line| format!(", line {line}")).unwrap_or_default())]
    File {
        /// Which file.
        path: PathBuf,
        /// Which line, where one is to blame.
        line: Option<usize>,
        /// What is wrong and what to do.
        message: String,
    },
}

/// Each setting as far as it can be used, and every reason why one cannot.
pub(crate) struct Draft {
    pub(crate) environment: Environment,
    pub(crate) verifier: Option<VerifierSettings>,
    pub(crate) core_url: Option<Url>,
    pub(crate) port: Option<u16>,
    pub(crate) bind: Option<IpAddr>,
    pub(crate) storage: Option<StorageSettings>,
    pub(crate) link_secret: Option<LinkSecret>,
    pub(crate) frontend_env_file: Option<PathBuf>,
    pub(crate) audit_log: Option<PathBuf>,
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
        let verifier = keep(&mut errors, verifier(lookup));
        let core_url = keep(&mut errors, core_url(lookup, environment)).flatten();
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
        let storage = keep(&mut errors, file::storage(lookup, environment, config));
        // What is wrong with the file as a whole is told once.
        let limits = storage.as_ref().map(|_| file::limits(lookup, config));
        let limits = limits.and_then(|limits| keep(&mut errors, limits));
        let root = storage.as_ref().map(|storage| match storage {
            StorageSettings::Local(root) => root.as_path(),
            StorageSettings::S3(_) => Path::new(DEFAULT_ROOT),
        });
        let link_secret = link_secret(lookup, environment, root);
        let link_secret = keep(&mut errors, link_secret).flatten();
        let rate_limit = keep(&mut errors, rate_limit(lookup, environment));
        let upload_expiry = keep(&mut errors, upload_expiry(lookup, environment));
        // One wrong text is one error, though two settings are made from it.
        errors.dedup_by(|later, first| first.key().is_some() && first.key() == later.key());
        Self {
            environment,
            verifier,
            core_url,
            port,
            bind,
            storage,
            link_secret,
            frontend_env_file: settings::text(lookup, "FRONTEND_ENV_FILE").map(PathBuf::from),
            audit_log: settings::text(lookup, "AUDIT_LOG_FILE").map(PathBuf::from),
            origins,
            trusted_proxies,
            public_origin,
            rate_limit,
            limits,
            upload_expiry,
            errors,
        }
    }

    fn finish(mut self) -> Result<Settings, Vec<SettingError>> {
        if self.environment == Environment::Production
            && self.port.is_some_and(|port| port != DEFAULT_PORT)
        {
            let message = "must be 4100 in production: nginx and the checks rely on it";
            self.errors.push(invalid("PORT", message).into());
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

impl SettingError {
    /// The environment key that it is about, if it is about one.
    pub(crate) fn key(&self) -> Option<&str> {
        match self {
            Self::Key(error) => Some(error.key()),
            Self::Verifier(error) => Some(error.setting()),
            Self::File { .. } => None,
        }
    }
}

impl Settings {
    /// Reads the environment through `lookup`, and the configuration file that `config` or the
    /// environment names.
    ///
    /// # Errors
    /// Every reason at once, so that they are fixed in one go.
    pub fn read(lookup: Lookup<'_>, config: Option<&Path>) -> Result<Self, Vec<SettingError>> {
        Draft::read(lookup, config).finish()
    }

    /// Production or development.
    pub fn environment(&self) -> Environment {
        self.verifier.environment()
    }
}

fn keep<T>(errors: &mut Vec<SettingError>, read: Result<T, SettingError>) -> Option<T> {
    read.map_err(|error| errors.push(error)).ok()
}

fn verifier(lookup: Lookup<'_>) -> Result<VerifierSettings, SettingError> {
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
fn core_url(lookup: Lookup<'_>, environment: Environment) -> Result<Option<Url>, SettingError> {
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
fn link_secret(
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

fn rate_limit(lookup: Lookup<'_>, environment: Environment) -> Result<RateLimit, SettingError> {
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
fn upload_expiry(lookup: Lookup<'_>, environment: Environment) -> Result<Duration, SettingError> {
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

fn invalid(key: &'static str, message: &str) -> SettingsError {
    SettingsError::new("setting_invalid", key, message)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::io::Write;

    use super::*;

    const APP: &str = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";

    fn read(pairs: &[(&str, &str)], toml: Option<&str>) -> Result<Settings, Vec<String>> {
        let mut values = HashMap::from([
            ("DAILEY_ENV", "production"),
            ("JWT_ISSUER", "https://core.dailey.cloud"),
            ("CORE_APP_ID", APP),
            ("LINK_SECRET_FILE", "/run/credentials/link-secret"),
        ]);
        values.extend(pairs.iter().copied());
        let file = toml.map(|text| {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file
        });
        let lookup = |key: &str| values.get(key).map(|value| (*value).to_owned());
        Settings::read(&lookup, file.as_ref().map(tempfile::NamedTempFile::path))
            .map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn each_wrong_setting_is_named_with_what_to_do() {
        let dev = ("DAILEY_ENV", "development");
        for (pairs, toml, expected) in [
            (&[("PORT", "4000")][..], None, "PORT: must be 4100"),
            (
                &[("CORS_ORIGINS", "http://app.dailey.cloud")],
                None,
                "CORS_ORIGINS: an http origin",
            ),
            (&[("CORS_ORIGINS", "*")], None, "CORS_ORIGINS: `*`"),
            (
                &[("PUBLIC_ORIGIN", "http://hush.example")],
                None,
                "PUBLIC_ORIGIN: an http origin",
            ),
            (
                &[("LINK_SECRET_FILE", "")],
                None,
                "LINK_SECRET_FILE: is required",
            ),
            (
                &[("RATE_LIMIT", "off")],
                None,
                "RATE_LIMIT: `off` is for development",
            ),
            (
                &[dev, ("RATE_LIMIT", "on")],
                None,
                "RATE_LIMIT: takes `off`",
            ),
            (
                &[("UPLOAD_EXPIRY_SECONDS", "60")],
                None,
                "UPLOAD_EXPIRY_SECONDS: takes seconds",
            ),
            (&[("JWT_ISSUER", "")], None, "JWT_ISSUER: "),
            (&[("TRUSTED_PROXIES", "nginx")], None, "TRUSTED_PROXIES: "),
            (
                &[],
                Some("[storage.s3]\nsecret_access_key = 'hush'\n"),
                ", line 1: missing field `bucket`",
            ),
            (
                &[],
                Some(&format!("[storage.local]\nroot = 'a'\n{S3}")),
                "has both",
            ),
            (
                &[],
                Some("[storage.local]\nroot = 'a'\nrooot = 'hush'\n"),
                ", line 3: unknown field `rooot`",
            ),
            (&[], Some("[storage.local]\nroot = hush\n"), ", line 2: "),
            (&[], Some("[server]\n"), "unknown field `server`"),
            (
                &[],
                Some("[limits]\nput_max_bytes = 1\nput_max_mib = 95\n"),
                ", line 3: unknown field `put_max_mib`",
            ),
            (
                &[],
                Some("[limits]\nput_max_bytes = -1\n"),
                ", line 2: a value is not of the type",
            ),
            (
                &[],
                Some("[limits]\nput_max_bytes = 5368709121\n"),
                "put_max_bytes is not 1 to 5368709120",
            ),
            (
                &[],
                Some("[limits]\nlist_max_objects = 50\n"),
                "list_default_objects is not 1 to list_max_objects",
            ),
            (
                &[],
                Some("[limits]\nlist_max_objects = 1001\n"),
                "list_max_objects is not",
            ),
            (
                &[],
                Some("[limits]\nbatch_max_keys = 0\n"),
                "batch_max_keys is not",
            ),
            (
                &[],
                Some("[limits]\nuploads_per_process = 3\n"),
                "uploads_per_subject is not",
            ),
            (
                &[],
                Some("[limits]\nuploads_per_process = 0\n"),
                "uploads_per_process is not",
            ),
            (
                &[],
                Some("[storage]\ns3 = 'hush'\n"),
                ", line 2: a value is not of the type",
            ),
            (&[], Some("storage = 'hush'\n"), ", line 1: a value is not"),
        ] {
            let errors = read(pairs, toml).unwrap_err();
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert!(errors[0].contains(expected), "{expected} in {errors:?}");
            assert!(!errors[0].contains("hush"), "{errors:?}");
        }
    }

    #[test]
    fn all_wrong_settings_are_told_at_once() {
        assert_eq!(
            read(&[("PORT", "x"), ("BIND", "y"), ("RATE_LIMIT", "z")], None)
                .unwrap_err()
                .len(),
            3
        );
    }

    #[test]
    fn the_file_names_the_root() {
        let local = |root: &str| StorageSettings::Local(root.into());
        assert_eq!(read(&[], None).unwrap().storage, local("./data/media"));
        let toml = "[storage.local]\nroot = '/var/lib/dailey-media'\n";
        let settings = read(&[], Some(toml)).unwrap();
        assert_eq!(settings.storage, local("/var/lib/dailey-media"));
    }

    const S3: &str =
        "[storage.s3]\nbucket = 'media'\nregion = 'auto'\nendpoint = 'https://s3.example.com'\n";
    const ID: (&str, &str) = ("AWS_ACCESS_KEY_ID", "id-hush");
    const SECRET: (&str, &str) = ("AWS_SECRET_ACCESS_KEY", "secret-hush");

    #[test]
    fn the_file_names_the_bucket_and_nobody_shows_its_key() {
        let toml = format!(
            "{S3}public_endpoint = 'https://media.example.com:8443'\naccess_key_id = 'id-hush'\nsecret_access_key = 'secret-hush'\n"
        );
        for (pairs, toml, public) in [
            (&[][..], toml.as_str(), "https://media.example.com:8443/"),
            (&[ID, SECRET], S3, "https://s3.example.com/"),
            // Said twice, and the same.
            (&[ID, SECRET], &toml, "https://media.example.com:8443/"),
        ] {
            let settings = read(pairs, Some(toml)).unwrap();
            let shown = format!("{settings:?}");
            assert!(!shown.contains("hush"), "{shown}");
            let StorageSettings::S3(s3) = settings.storage else {
                panic!("{shown}");
            };
            assert_eq!((&*s3.bucket, &*s3.region), ("media", "auto"));
            assert_eq!(s3.endpoint.as_str(), "https://s3.example.com/");
            assert_eq!(s3.public_endpoint.as_str(), public);
            assert_eq!(
                (&*s3.access_key_id, &*s3.secret_access_key),
                ("id-hush", "secret-hush")
            );
            assert_eq!(s3.addressing, Addressing::Path);
        }
    }

    #[test]
    fn each_wrong_setting_of_a_bucket_is_named_and_not_shown() {
        let dev = ("DAILEY_ENV", "development");
        let with = |key: &str, value: &str| {
            let mut lines: Vec<String> = S3.lines().map(str::to_owned).collect();
            lines.retain(|line| !line.starts_with(&format!("{key} =")));
            lines.push(format!("{key} = {value}\n"));
            lines.join("\n")
        };
        for (pairs, toml, expected) in [
            (&[ID][..], S3.to_owned(), "secret_access_key is missing"),
            (&[SECRET], S3.to_owned(), "access_key_id is missing"),
            (&[ID, SECRET], with("bucket", "'Hush'"), "bucket is not"),
            (&[ID, SECRET], with("bucket", "'a/hush'"), "bucket is not"),
            (
                &[ID, SECRET],
                with("region", "'hush hush'"),
                "region is not",
            ),
            (
                &[ID, SECRET],
                with("endpoint", "'http://127.0.0.1:9000'"),
                "endpoint is not",
            ),
            (
                &[ID, SECRET],
                with("endpoint", "'https://hush@s3.example.com'"),
                "endpoint is not",
            ),
            (
                &[ID, SECRET],
                with("endpoint", "'https://s3.example.com/hush'"),
                "endpoint is not",
            ),
            (
                &[ID, SECRET],
                with("public_endpoint", "'hush'"),
                "public_endpoint is not",
            ),
            (
                &[dev, ID, SECRET],
                with("endpoint", "'http://s3.hush.example'"),
                "endpoint is not",
            ),
            (
                &[ID, SECRET],
                with("access_key_id", "'other-hush'"),
                "differs from AWS_ACCESS_KEY_ID",
            ),
            (
                &[ID],
                with("secret_access_key", "'hush \\t'"),
                "secret_access_key is not 1 to 256",
            ),
            (
                &[ID, SECRET],
                with("keys", "'hush'"),
                "unknown field `keys`",
            ),
            (
                &[ID, SECRET],
                with("path_style", "'hush'"),
                "a value is not of the type",
            ),
            (
                &[dev, ID, SECRET],
                with("endpoint", "'http://127.0.0.1:9000'") + "path_style = false\n",
                "path_style = false needs",
            ),
        ] {
            let errors = read(pairs, Some(&toml)).unwrap_err();
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert!(errors[0].contains(expected), "{expected} in {errors:?}");
            assert!(!errors[0].contains("hush"), "{errors:?}");
        }
        let loopback = with("endpoint", "'http://127.0.0.1:9000'");
        assert!(read(&[dev, ID, SECRET], Some(&loopback)).is_ok());
    }
}
