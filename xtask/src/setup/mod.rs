//! What the tests need beyond the workspace: checked, or kept in the user's cache folder, keyed by
//! version, so that a second checkout is quick. Nothing is installed in the system.

mod cache;
mod peers;
mod prerequisites;
mod real_parts;
mod tools;

pub(crate) use self::peers::{bench_peers, node_peer, python_peer};
pub(crate) use self::prerequisites::{Needs, Prerequisites, valgrind};
pub(crate) use self::real_parts::{real_parts, soak_parts};
pub(crate) use self::tools::{cargo_deny, cargo_fuzz, gungraun_runner};
