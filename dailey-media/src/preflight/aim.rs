//! Where Core is, as far as the settings tell. One that cannot be used is `config`'s to name: the checks of Core
//! look at what the others say, as if it were not set.

use std::collections::HashSet;

use dailey_auth::{Environment, VerifierSettings};
use dailey_http::settings::{self, Lookup};
use url::Url;
use uuid::Uuid;

use crate::settings::keys;

pub(super) struct Aim {
    pub(super) environment: Environment,
    /// Core's base address.
    pub(super) base: Option<Url>,
    /// Where the key set is.
    pub(super) jwks: Option<Url>,
    /// The issuer, where it can be used.
    pub(super) issuer: Option<String>,
    /// Whether the base address that was set cannot be used; then it is the issuer, if there is one.
    pub(super) is_base_wrong: bool,
}

impl Aim {
    pub(super) fn read(lookup: Lookup<'_>, environment: Environment) -> Self {
        let mut wrong = HashSet::new();
        let base = keys::core_url(lookup, environment).unwrap_or_else(|_| {
            wrong.insert("DAILEY_CORE_URL".to_owned());
            None
        });
        let verifier = loop {
            let instead = |key: &str| stand_in(key, &wrong, base.as_ref(), lookup);
            match keys::verifier(&instead) {
                Ok(verifier) => break Some(verifier),
                Err(error) => {
                    let key = error.key().map(str::to_owned);
                    if !key.is_some_and(|key| wrong.insert(key)) {
                        break None;
                    }
                }
            }
        };
        let said = |settings: &VerifierSettings| settings.issuer().to_owned();
        let issuer = verifier.as_ref().map(said);
        let issuer = issuer.filter(|_| !wrong.contains("JWT_ISSUER"));
        let of_issuer = || Url::parse(issuer.as_deref()?).ok();
        Self {
            environment,
            base: if wrong.contains("DAILEY_CORE_URL") {
                of_issuer()
            } else {
                base
            },
            jwks: verifier.and_then(|settings| Url::parse(settings.jwks_url()).ok()),
            issuer,
            is_base_wrong: wrong.contains("DAILEY_CORE_URL"),
        }
    }
}

/// What to go by for `key`, where some are wrong.
fn stand_in(
    key: &str,
    wrong: &HashSet<String>,
    base: Option<&Url>,
    lookup: Lookup<'_>,
) -> Option<String> {
    match key {
        "CORE_APP_ID" | "CORE_AUDIENCE"
            if wrong.contains("CORE_APP_ID") || wrong.contains("CORE_AUDIENCE") =>
        {
            // Any: a key set is the same for all.
            (key == "CORE_APP_ID").then(|| Uuid::nil().to_string())
        }
        "JWT_ISSUER" if wrong.contains(key) => {
            let address = settings::text(lookup, "CORE_JWKS_URL");
            base.map(Url::to_string).or(address)
        }
        "DAILEY_ENV" if wrong.contains(key) => Some(Environment::Production.as_str().to_owned()),
        key if wrong.contains(key) => None,
        key => lookup(key),
    }
}
