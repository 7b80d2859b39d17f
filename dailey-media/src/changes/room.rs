//! Room for an object that is on its way in: claimed as its bytes come, and filled in the end or given
//! back.

use dailey_http::Problem;

use super::refusal::exceeded;
use super::{Change, Changes, to_the_end};
use crate::audit::{Action, Via};
use crate::failure::failed;
use crate::quota::{Amount, Claim};
use crate::storage::{Committed, Location, StorageError};

/// Room for an object that is on its way in; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    changes: Changes,
    at: Location,
    via: Via,
    claim: Claim,
    /// What it comes in the place of, once that was asked.
    replaced: Option<Amount>,
}

impl Room {
    pub(super) fn new(changes: &Changes, at: &Location, via: Via, claim: Claim) -> Self {
        Self {
            changes: changes.clone(),
            at: at.clone(),
            via,
            claim,
            replaced: None,
        }
    }

    /// Sees to it that there is room for `bytes` in all, less what the object in this place has now.
    pub(crate) async fn make(&mut self, bytes: u64) -> Result<(), Problem> {
        let all = Amount::object(bytes);
        match self
            .claim
            .cover(all.less(self.replaced.unwrap_or_default()))
        {
            Ok(()) => Ok(()),
            Err(_) if self.replaced.is_none() => {
                let old = self.changes.0.amount(&self.at, &self.claim).await?;
                self.replaced = Some(old);
                self.claim.cover(all.less(old)).map_err(exceeded)
            }
            Err(error) => Err(exceeded(error)),
        }
    }

    /// Carries `commit` out, which stores `size` bytes in this place or nothing; `None` where it finds that
    /// it was carried out before.
    pub(crate) async fn fill(
        self,
        size: u64,
        commit: impl Future<Output = Result<Option<Committed>, StorageError>> + Send + 'static,
    ) -> Result<Option<Committed>, FillError> {
        to_the_end(async move {
            let Self {
                changes: Changes(inner),
                at,
                via,
                mut claim,
                ..
            } = self;
            let _changing = inner.locks.change(&[&at]).await;
            let old = inner.amount(&at, &claim).await?;
            inner.ready().await?;
            let more = Amount::object(size).less(old);
            claim.cover(more).map_err(exceeded)?;
            let change = Change {
                action: Action::Put,
                at: &at,
                from: None,
                via,
            };
            match commit.await {
                Ok(committed) => {
                    match &committed {
                        Some(Committed::Stored { object, replaced }) => {
                            claim.filled(Amount::of(Some(object)), old);
                            inner.stored(change, object, *replaced).await?;
                        }
                        // Whoever carried it out may have died before it was written down.
                        None => inner.half_done(change, &mut claim, old).await,
                        Some(Committed::ConditionFailed(_) | Committed::DigestMismatch) => {}
                    }
                    Ok(committed)
                }
                Err(error) => {
                    inner.half_done(change, &mut claim, old).await;
                    Err(error.into())
                }
            }
        })
        .await
    }
}

/// Why a place was not filled.
#[derive(Debug)]
pub(crate) enum FillError {
    /// There is no room, or it could not be written down.
    Refused(Problem),
    Storage(StorageError),
}

impl From<Problem> for FillError {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl From<StorageError> for FillError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl From<FillError> for Problem {
    fn from(error: FillError) -> Self {
        match error {
            FillError::Refused(problem) => problem,
            FillError::Storage(error) => failed(error),
        }
    }
}
