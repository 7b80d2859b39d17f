//! The errors of a fetch that the cache itself makes, and one that the network makes.

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("connection")]
    Connection,
    #[error("not modified, unasked")]
    NotModifiedUnasked,
}
