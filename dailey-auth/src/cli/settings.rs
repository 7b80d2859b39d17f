//! Flags before environment, made into a verifier.

use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::clock::{Clock, SystemClock};
use crate::environment::{Environment, Given, VerifierSettings};
use crate::error::ConfigError;
use crate::jwks::{LoopbackHttp, Source};
use crate::keys::KeySet;
use crate::verifier::Verifier;

use super::Failure;
use super::arguments::JudgingArguments;

/// What a token is held against.
pub(super) struct Settings {
    accepted: VerifierSettings,
    /// Where the key set is.
    pub(super) source: Source,
    types: Vec<String>,
    /// How far clocks may differ.
    pub(super) leeway: Duration,
    clock: FixedClock,
}

impl Settings {
    pub(super) fn read(arguments: &JudgingArguments) -> Result<Self, Failure> {
        let given_source = arguments
            .jwks
            .as_ref()
            .map(|place| source(place, "--jwks", arguments.allow_loopback_http))
            .transpose()?;
        let given = Given {
            environment: arguments
                .allow_loopback_http
                .then_some(Environment::Development),
            issuer: arguments.issuer.clone().map(|text| ("--issuer", text)),
            audiences: (!arguments.audience.is_empty())
                .then(|| ("--audience", arguments.audience.clone())),
            jwks_url: given_source.as_ref().map(Source::identity),
        };
        let settings = VerifierSettings::from_env_beside(given)
            .map_err(|error| Failure::usage(with_flag(&error)))?;
        let source = match given_source {
            Some(source) => source,
            None => Source::address(settings.jwks_url(), loopback_http(settings.environment()))?,
        };
        let settings = Self {
            accepted: settings,
            source,
            types: arguments.types.clone(),
            leeway: arguments
                .leeway
                .map_or(crate::DEFAULT_LEEWAY, Duration::from_secs),
            clock: FixedClock {
                now: match arguments.at {
                    Some(seconds) => SystemTime::UNIX_EPOCH
                        .checked_add(Duration::from_secs(seconds))
                        .ok_or_else(|| Failure::usage("--at: give an earlier time"))?,
                    None => SystemTime::now(),
                },
            },
        };
        // What is wrong with them is said before the token is read.
        settings.verifier(KeySet::empty())?;
        Ok(settings)
    }

    /// A verifier with these settings and keys.
    pub(super) fn verifier(&self, keys: KeySet) -> Result<Verifier, Failure> {
        let builder = Verifier::builder(self.issuer(), self.audiences())
            .key_set(keys)
            .leeway(self.leeway)
            .clock(self.clock);
        let builder = if self.types.is_empty() {
            builder
        } else {
            builder.accepted_types(&self.types)
        };
        let built = builder.build().map_err(|error| match error.setting() {
            "leeway" => error.about("--leeway"),
            "accepted_types" => error.about("--type"),
            _ => error,
        });
        Ok(built?)
    }

    pub(super) fn issuer(&self) -> &str {
        self.accepted.issuer()
    }

    pub(super) fn audiences(&self) -> &[String] {
        self.accepted.audiences()
    }

    /// The time as of which tokens are verified.
    pub(super) fn now(&self) -> SystemTime {
        self.clock.now
    }
}

/// A file or an address, whichever `place` is, given as `setting`.
pub(super) fn source(
    place: &OsString,
    setting: &'static str,
    allow_loopback_http: bool,
) -> Result<Source, ConfigError> {
    let address = place.to_str().filter(|place| is_address(place));
    let Some(address) = address else {
        return Ok(Source::file(Path::new(place)));
    };
    // Whether this is development is asked only where it matters.
    let environment = if allow_loopback_http || !address.starts_with("http:") {
        Environment::Development
    } else {
        Environment::from_env()?
    };
    Source::address(address, loopback_http(environment)).map_err(|error| error.about(setting))
}

/// A file whose name looks like an address can still be given with its folder: `./https:`.
fn is_address(place: &str) -> bool {
    let lower = place.to_ascii_lowercase();
    lower.starts_with("http:") || lower.starts_with("https:") || lower.contains("://")
}

fn loopback_http(environment: Environment) -> LoopbackHttp {
    match environment {
        Environment::Production => LoopbackHttp::Refused,
        Environment::Development => LoopbackHttp::Allowed,
    }
}

/// The problem, with the flag that goes before the environment key.
fn with_flag(error: &ConfigError) -> String {
    let flag = match error.setting() {
        "JWT_ISSUER" => " (or give --issuer)",
        "CORE_APP_ID" | "CORE_AUDIENCE" => " (or give --audience)",
        "CORE_JWKS_URL" | "DAILEY_CORE_URL" => " (or give --jwks)",
        _ => "",
    };
    format!("{error}{flag}")
}

/// One time for the whole of a run.
#[derive(Debug, Clone, Copy)]
struct FixedClock {
    now: SystemTime,
}

impl Clock for FixedClock {
    fn now(&self) -> SystemTime {
        self.now
    }

    fn monotonic(&self) -> Duration {
        SystemClock::new().monotonic()
    }
}
