//! Links that need no token, as far as stores know them.

use std::time::Duration;

use http::HeaderValue;

use super::Location;

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

/// The link that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkRequest {
    /// To which object.
    pub at: Location,
    /// What it does.
    pub method: LinkMethod,
    /// How long: whole seconds, 1 to [`MAX_LINK_SECONDS`].
    pub expires_in: Duration,
    /// The `Content-Type` that must be sent with a PUT, where one was laid down.
    pub content_type: Option<HeaderValue>,
    /// Whether a PUT only makes a new object, by `If-None-Match: *`.
    pub create_only: bool,
}

/// A link that a store signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRequest {
    /// Where to; secret, since it is all that is needed.
    pub url: String,
    /// What must be sent with it, besides what the [`LinkRequest`] lays down.
    pub headers: Vec<(String, String)>,
}
