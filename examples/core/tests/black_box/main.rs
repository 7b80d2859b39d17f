//! Core from outside: the real program, real files, real HTTP.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "in a test, a failed step is the report")]

mod core_process;
mod database;

mod apps;
mod commands;
mod cors;
mod durability;
mod line;
mod load;
mod login;
mod login_effort;
mod oauth;
mod openapi;
mod outages;
mod peers;
mod refresh;
mod rotation;
mod start;
