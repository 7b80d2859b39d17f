//! Links that need no token, as far as stores know them.

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
