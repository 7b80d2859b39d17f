//! The pages of `docs/`, as they are written.

#![allow(clippy::unwrap_used)]

mod integrate;
mod operate;
mod review;
