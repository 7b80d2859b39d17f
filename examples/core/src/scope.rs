//! Scopes: what an app may ask for and what a token carries (RFC 6749 section 3.3).

use std::collections::BTreeSet;
use std::fmt;

/// The scope that lets its bearer manage apps, in a token for Core's own app.
pub const ADMIN_SCOPE: &str = "core:admin";
/// Most scopes an app may have: a token carries them all and must stay under a proxy's header limit.
pub const MAX_SCOPES: usize = 64;
/// Longest single scope in bytes.
pub const MAX_SCOPE_BYTES: usize = 64;

/// Why a text is not a set of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScopeError {
    /// A character outside of RFC 6749's set, or nothing at all between two spaces.
    #[error(
        "a scope is 1 to 64 printable ASCII characters without space, quote or backslash; several are separated by one space"
    )]
    Character,
    /// Too many.
    #[error("at most 64 scopes")]
    TooMany,
}

/// A set of scopes, sorted, without duplicates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes(BTreeSet<String>);

impl Scopes {
    /// Reads a space-separated list; the empty text is the empty set.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        if text.is_empty() {
            Ok(Self::default())
        } else {
            Self::from_items(text.split(' '))
        }
    }

    /// Reads a list of single scopes.
    pub fn from_items<'a>(items: impl IntoIterator<Item = &'a str>) -> Result<Self, ScopeError> {
        let mut scopes = BTreeSet::new();
        for item in items {
            // RFC 6749 3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
            let allowed = |b: u8| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
            if item.is_empty() || item.len() > MAX_SCOPE_BYTES || !item.bytes().all(allowed) {
                return Err(ScopeError::Character);
            }
            scopes.insert(item.to_owned());
            if scopes.len() > MAX_SCOPES {
                return Err(ScopeError::TooMany);
            }
        }
        Ok(Self(scopes))
    }

    /// Whether the set holds this scope.
    pub fn contains(&self, scope: &str) -> bool {
        self.0.contains(scope)
    }

    /// Whether the set holds nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every scope of this set is in the other.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// What is in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// The set without one scope.
    #[must_use]
    pub fn without(&self, scope: &str) -> Self {
        Self(
            self.0
                .iter()
                .filter(|item| *item != scope)
                .cloned()
                .collect(),
        )
    }

    /// The scopes in order, one by one.
    pub fn to_vec(&self) -> Vec<String> {
        self.0.iter().cloned().collect()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_characters_of_rfc_6749_make_a_scope() {
        for text in [
            "a\"b",
            "a\\b",
            "a  b",
            " a",
            "a ",
            "ä",
            "a\tb",
            "a\u{7f}",
            &"x".repeat(65),
        ] {
            assert_eq!(Scopes::parse(text), Err(ScopeError::Character), "{text:?}");
        }
        assert_eq!(Scopes::parse("b a b").unwrap().to_string(), "a b");
        assert!(Scopes::parse("").unwrap().is_empty());
    }

    #[test]
    fn too_many_scopes_are_refused() {
        let many: Vec<String> = (0..=MAX_SCOPES).map(|n| format!("s{n}")).collect();
        assert_eq!(Scopes::parse(&many.join(" ")), Err(ScopeError::TooMany));
    }
}
