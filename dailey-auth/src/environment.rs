//! The environment keys that tell a program how to verify its tokens: one parser for every
//! program that links this crate.

use crate::error::ConfigError;
use crate::policy::MAX_AUDIENCES;
use crate::verifier::VerifierBuilder;

/// Whether convenience may stand above closed doors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Environment {
    /// Nothing is allowed that is not safe on an open network. The default when nothing is said.
    #[default]
    Production,
    /// Plain http to a literal loopback address is allowed.
    Development,
}

impl Environment {
    /// Reads `DAILEY_ENV` (`production` or `development`), or `NODE_ENV` when that is not set.
    ///
    /// # Errors
    ///
    /// When the value is neither.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_lookup(&process_variable)
    }

    /// The same with a look-up of one's own in place of the process environment.
    ///
    /// # Errors
    ///
    /// When the value is neither `production` nor `development`.
    pub fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let (key, value) = match set(lookup, "DAILEY_ENV") {
            Some(value) => ("DAILEY_ENV", Some(value)),
            None => ("NODE_ENV", set(lookup, "NODE_ENV")),
        };
        match value.as_deref() {
            None | Some("production") => Ok(Self::Production),
            Some("development") => Ok(Self::Development),
            Some(_) => Err(ConfigError::new(key, "say `production` or `development`")),
        }
    }

    /// The word for it: `production` or `development`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Development => "development",
        }
    }
}

impl std::fmt::Display for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the environment says about verifying tokens.
///
/// | key | meaning |
/// | --- | --- |
/// | `JWT_ISSUER` | the exact issuer, required |
/// | `CORE_APP_ID` or `CORE_AUDIENCE` | 1 to 16 audiences, separated by commas; those of `CORE_APP_ID` must be GUIDs; both set and different is an error |
/// | `CORE_JWKS_URL` | address of the key set; default `{DAILEY_CORE_URL}/.well-known/jwks.json`, without that `{JWT_ISSUER}/.well-known/jwks.json` |
/// | `DAILEY_ENV` | see [`Environment`] |
/// | `JWKS_SNAPSHOT_FILE` | optional: see [`VerifierBuilder::snapshot_path`] |
///
/// A key that is set to nothing counts as not set.
#[derive(Debug, Clone)]
pub struct VerifierSettings {
    environment: Environment,
    issuer: String,
    audiences: Vec<String>,
    jwks_url: String,
    #[cfg(feature = "jwks-http")]
    snapshot_file: Option<String>,
}

impl VerifierSettings {
    /// Reads the process environment.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the key to change.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_lookup(&process_variable)
    }

    /// The same with a look-up of one's own in place of the process environment.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the key to change.
    pub fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let environment = Environment::from_lookup(lookup)?;
        let issuer = set(lookup, "JWT_ISSUER").ok_or_else(|| {
            ConfigError::new("JWT_ISSUER", "set it to the exact `iss` of the tokens")
        })?;
        let audiences = audiences(lookup)?;
        let well_known = |base: &str| {
            format!(
                "{}/.well-known/jwks.json",
                base.strip_suffix('/').unwrap_or(base)
            )
        };
        let jwks_url = set(lookup, "CORE_JWKS_URL")
            .or_else(|| set(lookup, "DAILEY_CORE_URL").map(|base| well_known(&base)))
            .unwrap_or_else(|| well_known(&issuer));
        Ok(Self {
            environment,
            issuer,
            audiences,
            jwks_url,
            #[cfg(feature = "jwks-http")]
            snapshot_file: set(lookup, "JWKS_SNAPSHOT_FILE"),
        })
    }

    /// Production or development.
    pub fn environment(&self) -> Environment {
        self.environment
    }

    /// The exact issuer.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The audiences, at least one.
    pub fn audiences(&self) -> &[String] {
        &self.audiences
    }

    /// Where the key set is.
    pub fn jwks_url(&self) -> &str {
        &self.jwks_url
    }

    /// A builder with these settings, for those who want to set more.
    pub fn builder(&self) -> VerifierBuilder {
        let builder = VerifierBuilder::new(&self.issuer, &self.audiences);
        #[cfg(feature = "jwks-http")]
        let builder = {
            let builder = builder.jwks_url(&self.jwks_url);
            let builder = match &self.snapshot_file {
                Some(path) => builder.snapshot_path(path),
                None => builder,
            };
            match self.environment {
                Environment::Production => builder,
                Environment::Development => builder.allow_loopback_http(),
            }
        };
        builder
    }
}

fn audiences(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Vec<String>, ConfigError> {
    let app_ids = set(lookup, "CORE_APP_ID").map(|value| list(&value));
    let audiences = set(lookup, "CORE_AUDIENCE").map(|value| list(&value));
    if let Some(ids) = &app_ids
        && !ids.iter().all(|id| is_guid(id))
    {
        return Err(ConfigError::new(
            "CORE_APP_ID",
            "give the app ids as Core printed them (GUIDs), separated by commas",
        ));
    }
    let (key, audiences) = match (app_ids, audiences) {
        (Some(ids), Some(audiences)) if ids != audiences => {
            return Err(ConfigError::new(
                "CORE_APP_ID",
                "CORE_AUDIENCE is set to something else: keep one of the two",
            ));
        }
        (Some(ids), _) => ("CORE_APP_ID", ids),
        (None, Some(audiences)) => ("CORE_AUDIENCE", audiences),
        (None, None) => {
            return Err(ConfigError::new(
                "CORE_APP_ID",
                "set it to the app id that the tokens are issued for (or set CORE_AUDIENCE)",
            ));
        }
    };
    if audiences.len() > MAX_AUDIENCES || audiences.iter().any(String::is_empty) {
        return Err(ConfigError::new(
            key,
            "give 1 to 16 values, separated by commas",
        ));
    }
    Ok(audiences)
}

fn list(value: &str) -> Vec<String> {
    value
        .split(',')
        .map(|entry| entry.trim().to_owned())
        .collect()
}

/// RFC 9562 section 4: 8-4-4-4-12 hexadecimal digits.
fn is_guid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}

fn set(lookup: &dyn Fn(&str) -> Option<String>, key: &str) -> Option<String> {
    lookup(key).filter(|value| !value.is_empty())
}

// A value that is not UTF-8 is taken with its bad bytes replaced, and fails where it is checked.
fn process_variable(key: &str) -> Option<String> {
    std::env::var_os(key).map(|value| value.to_string_lossy().into_owned())
}
