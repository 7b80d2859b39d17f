//! Environment text → typed values. Each error names its key, what is wrong and what to do; it
//! never repeats the value.
//!
//! Nothing here reads the process environment itself: the caller passes the lookup, so that a
//! program can put a file behind it and a test a table.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use dailey_auth::Environment;

use crate::client::TrustedProxies;
use crate::cors::Origins;
use crate::edge::PublicOrigin;

/// Where settings come from: a key's text, if it is set.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {message}")]
pub struct SettingsError {
    code: &'static str,
    key: &'static str,
    message: String,
}

impl SettingsError {
    /// An error about `key`. `message` says what is wrong and what to do, without the value.
    pub fn new(code: &'static str, key: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            key,
            message: message.into(),
        }
    }

    /// Stable code: `setting_missing`, `setting_invalid`, or one of the program's own.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The key to change.
    pub fn key(&self) -> &'static str {
        self.key
    }

    /// What is wrong and what to do.
    pub fn message(&self) -> &str {
        &self.message
    }

    fn invalid(key: &'static str, message: impl Into<String>) -> Self {
        Self::new("setting_invalid", key, message)
    }
}

/// The lookup for the process environment. A value that is not UTF-8 comes with its bad bytes
/// replaced, and so fails where it is checked.
pub fn process_environment(key: &str) -> Option<String> {
    std::env::var_os(key).map(|value| value.to_string_lossy().into_owned())
}

/// A key's text. A key that is set to nothing counts as not set, as in `dailey_auth`.
pub fn text(lookup: Lookup<'_>, key: &str) -> Option<String> {
    lookup(key).filter(|value| !value.is_empty())
}

/// The permission bits that the file of a secret must not have: others' all, the group's all.
///
/// What systemd hands to a service (`LoadCredential`, in the folder `CREDENTIALS_DIRECTORY`) belongs to root, and an
/// access list lets the service read it; that shows as readable by the group.
pub fn secret_file_mask(lookup: Lookup<'_>, path: &Path) -> u32 {
    let credentials = text(lookup, "CREDENTIALS_DIRECTORY");
    if credentials.is_some_and(|folder| path.parent() == Some(Path::new(&folder))) {
        0o037
    } else {
        0o077
    }
}

/// `PORT`: 1 to 65535.
///
/// # Errors
/// The value is not a port.
pub fn port(lookup: Lookup<'_>, default: u16) -> Result<u16, SettingsError> {
    let Some(text) = text(lookup, "PORT") else {
        return Ok(default);
    };
    text.parse()
        .ok()
        .filter(|port| *port != 0 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .ok_or_else(|| {
            SettingsError::invalid("PORT", "is not a port: write a number from 1 to 65535")
        })
}

/// `BIND`: the address to listen on, default 127.0.0.1.
///
/// # Errors
/// The value is not an IP address.
pub fn bind(lookup: Lookup<'_>) -> Result<IpAddr, SettingsError> {
    let Some(text) = text(lookup, "BIND") else {
        return Ok(Ipv4Addr::LOCALHOST.into());
    };
    text.parse().map_err(|_| {
        SettingsError::invalid(
            "BIND",
            "is not an IP address: write one like 127.0.0.1 or ::1, without a port",
        )
    })
}

/// `TRUSTED_PROXIES`: default loopback; the word `none` means nobody.
///
/// # Errors
/// An entry is neither an address nor a network.
pub fn trusted_proxies(lookup: Lookup<'_>) -> Result<TrustedProxies, SettingsError> {
    match text(lookup, "TRUSTED_PROXIES") {
        None => Ok(TrustedProxies::loopback()),
        Some(text) if text == "none" => Ok(TrustedProxies::none()),
        Some(text) => TrustedProxies::parse(&text)
            .map_err(|reason| SettingsError::invalid("TRUSTED_PROXIES", reason)),
    }
}

/// The allow list of browser origins under `key`; unset or empty means none.
///
/// # Errors
/// An entry is not an exact origin ([`Origins::parse`]).
pub fn origins(
    lookup: Lookup<'_>,
    key: &'static str,
    environment: Environment,
) -> Result<Origins, SettingsError> {
    match text(lookup, key) {
        None => Ok(Origins::none()),
        Some(text) => {
            Origins::parse(&text, environment).map_err(|reason| SettingsError::invalid(key, reason))
        }
    }
}

/// `PUBLIC_ORIGIN`: where the public reaches the service.
///
/// # Errors
/// The value is not an exact https origin.
pub fn public_origin(lookup: Lookup<'_>) -> Result<Option<PublicOrigin>, SettingsError> {
    text(lookup, "PUBLIC_ORIGIN")
        .map(|text| PublicOrigin::parse(&text))
        .transpose()
        .map_err(|reason| SettingsError::invalid("PUBLIC_ORIGIN", reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(key: &'static str, value: &str, read: impl FnOnce(Lookup<'_>) -> T) -> T {
        read(&|asked| (asked == key).then(|| value.to_owned()))
    }

    #[test]
    fn defaults_are_closed() {
        let unset: Lookup<'_> = &|_| None;
        assert_eq!(port(unset, 4100).unwrap(), 4100);
        assert_eq!(bind(unset).unwrap().to_string(), "127.0.0.1");
        assert_eq!(trusted_proxies(unset).unwrap(), TrustedProxies::loopback());
        assert!(
            origins(unset, "CORS_ORIGINS", Environment::Production)
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn a_wrong_value_is_an_error_that_names_its_key_and_not_its_value() {
        for value in ["0", "65536", "+80", "80 ", "http"] {
            let error = with("PORT", value, |lookup| port(lookup, 1)).unwrap_err();
            assert_eq!(
                (error.code(), error.key()),
                ("setting_invalid", "PORT"),
                "{value}"
            );
        }
        let error = with("BIND", "secret.example:80", bind).unwrap_err();
        assert_eq!(error.key(), "BIND");
        assert!(!error.to_string().contains("secret"));
        let error = with("TRUSTED_PROXIES", "secret", trusted_proxies).unwrap_err();
        assert!(!error.to_string().contains("secret"));
    }

    #[test]
    fn a_credential_of_systemd_may_show_as_readable_by_the_group() {
        let mask = |path: &str| {
            with(
                "CREDENTIALS_DIRECTORY",
                "/run/credentials/a.service",
                |lookup| secret_file_mask(lookup, Path::new(path)),
            )
        };
        assert_eq!(mask("/run/credentials/a.service/secret"), 0o037);
        for path in [
            "/etc/secret",
            "/run/credentials/a.service/../secret",
            "secret",
        ] {
            assert_eq!(mask(path), 0o077, "{path}");
        }
        assert_eq!(secret_file_mask(&|_| None, Path::new("/etc/secret")), 0o077);
    }

    #[test]
    fn set_to_nothing_is_not_set_and_none_trusts_nobody() {
        assert_eq!(with("PORT", "", |lookup| port(lookup, 4100)).unwrap(), 4100);
        assert_eq!(
            with("TRUSTED_PROXIES", "", trusted_proxies).unwrap(),
            TrustedProxies::loopback()
        );
        assert_eq!(
            with("TRUSTED_PROXIES", "none", trusted_proxies).unwrap(),
            TrustedProxies::none()
        );
    }
}
