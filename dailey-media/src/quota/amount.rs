//! How much is stored: bytes, and in how many objects. An empty one costs its place as well.

use crate::storage::Object;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) bytes: u64,
    pub(crate) objects: u64,
}

impl Amount {
    pub(crate) const NOTHING: Self = Self {
        bytes: 0,
        objects: 0,
    };

    /// One object of so many bytes.
    pub(crate) const fn object(bytes: u64) -> Self {
        Self { bytes, objects: 1 }
    }

    /// What stands in a place.
    pub(crate) fn of(object: Option<&Object>) -> Self {
        object.map_or(Self::NOTHING, |object| Self::object(object.size))
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            objects: self.objects.saturating_add(other.objects),
        }
    }

    /// Without `other`, of each; never less than nothing.
    pub(crate) fn less(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(other.bytes),
            objects: self.objects.saturating_sub(other.objects),
        }
    }

    /// No more than `other`, of each.
    pub(super) fn at_most(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.min(other.bytes),
            objects: self.objects.min(other.objects),
        }
    }
}
