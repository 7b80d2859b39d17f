//! For tests of programs that verify tokens: keys, tokens of every kind, a clock to turn by hand
//! and an issuer on loopback.
//!
//! ```
//! use dailey_auth::testing::{SigningKey, TokenBuilder};
//! use dailey_auth::{KeySet, Verifier};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let key = SigningKey::generate();
//! let (keys, _) = KeySet::from_json(key.public_jwks().as_bytes())?;
//! let verifier = Verifier::builder("https://core.example", ["app"]).key_set(keys).build()?;
//!
//! let token = TokenBuilder::new("https://core.example", "app").claim("scope", "media:read").sign(&key);
//! assert!(verifier.verify(&token).await?.has_scope("media:read"));
//!
//! let foreign = TokenBuilder::new("https://core.example", "another app").sign(&key);
//! assert_eq!(verifier.verify(&foreign).await.unwrap_err().code(), "audience_mismatch");
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```
//!
//! Not for production: keys are held without protection, and mistakes in a test panic.

mod clock;
#[cfg(feature = "jwks-http")]
mod issuer;
mod key;
mod token;

pub use clock::ManualClock;
#[cfg(feature = "jwks-http")]
pub use issuer::{Fault, Issuer};
pub use key::{InvalidKey, SigningKey};
pub use token::TokenBuilder;
