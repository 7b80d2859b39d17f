//! The certificates of a deployment, made on the spot: the public one that browsers see at the edge, the origin's, and the
//! edge's own, each from an authority of its own.

pub use testbed::certificates::{Authority, Pair};

/// The names that the deployment answers to.
pub const NAMES: [&str; 2] = ["core.dailey.cloud", "media.dailey.cloud"];
