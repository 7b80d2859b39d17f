//! The environment keys that tell a program how to verify its tokens: one parser for every
//! program that links this crate.

use crate::error::ConfigError;
#[cfg(feature = "jwks-http")]
use crate::jwks::{LoopbackHttp, Source};
use crate::policy::{DEFAULT_LEEWAY, DEFAULT_MAX_LIFETIME, Policy};
use crate::verifier::{Verifier, VerifierBuilder};

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

/// Every key that is read.
const KEYS: [&str; 8] = [
    "DAILEY_ENV",
    "NODE_ENV",
    "JWT_ISSUER",
    "CORE_APP_ID",
    "CORE_AUDIENCE",
    "CORE_JWKS_URL",
    "DAILEY_CORE_URL",
    "JWKS_SNAPSHOT_FILE",
];

/// What goes before the environment, each with the name of the setting that gave it.
#[derive(Default)]
pub(crate) struct Given {
    pub(crate) environment: Option<Environment>,
    pub(crate) issuer: Option<(&'static str, String)>,
    pub(crate) audiences: Option<(&'static str, Vec<String>)>,
    /// Looked at by whoever uses it.
    pub(crate) jwks_url: Option<String>,
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
#[derive(Clone)]
pub struct VerifierSettings {
    environment: Environment,
    issuer: String,
    audiences: Vec<String>,
    jwks_url: String,
    #[cfg(feature = "jwks-http")]
    snapshot_file: Option<String>,
}

// An address can hold a key in its query: it is shown to whoever asks for it, and not by accident.
impl std::fmt::Debug for VerifierSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerifierSettings")
            .field("environment", &self.environment)
            .field("issuer", &self.issuer)
            .field("audiences", &self.audiences)
            .finish_non_exhaustive()
    }
}

impl VerifierSettings {
    /// Reads the process environment.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the key to change.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_env_beside(Given::default())
    }

    /// The same where something was given already; what is given is not looked for.
    pub(crate) fn from_env_beside(given: Given) -> Result<Self, ConfigError> {
        for key in KEYS {
            if std::env::var_os(key).is_some_and(|value| value.to_str().is_none()) {
                return Err(ConfigError::new(key, "write it in UTF-8"));
            }
        }
        Self::from_lookup_beside(&process_variable, given)
    }

    /// The same with a look-up of one's own in place of the process environment.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the key to change.
    pub fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        Self::from_lookup_beside(lookup, Given::default())
    }

    fn from_lookup_beside(
        lookup: &dyn Fn(&str) -> Option<String>,
        given: Given,
    ) -> Result<Self, ConfigError> {
        let environment = match given.environment {
            Some(environment) => environment,
            None => Environment::from_lookup(lookup)?,
        };
        let (issuer_key, issuer) = match given.issuer {
            Some(given) => given,
            None => ("JWT_ISSUER", issuer(lookup)?),
        };
        let (audiences_key, audiences) = match given.audiences {
            Some(given) => given,
            None => audiences(lookup)?,
        };
        // What `build` would refuse is refused here, where the key to change is known.
        Policy::new(
            &issuer,
            &audiences,
            None,
            DEFAULT_LEEWAY,
            DEFAULT_MAX_LIFETIME,
        )
        .map_err(|error| match error.setting() {
            "issuer" => error.about(issuer_key),
            _ => error.about(audiences_key),
        })?;
        let jwks_url = match given.jwks_url {
            Some(url) => url,
            None => jwks_url(lookup, environment, (issuer_key, &issuer))?,
        };
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

impl Verifier {
    /// A verifier as the environment describes it: see [`VerifierSettings`].
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the environment key to change.
    pub fn from_env() -> Result<Self, ConfigError> {
        VerifierSettings::from_env()?.builder().build()
    }
}

fn issuer(lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, ConfigError> {
    set(lookup, "JWT_ISSUER")
        .ok_or_else(|| ConfigError::new("JWT_ISSUER", "set it to the exact `iss` of the tokens"))
}

/// The address of the key set, from the nearest setting.
fn jwks_url(
    lookup: &dyn Fn(&str) -> Option<String>,
    environment: Environment,
    issuer: (&'static str, &str),
) -> Result<String, ConfigError> {
    let (key, url) = if let Some(url) = set(lookup, "CORE_JWKS_URL") {
        ("CORE_JWKS_URL", url)
    } else {
        let (key, base) = match set(lookup, "DAILEY_CORE_URL") {
            Some(base) => ("DAILEY_CORE_URL", base),
            None => (issuer.0, issuer.1.to_owned()),
        };
        if base.contains(['?', '#']) {
            let problem =
                "a base address ends before `?` and `#`: set CORE_JWKS_URL to the key set's";
            return Err(ConfigError::new(key, problem));
        }
        let base = base.strip_suffix('/').unwrap_or(&base);
        (key, format!("{base}/.well-known/jwks.json"))
    };
    #[cfg(feature = "jwks-http")]
    {
        let loopback_http = match environment {
            Environment::Production => LoopbackHttp::Refused,
            Environment::Development => LoopbackHttp::Allowed,
        };
        Source::address(&url, loopback_http).map_err(|error| error.about(key))?;
    }
    #[cfg(not(feature = "jwks-http"))]
    let _ = (key, environment);
    Ok(url)
}

/// The audiences and the key that they come from.
fn audiences(
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<(&'static str, Vec<String>), ConfigError> {
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
        (Some(ids), Some(audiences)) if !same(&ids, &audiences) => {
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
    Ok((key, audiences))
}

/// Whether both name the same, in whatever order.
fn same(one: &[String], other: &[String]) -> bool {
    one.iter().all(|entry| other.contains(entry)) && other.iter().all(|entry| one.contains(entry))
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

// Where it matters, `from_env` has refused what is not UTF-8.
fn process_variable(key: &str) -> Option<String> {
    std::env::var_os(key).map(|value| value.to_string_lossy().into_owned())
}
