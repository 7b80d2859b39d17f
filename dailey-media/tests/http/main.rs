//! The promises of DMAPI, asked of the real program over real HTTP.

// An unwrap in a test's helper is a failed test.
#![allow(clippy::unwrap_used)]

mod access;
mod browser;
mod cli;
mod conditions;
mod crash;
mod headers;
mod health;
mod isolation;
mod keys;
mod listing;
mod metrics;
mod objects;
mod openapi;
mod operations;
mod rates;
mod readiness;
mod service;
mod slow_bodies;
mod witness;
