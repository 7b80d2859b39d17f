//! Conditions before the work: the commit tries them again and decides; here it spares the work.

use super::{Location, Object, Storage, StorageError};
use crate::preconditions::Preconditions;

/// How it stands with them.
#[allow(clippy::large_enum_variant)] // one at a time
pub(crate) enum Tried {
    Hold,
    /// Not for what is there, as far as it can be told.
    Fail(Option<Object>),
}

/// Tries `conditions` on what is at `at` now.
pub(crate) async fn try_conditions(
    storage: &dyn Storage,
    at: &Location,
    conditions: &Preconditions,
) -> Result<Tried, StorageError> {
    let (hold, current) = match storage.stat(at).await {
        Ok(current) => {
            let validators = current.as_ref().map(Object::validators);
            (conditions.allow_change(validators.as_ref()), current)
        }
        // What is damaged may be replaced by whoever does not care what it was.
        Err(StorageError::Damaged(_)) => (conditions.allow_change_of_unknown(), None),
        Err(error) => return Err(error),
    };
    Ok(if hold {
        Tried::Hold
    } else {
        Tried::Fail(current)
    })
}
