//! From a request to [`Verified`](crate::Verified) or a refusal, for each framework.
//!
//! Nothing is decided here: `bearer` finds the token, [`Verifier`](crate::Verifier) judges it,
//! `refusal` says what that is in HTTP, and each framework has one file that maps the two.

pub mod bearer;
#[cfg(any(feature = "tower", feature = "actix"))]
mod gate;
mod refusal;
#[cfg(feature = "tower")]
mod service;

#[cfg(feature = "actix")]
pub mod actix;
#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "tonic")]
pub mod tonic;
#[cfg(feature = "tower")]
pub mod tower;
