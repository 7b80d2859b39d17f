//! What the tests and the demo need around the real programs: child processes that cannot
//! outlive their parent, free loopback ports, waiting until a service answers, and real programs of
//! others that are unpacked beside the system: MySQL ([`mysql`]), sshd ([`sshd`]), S3 servers
//! ([`s3`]), with [`certificates`] of authorities of their own.
//!
//! Of our own programs it knows processes and sockets, and nothing of what they do.

#![forbid(unsafe_code)]

pub mod certificates;
mod child;
mod copies;
mod error;
mod loopback;
pub mod mysql;
pub mod parts;
mod proxy;
pub mod s3;
pub mod schema;
mod secret;
pub mod sshd;

pub use child::{Child, Signal, how_it_ended};
pub use error::StartError;
pub use loopback::{free_port, wait_for_http};
pub use proxy::{Condition, Heard, Proxy, Traffic};
pub use secret::token_in;

// The example of the project's front page compiles, too.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct FrontPage;
