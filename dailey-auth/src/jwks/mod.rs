//! Getting an issuer's key set and keeping it fresh.
//!
//! | file | job |
//! | --- | --- |
//! | `source` | where the set comes from: an address or a file; what may be one |
//! | `fetch` | one request and its answer, bounded in time and size |
//! | `freshness` | how long an answer stays fresh (RFC 9111) |
//! | `cache` | what may be served now and what to do next: a pure state machine |
//! | `snapshot` | the set on disk, for a start while the issuer is away |
//! | `exchange` | where callers and the refresher meet |
//! | `refresher` | the one task that carries out what the cache wants |

mod cache;
mod exchange;
mod fetch;
mod freshness;
mod refresher;
mod snapshot;
mod source;
mod sync;

pub use cache::{
    DEFAULT_REFRESH_INTERVAL, DEFAULT_TRUST_FOR, MAX_REFRESH_INTERVAL, MIN_REFRESH_INTERVAL,
};

pub(crate) use cache::{Cache, MAX_TRUST_FOR, Moment, Rules, Status, UnknownKid};
pub(crate) use exchange::{LiveKeys, Published};
pub(crate) use fetch::{Fetcher, HttpSettings};
#[cfg(feature = "fuzzing")]
pub(crate) use freshness::fresh_for;
pub(crate) use refresher::start;
pub(crate) use snapshot::SnapshotFile;
#[cfg(feature = "fuzzing")]
pub(crate) use snapshot::checked as checked_snapshot;
pub(crate) use source::{LoopbackHttp, Source};
