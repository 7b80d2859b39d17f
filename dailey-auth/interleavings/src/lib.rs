//! Callers, joiners and the refresher of dailey-auth's key-set cache, in every order of their steps.
//!
//! The code under test is the library's own: `jwks/exchange.rs` and `jwks/cache`, taken in by their
//! paths. What they stand on is replaced by models: the lock, the channels and the pointer by ones
//! that loom (a model checker) schedules, with the promises that tokio and arc-swap document; keys
//! by their ids; the clock by a number. The models to be run are in `models`; `tests` runs them.

#![forbid(unsafe_code)]

// Built as a test of its own, which nobody runs, the library's files would bring their tests along.
#[cfg(not(test))]
mod clock;
#[cfg(not(test))]
mod error;
#[cfg(not(test))]
mod jwks;
#[cfg(not(test))]
mod keys;

#[cfg(not(test))]
pub use jwks::models;
