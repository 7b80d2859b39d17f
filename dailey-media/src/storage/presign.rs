//! Links that need no token, as far as stores know them.

use http::HeaderValue;

/// Longest life of a link in seconds: one day. Who has it needs nothing else, and it cannot be taken
/// back.
pub const MAX_LINK_SECONDS: u64 = 24 * 60 * 60;

/// What a link does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkMethod {
    /// Reads the object, by GET or HEAD.
    Get,
    /// Stores an object, by PUT.
    Put,
}

impl LinkMethod {
    /// The method's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
        }
    }
}

/// What must be sent with a PUT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaidDown {
    /// This `Content-Type`.
    pub content_type: Option<HeaderValue>,
    /// This `Content-Length`: as many bytes as the object is to have.
    pub content_length: Option<u64>,
    /// `If-None-Match: *`.
    pub create_only: bool,
}
