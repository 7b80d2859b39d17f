//! Everything that can be set, read once and checked as a whole: each thing wrong is said, not only the first.

mod database;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use database::{DatabaseSettings, MysqlSettings, MysqlTransport};

use dailey_auth::Environment;
use dailey_http::client::TrustedProxies;
use dailey_http::cors::Origins;
use dailey_http::settings::{self as read, SettingsError};

use crate::dotenv::EnvironmentVariables;
use crate::keys::{KeySettings, Kid};

/// `PORT` when not set.
const DEFAULT_PORT: u16 = 4000;
/// `JWT_TTL_SECONDS`: default and bounds. Longer would outlive what verifiers accept and what a revocation may miss.
const TOKEN_LIFE_SECONDS: Range = Range {
    default: 600,
    least: 60,
    most: 3600,
};
/// `REFRESH_TTL_SECONDS`: thirty days by default; a minute to a year.
const REFRESH_LIFE_SECONDS: Range = Range {
    default: 2_592_000,
    least: 60,
    most: 31_536_000,
};

struct Range {
    default: u64,
    least: u64,
    most: u64,
}

/// What the settings are wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// `serve` and `check`: everything must be there.
    Serve,
    /// Managing keys, apps and users, which does not need to know the issuer, nor which key signs.
    Manage,
}

/// Everything that can be set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `DAILEY_ENV`.
    pub environment: Environment,
    /// `JWT_ISSUER`; empty only when managing.
    pub issuer: String,
    /// `BIND` and `PORT`.
    pub listen: SocketAddr,
    /// `TRUSTED_PROXIES`.
    pub trusted_proxies: TrustedProxies,
    /// `ALLOWED_ORIGINS`.
    pub origins: Origins,
    /// `JWT_TTL_SECONDS`.
    pub token_life: Duration,
    /// `REFRESH_TTL_SECONDS`.
    pub refresh_life: Duration,
    /// `DATABASE_URL`, with `DATABASE_PASSWORD` or `DATABASE_PASSWORD_FILE`.
    pub database: DatabaseSettings,
    /// `JWT_PRIVATE_KEY_FILE`, `JWT_ACTIVE_KID`, `JWT_PUBLIC_KEYS_DIR`.
    pub keys: KeySettings,
    /// `ALLOW_REGISTRATION`.
    pub registration: Registration,
}

/// Whether anyone may make an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// Anyone may.
    Open,
    /// Only an operator may.
    Closed,
}

impl Settings {
    /// Reads and checks; all errors at once.
    pub fn read(
        variables: &EnvironmentVariables,
        purpose: Purpose,
    ) -> Result<Self, Vec<SettingsError>> {
        let mut errors = Errors::default();
        let lookup = |key: &str| variables.get(key);
        let environment = Environment::from_lookup(&lookup).unwrap_or_else(|_| {
            errors.add(
                "DAILEY_ENV",
                "must be `production` or `development` (NODE_ENV counts only when it is not set)",
            );
            Environment::Production
        });
        if let Some(mode) = variables.file_mode().filter(|mode| mode & 0o177 != 0)
            && environment == Environment::Production
        {
            errors.add(
                ".env",
                format!("its mode is {mode:04o}, so others may read it: chmod 600 .env"),
            );
        }
        let set = |key: &str| variables.get(key).filter(|value| !value.is_empty());

        let issuer = match set("JWT_ISSUER") {
            Some(text) => errors.take("JWT_ISSUER", issuer(&text, environment)),
            None if purpose == Purpose::Serve => {
                errors.add(
                    "JWT_ISSUER",
                    "is missing: set it to this Core's own address, like https://core.example.com",
                );
                None
            }
            None => None,
        };
        let keys = keys(&mut errors, &set, environment, purpose);
        let database = database::read(&set, environment)
            .map_err(|(key, message)| errors.add(key, message))
            .ok();
        let token_life = seconds(
            &mut errors,
            "JWT_TTL_SECONDS",
            set("JWT_TTL_SECONDS"),
            &TOKEN_LIFE_SECONDS,
        );
        let refresh_life = seconds(
            &mut errors,
            "REFRESH_TTL_SECONDS",
            set("REFRESH_TTL_SECONDS"),
            &REFRESH_LIFE_SECONDS,
        );
        let registration = match set("ALLOW_REGISTRATION").as_deref() {
            Some("true") => Registration::Open,
            None | Some("false") => Registration::Closed,
            Some(_) => {
                errors.add("ALLOW_REGISTRATION", "must be `true` or `false`");
                Registration::Closed
            }
        };
        let port = errors.accept(read::port(&|key| set(key), DEFAULT_PORT));
        let bind = errors.accept(read::bind(&|key| set(key)));
        // Set to nothing counts as not set; `none` trusts nobody.
        let trusted_proxies = errors.accept(read::trusted_proxies(&lookup));
        let origins = errors.accept(read::origins(&lookup, "ALLOWED_ORIGINS", environment));

        if !errors.0.is_empty() {
            return Err(errors.0);
        }
        // Without an error, each of them is there.
        let address: IpAddr = bind.unwrap_or(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));
        Ok(Self {
            environment,
            issuer: issuer.unwrap_or_default(),
            listen: SocketAddr::new(address, port.unwrap_or(DEFAULT_PORT)),
            trusted_proxies: trusted_proxies.unwrap_or_else(TrustedProxies::none),
            origins: origins.unwrap_or_else(Origins::none),
            token_life,
            refresh_life,
            database: database.unwrap_or(DatabaseSettings::Sqlite(PathBuf::new())),
            keys,
            registration,
        })
    }
}

