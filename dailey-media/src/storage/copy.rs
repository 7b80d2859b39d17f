//! Copying an object, in any store: read and written piece by piece, visible when complete.

use http_body_util::BodyExt;

use super::{
    Commit, Committed, Location, Object, Replaced, Storage, StorageError, Target, Tried,
    try_conditions,
};
use crate::preconditions::Preconditions;

/// How a copy ended. Only the first stored anything.
#[allow(clippy::large_enum_variant)] // one at a time, and the large one is the common one
pub(crate) enum Copied {
    Stored {
        /// What was copied, as it was.
        source: Object,
        object: Object,
        replaced: Replaced,
    },
    SourceAbsent,
    TargetExists,
}

/// Copies the object at `from` to `to`, if `conditions` allow what is there to be changed.
pub(crate) async fn copy_object(
    storage: &dyn Storage,
    from: &Location,
    to: &Location,
    conditions: Preconditions,
) -> Result<Copied, StorageError> {
    let Some(opened) = storage.open(from).await? else {
        return Ok(Copied::SourceAbsent);
    };
    // Tried again at the commit, which decides; here it spares the work.
    if let Tried::Fail(_) = try_conditions(storage, to, &conditions).await? {
        return Ok(Copied::TargetExists);
    }
    let source = opened.object.clone();
    let target = Target {
        at: to.clone(),
        description: source.description.clone(),
    };
    let mut upload = storage.upload(target).await?;
    let mut body = opened.whole().await?;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(std::io::Error::other)?;
        if let Ok(bytes) = frame.into_data() {
            upload.write(bytes).await?;
        }
    }
    let commit = Commit {
        conditions,
        // What was read must be what was stored once: a damaged object is not multiplied.
        expected: Some(source.sha256),
    };
    match upload.commit(commit).await? {
        Committed::Stored { object, replaced } => Ok(Copied::Stored {
            source,
            object,
            replaced,
        }),
        Committed::ConditionFailed(_) => Ok(Copied::TargetExists),
        Committed::DigestMismatch => Err(StorageError::Damaged(
            "its bytes are not those of its digest",
        )),
    }
}
