#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

// What may use what is in ARCHITECTURE.md of the repository: error, clock, text, token, policy, keys,
// observer, jwks, verifier, metrics, environment, integrations, testing, cli, each of them only what
// stands before it.
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
mod clock;
mod environment;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod integrations;
#[cfg(feature = "jwks-http")]
mod jwks;
mod keys;
#[cfg(feature = "metrics")]
pub mod metrics;
mod observer;
mod policy;
mod text;
mod token;
mod verifier;

pub use clock::{Clock, SystemClock};
pub use environment::{Environment, VerifierSettings};
#[cfg(feature = "jwks-http")]
pub use error::FetchError;
pub use error::{ClaimName, ConfigError, KeySetError, Rejection, Unavailable, VerifyError};
#[cfg(feature = "actix")]
pub use integrations::actix;
#[cfg(feature = "axum")]
pub use integrations::axum;
pub use integrations::bearer;
#[cfg(feature = "tonic")]
pub use integrations::tonic;
#[cfg(feature = "tower")]
pub use integrations::tower;
#[cfg(feature = "jwks-http")]
pub use jwks::{
    DEFAULT_REFRESH_INTERVAL, DEFAULT_TRUST_FOR, MAX_REFRESH_INTERVAL, MIN_REFRESH_INTERVAL,
};
pub use keys::{KeySet, MAX_JWKS_BYTES, MAX_KEYS, SkipReason, SkippedKey};
#[cfg(feature = "jwks-http")]
pub use observer::KeySetEvent;
pub use observer::Observer;
pub use policy::{DEFAULT_LEEWAY, DEFAULT_MAX_LIFETIME, MAX_LEEWAY, MAX_LIFETIME_LIMIT};
pub use token::{
    Audiences, Claims, Header, MAX_AUDIENCES, MAX_KID_BYTES, MAX_SUBJECT_BYTES, MAX_TOKEN_BYTES,
    NumericDate,
};
#[cfg(feature = "jwks-http")]
pub use verifier::RefreshCounts;
pub use verifier::blocking;
pub use verifier::{Health, KeyHealth, KeysState, Verified, Verifier, VerifierBuilder};

#[cfg(feature = "testing")]
pub mod testing;