#[derive(Default)]
struct Errors(Vec<SettingsError>);

impl Errors {
    fn add(&mut self, key: &'static str, message: impl Into<String>) {
        self.0
            .push(SettingsError::new("setting_invalid", key, message));
    }

    fn take<T>(&mut self, key: &'static str, read: Result<T, String>) -> Option<T> {
        read.map_err(|message| self.add(key, message)).ok()
    }

    fn accept<T>(&mut self, read: Result<T, SettingsError>) -> Option<T> {
        read.map_err(|error| self.0.push(error)).ok()
    }
}

fn issuer(text: &str, environment: Environment) -> Result<String, String> {
    let wrong = |what: &str| {
        Err(format!(
            "{what}: write it as https://host, exactly as tokens carry it"
        ))
    };
    let Ok(url) = url::Url::parse(text) else {
        return wrong("is not an address");
    };
    match url.scheme() {
        "https" => {}
        "http" if environment == Environment::Development => {}
        "http" => return wrong("is http, which production refuses"),
        _ => return wrong("is not an https address"),
    }
    if text.contains('@') {
        return wrong("has a user part");
    }
    if text.contains('?') || text.contains('#') {
        return wrong("has a query or a fragment");
    }
    if url.path() != "/" {
        return wrong("has a path");
    }
    if text.ends_with('/') {
        return wrong("has a trailing slash");
    }
    // What is left is upper case, a default port, odd number forms: one issuer, one spelling.
    if url.origin().ascii_serialization() != text {
        return wrong("is not in its plain form (lower-case host, no default port)");
    }
    Ok(text.to_owned())
}

fn keys(
    errors: &mut Errors,
    set: &dyn Fn(&str) -> Option<String>,
    environment: Environment,
    purpose: Purpose,
) -> KeySettings {
    let needed = purpose == Purpose::Serve && environment == Environment::Production;
    let private_key_file = set("JWT_PRIVATE_KEY_FILE");
    if needed && private_key_file.is_none() {
        errors.add(
            "JWT_PRIVATE_KEY_FILE",
            "is missing: production names its signing key",
        );
    }
    let active_kid = set("JWT_ACTIVE_KID");
    if needed && active_kid.is_none() {
        errors.add(
            "JWT_ACTIVE_KID",
            "is missing: set it to the kid that `dailey-core init` or `keys list` printed",
        );
    }
    let active_kid = active_kid.and_then(|text| {
        errors.take(
            "JWT_ACTIVE_KID",
            Kid::parse(&text).map_err(|e| e.to_string()),
        )
    });
    let private_key_file =
        PathBuf::from(private_key_file.unwrap_or_else(|| "keys/core.pem".to_owned()));
    let public_keys_dir = set("JWT_PUBLIC_KEYS_DIR").map_or_else(
        || {
            private_key_file
                .parent()
                .unwrap_or(Path::new(""))
                .join("public")
        },
        PathBuf::from,
    );
    KeySettings {
        private_key_file,
        active_kid,
        public_keys_dir,
        environment,
    }
}

