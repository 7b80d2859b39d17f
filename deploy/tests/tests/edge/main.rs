//! What the edge promises, seen from outside.

#![allow(clippy::unwrap_used)]

mod closed;
mod forwarded;
mod limits;
mod objects;
mod ranges;
mod smuggling;
mod ways_in;
