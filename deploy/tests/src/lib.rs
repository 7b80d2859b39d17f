//! A machine of its own for each test, where the files of `deploy/` lie where they belong and the programs of
//! this workspace run as an operator runs them.
//!
//! | module | job |
//! | --- | --- |
//! | [`world`] | Linux namespaces: an internet with an edge in it, and the machine; no file of the system changes |
//! | [`programs`] | the programs of this workspace, built |
//! | [`certificates`] | the authorities and certificates of a deployment |
//! | [`services`] | Core and DMAPI in production on the machine |
//! | [`edge`] | nginx with the files of `deploy/nginx`, and a stand-in for Cloudflare in front of it |
//! | [`operator`] | who follows `docs/operate.md` on an empty machine |
//! | [`page`] | the pages of `docs/`, their blocks run in one shell |
//! | [`recorder`] | a service that keeps what it is sent, byte by byte |
//! | [`store`] | an S3 store somewhere in the internet |
//! | [`visitor`] | a client that comes through Cloudflare |
//! | [`wire`] | one TLS connection, byte by byte |

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)] // what fails here says so by failing

pub mod certificates;
pub mod edge;
pub mod operator;
pub mod page;
pub mod programs;
pub mod recorder;
pub mod services;
pub mod store;
pub mod visitor;
pub mod wire;
pub mod world;

use std::path::PathBuf;

/// The checkout.
pub fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap().to_owned()
}
