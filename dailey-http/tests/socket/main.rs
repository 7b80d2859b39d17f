//! What the accept loop and the stack promise, asked over a real socket.

// An unwrap in a test's helper is a failed test.
#![allow(clippy::unwrap_used)]

mod connections;
mod edge;
mod hostile;
mod server;
mod stack;
mod unreadable;
