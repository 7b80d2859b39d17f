//! DMAPI: objects over HTTP, each app's and each user's apart by the claims of their token.
//!
//! The way of a request: `routes` → `access` (token → space and scope) → the rules
//! (`key`, `preconditions`, `range`, `digest`, `description`) → `storage`. The rules do no I/O.
//!
//! | module | job |
//! | --- | --- |
//! | [`settings`] | environment and configuration file → [`settings::Settings`] |
//! | [`preflight`] | proof that everything outside is as the service needs it |
//! | [`server`] | settings → a running service |
//! | [`audit`] | every change of an object as one chained line |
//! | [`storage`] | the guarantees that every store gives; local files |

#![forbid(unsafe_code)]

mod access;
pub mod audit;
mod changes;
mod cursor;
mod description;
mod digest;
mod digits;
mod failure;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod idempotency;
mod key;
mod key_locks;
mod link;
mod link_base;
mod link_secret;
mod metrics;
mod multipart;
mod preconditions;
pub mod preflight;
mod pseudonym;
mod quota;
mod range;
mod rate;
mod readiness;
mod representation;
mod routes;
pub mod server;
pub mod settings;
mod small_file;
pub mod storage;
mod upload_slots;
mod uploads;

pub use description::{Description, DescriptionError};
pub use digest::Sha256;
pub use key::{KeyError, MAX_KEY_BYTES, MAX_SEGMENT_BYTES, ObjectKey, Space};
pub use preconditions::{Preconditions, Validators};
pub use rate::RateLimit;
