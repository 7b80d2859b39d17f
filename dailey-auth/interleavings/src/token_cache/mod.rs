//! The table of remembered tokens, on models of what it stands on.

pub mod models;
mod sync;
// Not all of it is used here.
#[allow(dead_code, unreachable_pub)]
#[path = "../../../src/verifier/token_cache/table.rs"]
mod table;
