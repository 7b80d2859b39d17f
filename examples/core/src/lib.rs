//! Core: issues access tokens for one company's apps, publishes the keys to verify them, keeps users and apps.
//!
//! ```text
//! dotenv      .env and the process's environment          settings   everything that can be set, checked at once
//! keys        what signs, what is published, rotation     token      access tokens (RFC 9068)
//! secret      random secrets and their hashes             password   argon2id behind a gate
//! email       one form of an address                      scope      sets of scopes
//! app_name    the names of apps
//! throttle    when a login must wait (pure)               refresh    what becomes of a refresh token (pure)
//! store       what is kept, whatever the database         service    the running Core: store, keys, limits
//! routes      HTTP                                        commands   the command line
//! ```
//!
//! Each uses only those before it in this order: rules first, then storage, then the service, then its two faces.

#![forbid(unsafe_code)]

pub mod app_name;
pub mod commands;
pub mod dotenv;
pub mod email;
pub mod keys;
pub mod password;
pub mod refresh;
pub mod routes;
pub mod scope;
pub mod secret;
pub mod service;
pub mod settings;
pub mod store;
pub mod throttle;
pub mod token;
