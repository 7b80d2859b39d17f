//! Environment and configuration file → [`Settings`], or every reason why not.

mod draft;
mod file;
pub(crate) mod keys;
mod limits;
mod s3;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dailey_auth::{Environment, VerifierSettings};
use dailey_http::client::TrustedProxies;
use dailey_http::cors::Origins;
use dailey_http::edge::PublicOrigin;
use dailey_http::settings::{Lookup, SettingsError};

use crate::rate::RateLimit;

pub(crate) use draft::Draft;
pub use limits::Limits;
pub use s3::{Addressing, LargeWrites, S3Settings};

/// The port that deployments rely on.
pub const DEFAULT_PORT: u16 = 4100;

/// Read when nothing else is named and it is there.
pub const DEFAULT_CONFIG_FILE: &str = "dailey-media.toml";

/// Where objects lie when no file says otherwise.
const DEFAULT_ROOT: &str = "./data/media";

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
                Some("[limits]\nopen_uploads_per_subject = 0\n"),
                "open_uploads_per_subject is not 1 to 10000",
            ),
            (
                &[],
                Some("[limits]\nupload_max_bytes = 5368709121\n"),
                "upload_max_bytes is not 1 to 5368709120",
            ),
            (
                &[],
                Some("[limits]\nupload_chunk_max_bytes = 0\n"),
                "upload_chunk_max_bytes is not 1 to 67108864",
            ),
            (
                &[],
                Some("[limits]\nlink_max_seconds = 86401\n"),
                "link_max_seconds is not 1 to 86400",
            ),
            (
                &[],
                Some("[limits]\nlink_max_seconds = 60\n"),
                "link_default_seconds is not 1 to link_max_seconds",
            ),
            (
                &[],
                Some("[limits]\nranges_max = 9\n"),
                "ranges_max is not 1 to 8",
            ),
            (
                &[],
                Some("[limits]\nconnections = 0\n"),
                "connections or connections_per_address is not",
            ),
            (
                &[],
                Some("[limits]\nwrites_at_once = 0\n"),
                "a rate (…_per_minute, …_at_once) is not 1 to 1000000",
            ),
            (
                &[],
                Some("[limits]\njson_max_bytes = 4095\n"),
                "json_max_bytes is not 4096 (4 KiB) to 1048576",
            ),
            (
                &[],
                Some("[limits]\njson_max_bytes = 1048577\n"),
                "json_max_bytes is not",
            ),
            (
                &[],
                Some("[limits]\nbody_pause_seconds = 0\n"),
                "body_pause_seconds is not 1 to 120",
            ),
            (
                &[],
                Some("[limits]\nbody_seconds = 601\n"),
                "body_seconds is not 1 to 600",
            ),
            (
                &[],
                Some("[limits]\nbody_bytes_per_second = 0\n"),
                "body_bytes_per_second is not 32768",
            ),
            (
                &[],
                Some("[limits]\nput_max_bytes = 5368709120\nbody_bytes_per_second = 32768\n"),
                "takes longer than 23 hours",
            ),
            (
                &[],
                Some("[limits]\nkey_max_bytes = 1025\n"),
                "key_max_bytes is not 1 to 1024",
            ),
            (
                &[],
                Some("[limits]\nkey_max_bytes = 0\n"),
                "key_max_bytes is not 1 to 1024",
            ),
            (
                &[],
                Some("[limits]\nkey_segment_max_bytes = 256\n"),
                "key_segment_max_bytes is not 1 to 255",
            ),
            (
                &[],
                Some("[limits]\nkey_segment_max_bytes = 0\n"),
                "key_segment_max_bytes is not 1 to 255",
            ),
            (
                &[],
                Some("[limits]\nmetadata_max_bytes = 2049\n"),
                "metadata_max_bytes is not 0 to 2048",
            ),
            (
                &[],
                Some("[limits]\nmetadata_max_pairs = 33\n"),
                "metadata_max_pairs is not 0 to 32",
            ),
            (
                &[],
                Some("[limits]\nhead_max_bytes = 65537\n"),
                "head_max_bytes is not 4096",
            ),
            (
                &[],
                Some("[limits]\nheaders_max = 15\n"),
                "headers_max is not 16 to 256",
            ),
            (
                &[],
                Some("[limits]\nhead_seconds = 0\n"),
                "head_seconds is not 1 to 60",
            ),
            (
                &[],
                Some("[limits]\nkeep_alive_seconds = 9\n"),
                "keep_alive_seconds is not head_seconds to 3600",
            ),
            (
                &[],
                Some("[limits]\ndrain_seconds = 0\n"),
                "drain_seconds is not 1 to 300",
            ),
            (
                &[],
                Some("[limits]\nlame_duck_seconds = 61\n"),
                "lame_duck_seconds is not 0 to 60",
            ),
            (
                &[],
                Some("[limits]\ns3_connect_seconds = 0\n"),
                "s3_connect_seconds is not 1 to s3_request_seconds",
            ),
            (
                &[],
                Some("[limits]\ns3_request_seconds = 1\n"),
                "s3_connect_seconds is not 1 to s3_request_seconds",
            ),
            (
                &[],
                Some("[limits]\ns3_request_seconds = 0\n"),
                "s3_request_seconds is not 1 to 40",
            ),
            (
                &[],
                Some("[limits]\ns3_request_seconds = 41\n"),
                "s3_request_seconds is not 1 to 40",
            ),
            (
                &[],
                Some("[limits]\ns3_retries = 6\n"),
                "s3_retries is not 0 to 5",
            ),
            (
                &[],
                Some("[limits]\ns3_retry_seconds = 21\n"),
                "s3_retry_seconds is not 1 to 20",
            ),
            (
                &[],
                Some("[limits]\ns3_retry_seconds = 0\n"),
                "s3_retry_seconds is not 1 to 20",
            ),
            (
                &[],
                Some("[limits]\nappends_at_once = 0\n"),
                "a rate (…_per_minute, …_at_once) is not",
            ),
            (
                &[],
                Some("[limits]\nlinks_per_minute = 1000001\n"),
                "a rate (…_per_minute, …_at_once) is not",
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
                &[ID, SECRET],
                with("large_writes", "'hush'"),
                "a value is not one of those",
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
