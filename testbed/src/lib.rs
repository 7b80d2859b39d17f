//! What the tests and the demo need around the real programs: child processes that cannot
//! outlive their parent, free loopback ports, and waiting until a service answers.
//!
//! It knows processes and sockets, and nothing of what the programs do.

#![forbid(unsafe_code)]

mod child;
mod error;
mod loopback;

pub use child::{Child, Signal, how_it_ended};
pub use error::StartError;
pub use loopback::{free_port, wait_for_http};

// The example of the project's front page compiles, too.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct FrontPage;