fn seconds(
    errors: &mut Errors,
    key: &'static str,
    text: Option<String>,
    range: &Range,
) -> Duration {
    let read = match text {
        None => Some(range.default),
        Some(text) => text
            .parse()
            .ok()
            .filter(|seconds| (range.least..=range.most).contains(seconds)),
    };
    if read.is_none() {
        errors.add(
            key,
            format!(
                "must be a whole number of seconds from {} to {}",
                range.least, range.most
            ),
        );
    }
    Duration::from_secs(read.unwrap_or(range.default))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn read(pairs: &[(&str, &str)], purpose: Purpose) -> Result<Settings, Vec<String>> {
        let process: BTreeMap<_, _> = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        let variables =
            EnvironmentVariables::read_from(process, Path::new("no such folder/.env")).unwrap();
        Settings::read(&variables, purpose)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn development_needs_an_issuer_only() {
        let settings = read(
            &[
                ("DAILEY_ENV", "development"),
                ("JWT_ISSUER", "http://127.0.0.1:4000"),
            ],
            Purpose::Serve,
        );
        let settings = settings.unwrap();
        assert_eq!(settings.listen.to_string(), "127.0.0.1:4000");
        assert_eq!(settings.keys.private_key_file, Path::new("keys/core.pem"));
        assert_eq!(settings.keys.public_keys_dir, Path::new("keys/public"));
        assert_eq!(
            settings.database,
            DatabaseSettings::Sqlite(PathBuf::from("core.db"))
        );
        assert_eq!(settings.token_life.as_secs(), 600);
        assert_eq!(settings.registration, Registration::Closed);
    }

    #[test]
    fn production_says_everything_that_is_missing_at_once() {
        let errors = read(&[], Purpose::Serve).unwrap_err();
        for key in ["JWT_ISSUER", "JWT_PRIVATE_KEY_FILE", "JWT_ACTIVE_KID"] {
            assert!(
                errors
                    .iter()
                    .any(|error| error.starts_with(&format!("{key}: "))),
                "{key} in {errors:?}"
            );
        }
        assert!(read(&[], Purpose::Manage).is_ok());
    }

    #[test]
    fn each_wrong_value_is_refused_by_its_name_and_never_shown() {
        let too_many: Vec<_> = (0..33)
            .map(|n| format!("https://secret{n}.example.com"))
            .collect();
        let too_many = too_many.join(",");
        let table = [
            ("DAILEY_ENV", "SECRETstaging"),
            ("JWT_ISSUER", "http://SECRET.example.com"),
            ("JWT_ISSUER", "https://SECRET.example.com"),
            ("JWT_ISSUER", "https://secret.example.com/"),
            ("JWT_ISSUER", "https://secret.example.com/path"),
            ("JWT_ISSUER", "https://secret.example.com?q"),
            ("JWT_ISSUER", "https://secret.example.com#f"),
            ("JWT_ISSUER", "https://secret@example.com"),
            ("JWT_ISSUER", "https://secret.example.com:443"),
            ("JWT_ISSUER", "secret.example.com"),
            ("JWT_ACTIVE_KID", "secret\u{7}"),
            ("JWT_TTL_SECONDS", "59"),
            ("JWT_TTL_SECONDS", "3601"),
            ("JWT_TTL_SECONDS", "secret"),
            ("REFRESH_TTL_SECONDS", "0"),
            ("ALLOW_REGISTRATION", "yes"),
            ("ALLOWED_ORIGINS", "*"),
            ("ALLOWED_ORIGINS", "http://secret.example.com"),
            ("ALLOWED_ORIGINS", "https://secret.example.com/"),
            ("ALLOWED_ORIGINS", "https://secret.example.com/path"),
            ("ALLOWED_ORIGINS", "null"),
            (
                "ALLOWED_ORIGINS",
                "https://secret.example.com,https://secret.example.com",
            ),
            ("ALLOWED_ORIGINS", too_many.as_str()),
            ("DATABASE_URL", "sqlite:"),
            ("DATABASE_URL", "sqlite::memory:"),
            ("DATABASE_URL", "postgres://secret"),
            ("DATABASE_URL", "mysql://core@secret:3306/core"),
            ("DATABASE_URL", "mysql://core:secret@db:3306/core"),
            ("PORT", "0"),
            ("BIND", "secret"),
            ("TRUSTED_PROXIES", "secret"),
        ];
        let good = [
            ("JWT_ISSUER", "https://core.example.com"),
            ("JWT_PRIVATE_KEY_FILE", "k.pem"),
            ("JWT_ACTIVE_KID", "k"),
        ];
        assert!(read(&good, Purpose::Serve).is_ok());
        for (key, value) in table {
            let pairs: Vec<_> = good
                .into_iter()
                .filter(|(k, _)| *k != key)
                .chain([(key, value)])
                .collect();
            let errors = read(&pairs, Purpose::Serve).unwrap_err();
            assert_eq!(errors.len(), 1, "{key}={value}: {errors:?}");
            assert!(
                errors[0].starts_with(&format!("{key}: ")),
                "{key}={value}: {errors:?}"
            );
            assert!(!errors[0].to_lowercase().contains("secret"), "{errors:?}");
        }
    }
}
