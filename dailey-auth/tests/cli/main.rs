//! The command `dailey-auth`, run as people and scripts run it.

#![allow(clippy::unwrap_used)] // what fails here says so by failing

mod explain;
mod inspect;
mod keys;
mod output;
mod program;
mod usage;
mod verify;
