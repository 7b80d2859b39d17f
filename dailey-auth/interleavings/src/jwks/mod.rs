//! The library's own files, and models of what they stand on.

// Not all of it is used here.
#[allow(dead_code, unreachable_pub)]
#[path = "../../../src/jwks/cache/mod.rs"]
mod cache;
#[allow(dead_code)]
#[path = "../../../src/jwks/exchange.rs"]
mod exchange;
pub mod models;
mod sync;

use cache::Moment;
