//! Environment and configuration file → [`Settings`], or every reason why not.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use dailey_auth::{Environment, VerifierSettings};
use dailey_http::client::TrustedProxies;
use dailey_http::cors::Origins;
use dailey_http::settings::{self, Lookup, SettingsError};
use serde::Deserialize;

/// The port that deployments rely on.
pub const DEFAULT_PORT: u16 = 4100;

/// Read when nothing else is named and it is there.
pub const DEFAULT_CONFIG_FILE: &str = "dailey-media.toml";

/// Where objects lie when no file says otherwise.
const DEFAULT_ROOT: &str = "./data/media";

/// Name of the link secret in the storage root, in development.
const DEFAULT_LINK_SECRET: &str = "link-secret";

/// Largest configuration file.
const MAX_CONFIG_BYTES: u64 = 64 * 1024;

/// Longest audience: it becomes a folder's name.
const MAX_AUDIENCE_BYTES: usize = 255;

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
    /// The folder of the local store.
    pub root: PathBuf,
    /// The secret that signs cursors.
    pub link_secret: LinkSecret,
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

impl Settings {
    /// Reads the environment through `lookup`, and the configuration file that `config` or the
    /// environment names.
    ///
    /// # Errors
    /// Every reason at once, so that they are fixed in one go.
    pub fn read(lookup: Lookup<'_>, config: Option<&Path>) -> Result<Self, Vec<SettingError>> {
        let mut errors = Vec::new();
        let environment = Environment::from_lookup(lookup).unwrap_or(Environment::Production);
        let verifier = keep(&mut errors, verifier(lookup));
        let port = keep(&mut errors, port(lookup, environment));
        let bind = keep(&mut errors, settings::bind(lookup).map_err(Into::into));
        let origins = settings::origins(lookup, "CORS_ORIGINS", environment).map_err(Into::into);
        let origins = keep(&mut errors, origins);
        let trusted_proxies = keep(
            &mut errors,
            settings::trusted_proxies(lookup).map_err(Into::into),
        );
        let root = keep(&mut errors, root(lookup, config));
        let link_secret = root
            .as_deref()
            .map(|root| link_secret(lookup, environment, root));
        let link_secret = link_secret.and_then(|secret| keep(&mut errors, secret));
        keep(&mut errors, rate_limit(lookup, environment));
        keep(&mut errors, audit_log(lookup));
        match (
            verifier,
            port,
            bind,
            origins,
            trusted_proxies,
            root,
            link_secret,
        ) {
            (
                Some(verifier),
                Some(port),
                Some(bind),
                Some(origins),
                Some(trusted_proxies),
                Some(root),
                Some(link_secret),
            ) if errors.is_empty() => Ok(Self {
                verifier,
                address: SocketAddr::new(bind, port),
                origins,
                trusted_proxies,
                root,
                link_secret,
            }),
            _ => Err(errors),
        }
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
    Ok(verifier)
}

fn port(lookup: Lookup<'_>, environment: Environment) -> Result<u16, SettingError> {
    let port = settings::port(lookup, DEFAULT_PORT)?;
    if environment == Environment::Production && port != DEFAULT_PORT {
        return Err(invalid(
            "PORT",
            "must be 4100 in production: nginx and the checks rely on it",
        )
        .into());
    }
    Ok(port)
}

fn link_secret(
    lookup: Lookup<'_>,
    environment: Environment,
    root: &Path,
) -> Result<LinkSecret, SettingError> {
    let file = settings::text(lookup, "LINK_SECRET_FILE").map(PathBuf::from);
    match (environment, file) {
        (Environment::Production, Some(file)) => Ok(LinkSecret::File(file)),
        (Environment::Production, None) => Err(SettingsError::new(
            "setting_missing",
            "LINK_SECRET_FILE",
            "is required in production: write 32 random bytes to a file of mode 0600, the same on all replicas",
        )
        .into()),
        (Environment::Development, file) => {
            Ok(LinkSecret::Made(file.unwrap_or_else(|| root.join(DEFAULT_LINK_SECRET))))
        }
    }
}

fn rate_limit(lookup: Lookup<'_>, environment: Environment) -> Result<(), SettingError> {
    match settings::text(lookup, "RATE_LIMIT").as_deref() {
        None => Ok(()),
        Some("off") if environment == Environment::Development => Ok(()),
        Some("off") => {
            Err(invalid("RATE_LIMIT", "`off` is for development only: remove it").into())
        }
        Some(_) => Err(invalid("RATE_LIMIT", "takes `off` and nothing else").into()),
    }
}

fn audit_log(lookup: Lookup<'_>) -> Result<(), SettingError> {
    match settings::text(lookup, "AUDIT_LOG_FILE") {
        None => Ok(()),
        Some(_) => Err(invalid(
            "AUDIT_LOG_FILE",
            "the audit log is not part of this build yet: remove the key",
        )
        .into()),
    }
}

fn invalid(key: &'static str, message: &str) -> SettingsError {
    SettingsError::new("setting_invalid", key, message)
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    storage: Storage,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Storage {
    local: Option<Local>,
    s3: Option<toml::Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Local {
    root: PathBuf,
}

fn root(lookup: Lookup<'_>, config: Option<&Path>) -> Result<PathBuf, SettingError> {
    let named = config
        .map(Path::to_owned)
        .or_else(|| settings::text(lookup, "DAILEY_CONFIG").map(PathBuf::from));
    let path = named
        .clone()
        .unwrap_or_else(|| PathBuf::from(DEFAULT_CONFIG_FILE));
    if named.is_none() && !path.exists() {
        return Ok(DEFAULT_ROOT.into());
    }
    let file = parse(&path)?;
    let refuse = |message: &str| SettingError::File {
        path: path.clone(),
        line: None,
        message: message.to_owned(),
    };
    match file.storage {
        Storage {
            local: Some(_),
            s3: Some(_),
        } => Err(refuse(
            "has both [storage.local] and [storage.s3]: keep the one where the objects are",
        )),
        Storage { s3: Some(_), .. } => Err(refuse(
            "[storage.s3] is not part of this build yet: use [storage.local]",
        )),
        Storage {
            local: Some(local), ..
        } if local.root.as_os_str().is_empty() => {
            Err(refuse("[storage.local] root is empty: name a folder"))
        }
        Storage {
            local: Some(local), ..
        } => Ok(local.root),
        Storage { .. } => Ok(DEFAULT_ROOT.into()),
    }
}

fn parse(path: &Path) -> Result<File, SettingError> {
    let refuse = |line, message: String| SettingError::File {
        path: path.to_owned(),
        line,
        message,
    };
    let metadata =
        fs::metadata(path).map_err(|error| refuse(None, format!("cannot be read: {error}")))?;
    if metadata.len() > MAX_CONFIG_BYTES {
        return Err(refuse(
            None,
            "is larger than 64 KiB: this is not a configuration file".to_owned(),
        ));
    }
    let text = fs::read_to_string(path)
        .map_err(|error| refuse(None, format!("cannot be read: {error}")))?;
    toml::from_str(&text).map_err(|error| {
        // The error's own display quotes the line, which may hold a secret.
        let line = error
            .span()
            .map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        refuse(line, error.message().chars().take(200).collect())
    })
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
                &[("AUDIT_LOG_FILE", "a")],
                None,
                "AUDIT_LOG_FILE: the audit log is not part",
            ),
            (&[("JWT_ISSUER", "")], None, "JWT_ISSUER: "),
            (&[("TRUSTED_PROXIES", "nginx")], None, "TRUSTED_PROXIES: "),
            (
                &[],
                Some("[storage.s3]\nsecret_access_key = 'hush'\n"),
                "[storage.s3] is not part of this build yet",
            ),
            (
                &[],
                Some("[storage.local]\nroot = 'a'\n[storage.s3]\n"),
                "has both",
            ),
            (
                &[],
                Some("[storage.local]\nroot = 'a'\nrooot = 'hush'\n"),
                ", line 3: unknown field `rooot`",
            ),
            (&[], Some("[storage.local]\nroot = hush\n"), ", line 2: "),
            (&[], Some("[server]\n"), "unknown field `server`"),
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
        assert_eq!(read(&[], None).unwrap().root, Path::new("./data/media"));
        let settings = read(
            &[],
            Some("[storage.local]\nroot = '/var/lib/dailey-media'\n"),
        )
        .unwrap();
        assert_eq!(settings.root, Path::new("/var/lib/dailey-media"));
    }
}
