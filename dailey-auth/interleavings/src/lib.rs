//! Callers, joiners and the refresher of dailey-auth's key-set cache, and the threads that share its
//! table of verified tokens, in every order of their steps.
//!
//! The code under test is the library's own: `jwks/exchange.rs`, `jwks/cache` and
//! `verifier/token_cache/table.rs`, taken in by their paths. What they stand on is replaced by models: the lock, the channels and the pointer by ones
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
mod token_cache;

#[cfg(not(test))]
pub use jwks::models as key_set;
#[cfg(not(test))]
pub use token_cache::models as tokens;

/// Runs a model in every order of its threads' steps with up to so many preemptions, and returns how
/// many orders there were.
#[cfg(not(test))]
fn explore(preemptions: usize, model: impl Fn() + Send + Sync + 'static) -> usize {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    let orders = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&orders);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(move || {
        count.fetch_add(1, Relaxed);
        model();
    });
    orders.load(Relaxed)
}
