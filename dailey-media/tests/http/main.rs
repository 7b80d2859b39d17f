//! The promises of DMAPI, asked of the real program over real HTTP.

// An unwrap in a test's helper is a failed test.
#![allow(clippy::unwrap_used)]

mod access;
mod cli;
mod conditions;
mod crash;
mod health;
mod isolation;
mod keys;
mod listing;
mod objects;
mod operations;
mod rates;
mod s3;
mod service;
mod store;
mod uploads;
