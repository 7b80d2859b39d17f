//! The command `dailey-auth`, run as people and scripts run it.

#![allow(clippy::unwrap_used)] // what fails here says so by failing

mod corpus;
mod explain;
mod inspect;
mod keys;
#[path = "../corpus/loader.rs"]
#[allow(dead_code)] // for all who read the corpus
mod loader;
mod output;
mod program;
mod usage;
mod verify;
