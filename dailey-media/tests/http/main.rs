//! The promises of DMAPI, asked of the real program over real HTTP.

// An unwrap in a test's helper is a failed test.
#![allow(clippy::unwrap_used)]

mod access;
mod audit;
mod browser;
mod cli;
mod conditions;
mod crash;
mod headers;
mod health;
mod idempotency;
mod isolation;
mod keys;
mod limits;
mod links;
mod listing;
mod metrics;
mod objects;
mod openapi;
mod operations;
mod quotas;
mod ranges;
mod rates;
mod raw;
mod readiness;
mod s3;
mod service;
mod slow_bodies;
mod store;
mod uploads;
mod witness;
