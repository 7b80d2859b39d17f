//! Every change to the objects goes through here: counted against the quotas, written into the audit
//! log, one at a time for each object, and to its end even when the client leaves.

mod refusal;
mod room;

pub(crate) use room::{FillError, Room};

use std::sync::Arc;

use dailey_http::{Problem, request_id};

use self::refusal::{exceeded, refused};
use crate::audit::{Action, Audit, Entry, Outcome, Unavailable, Via};
use crate::failure::failed;
use crate::key::Space;
use crate::key_locks::KeyLocks;
use crate::preconditions::Preconditions;
use crate::quota::{Amount, Claim, Hold, Quotas};
use crate::storage::{
    Copied, Deletion, Location, Object, Replaced, Storage, StorageError, copy_object,
};
use crate::upload_slots::Slot;

/// Seconds after which a client may ask again while what is stored is being counted.
const RETRY_AFTER_SECONDS: u32 = 5;

#[derive(Clone, Debug)]
pub(crate) struct Changes(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    storage: Arc<dyn Storage>,
    quotas: Quotas,
    audit: Audit,
    locks: KeyLocks,
}

/// How a move ended.
pub(crate) enum Moved {
    Done {
        object: Object,
        replaced: Replaced,
    },
    SourceAbsent,
    TargetExists,
    /// Somebody replaced the source meanwhile: the copy is there, and so is the new source.
    SourceChanged,
}

impl Changes {
    pub(crate) fn new(storage: Arc<dyn Storage>, quotas: Quotas, audit: Audit) -> Self {
        Self(Arc::new(Inner {
            storage,
            quotas,
            audit,
            locks: KeyLocks::default(),
        }))
    }

    /// Before the first byte of an object that is to be stored at `at`.
    pub(crate) async fn room(&self, at: &Location, via: Via) -> Result<Room, Problem> {
        self.0.ready().await?;
        let claim = self.0.quotas.begin(&at.space).await.map_err(refused)?;
        Ok(Room::new(self, at, via, claim))
    }

    /// Before an upload of `length` bytes begins: their room is held until [`Self::upload_ended`].
    pub(crate) async fn hold(&self, space: &Space, id: &str, length: u64) -> Result<Hold, Problem> {
        self.0.ready().await?;
        let held = self.0.quotas.hold(space, id, length).await;
        held.map_err(refused)
    }

    /// Before the upload becomes the object at `at`.
    pub(crate) async fn held_room(&self, at: &Location, id: &str) -> Result<Room, Problem> {
        self.0.ready().await?;
        let claim = self.0.quotas.begin_held(&at.space, id).await;
        Ok(Room::new(self, at, Via::Upload, claim.map_err(refused)?))
    }

    /// Whatever was held for the upload is free.
    pub(crate) fn upload_ended(&self, space: &Space, id: &str) {
        self.0.quotas.release(space, id);
    }

    /// Copies the object at `from` to `to`, in one space. Its bytes pass through like a body's: they have a
    /// place among all bodies.
    pub(crate) async fn copy(
        &self,
        from: Location,
        to: Location,
        conditions: Preconditions,
        slot: Slot,
    ) -> Result<Copied, Problem> {
        let inner = Arc::clone(&self.0);
        to_the_end(async move {
            let _slot = slot;
            inner.ready().await?;
            let mut claim = inner.quotas.begin(&to.space).await.map_err(refused)?;
            let _changing = inner.locks.change(&[&from, &to]).await;
            let mut old = Amount::NOTHING;
            if claim.counts() {
                let Some(source) = inner.storage.stat(&from).await.map_err(failed)? else {
                    return Ok(Copied::SourceAbsent);
                };
                let current = inner.current(&to).await.map_err(failed)?;
                if !conditions.allow_change(current.as_ref().map(Object::validators).as_ref()) {
                    return Ok(Copied::TargetExists);
                }
                old = Amount::of(current.as_ref());
                let more = Amount::of(Some(&source)).less(old);
                claim.cover(more).map_err(exceeded)?;
            }
            let change = Change {
                action: Action::Copy,
                at: &to,
                from: Some(&from),
                via: Via::Token,
            };
            inner
                .copied(change, &from, conditions, &mut claim, old)
                .await
        })
        .await
    }

    /// Copies the object at `from` to `to` and removes it at `from`, unless it changes meanwhile. Of
    /// several moves of one object one succeeds.
    pub(crate) async fn rename(
        &self,
        from: Location,
        to: Location,
        conditions: Preconditions,
        slot: Slot,
    ) -> Result<Moved, Problem> {
        let inner = Arc::clone(&self.0);
        to_the_end(async move {
            let _slot = slot;
            inner.ready().await?;
            let mut claim = inner.quotas.begin(&to.space).await.map_err(refused)?;
            let _changing = inner.locks.change(&[&from, &to]).await;
            let old = inner.amount(&to, &claim).await?;
            // Nothing is claimed: in the end there is no more than before.
            let change = Change {
                action: Action::Move,
                at: &to,
                from: Some(&from),
                via: Via::Token,
            };
            let copied = inner
                .copied(change, &from, conditions, &mut claim, old)
                .await?;
            let (source, object, replaced) = match copied {
                Copied::Stored {
                    source,
                    object,
                    replaced,
                } => (source, object, replaced),
                Copied::SourceAbsent => return Ok(Moved::SourceAbsent),
                Copied::TargetExists => return Ok(Moved::TargetExists),
            };
            let still = Preconditions::still(&source.validators());
            match inner
                .removed(&from, &still, &mut claim, Amount::of(Some(&source)))
                .await?
            {
                Deletion::Deleted => Ok(Moved::Done { object, replaced }),
                // Another replica has moved or removed it: this copy is one too many. What it took
                // the place of cannot be had back.
                Deletion::Absent => {
                    if replaced == Replaced::Nothing {
                        let still = Preconditions::still(&object.validators());
                        let copy = Amount::of(Some(&object));
                        inner.removed(&to, &still, &mut claim, copy).await?;
                    }
                    Ok(Moved::SourceAbsent)
                }
                Deletion::ConditionFailed(_) => Ok(Moved::SourceChanged),
            }
        })
        .await
    }

    /// Removes the object at `at`, if `conditions` allow it.
    pub(crate) async fn delete(
        &self,
        at: Location,
        conditions: Preconditions,
    ) -> Result<Deletion, Problem> {
        let inner = Arc::clone(&self.0);
        to_the_end(async move {
            inner.ready().await?;
            let claim = inner.quotas.begin_removal(&at.space).await;
            let mut claim = claim.map_err(refused)?;
            let _changing = inner.locks.change(&[&at]).await;
            let old = inner.amount(&at, &claim).await?;
            inner.removed(&at, &conditions, &mut claim, old).await
        })
        .await
    }
}

impl Inner {
    async fn copied(
        &self,
        change: Change<'_>,
        from: &Location,
        conditions: Preconditions,
        claim: &mut Claim,
        old: Amount,
    ) -> Result<Copied, Problem> {
        match copy_object(&*self.storage, from, change.at, conditions).await {
            Ok(copied) => {
                if let Copied::Stored {
                    object, replaced, ..
                } = &copied
                {
                    claim.stored(Amount::of(Some(object)), old);
                    self.stored(change, object, *replaced).await?;
                }
                Ok(copied)
            }
            Err(error) => {
                self.half_done(change, claim, old).await;
                Err(failed(error))
            }
        }
    }

    async fn removed(
        &self,
        at: &Location,
        conditions: &Preconditions,
        claim: &mut Claim,
        old: Amount,
    ) -> Result<Deletion, Problem> {
        let change = Change {
            action: Action::Delete,
            at,
            from: None,
            via: Via::Token,
        };
        match self.storage.delete(at, conditions).await {
            Ok(deletion) => {
                if deletion == Deletion::Deleted {
                    claim.stored(Amount::NOTHING, old);
                    self.note(change.entry(Outcome::Deleted, None)).await?;
                }
                Ok(deletion)
            }
            Err(error) => {
                self.half_done(change, claim, old).await;
                Err(failed(error))
            }
        }
    }

    /// Before a change: whether it could be written down.
    async fn ready(&self) -> Result<(), Problem> {
        self.audit.ready().await.map_err(|Unavailable| {
            let detail =
                "the audit log cannot be written, so nothing is changed: tell the operator";
            Problem::unavailable("audit_unavailable", detail, RETRY_AFTER_SECONDS)
        })
    }

    async fn stored(
        &self,
        change: Change<'_>,
        object: &Object,
        replaced: Replaced,
    ) -> Result<(), Problem> {
        let outcome = match replaced {
            Replaced::Nothing => Outcome::Created,
            Replaced::Object => Outcome::Replaced,
        };
        self.note(change.entry(outcome, Some(object))).await
    }

    /// After a change.
    async fn note(&self, entry: Entry) -> Result<(), Problem> {
        self.audit.write(entry).await.map_err(|Unavailable| {
            let detail = "the change was made, but could not be written into the audit log: tell the operator";
            Problem::unavailable("audit_unavailable", detail, RETRY_AFTER_SECONDS)
        })
    }

    /// After a failure that may have changed the object or not.
    async fn half_done(&self, change: Change<'_>, claim: &mut Claim, old: Amount) {
        // The failure is told already.
        let _ = self.note(change.entry(Outcome::Unknown, None)).await;
        if claim.counts()
            && let Ok(current) = self.current(change.at).await
        {
            claim.stored(Amount::of(current.as_ref()), old);
        }
    }

    /// What stands at `at`, where anybody counts it.
    async fn amount(&self, at: &Location, claim: &Claim) -> Result<Amount, Problem> {
        if !claim.counts() {
            return Ok(Amount::NOTHING);
        }
        let current = self.current(at).await.map_err(failed)?;
        Ok(Amount::of(current.as_ref()))
    }

    /// A damaged object counts for nothing: nobody can say how large it is.
    async fn current(&self, at: &Location) -> Result<Option<Object>, StorageError> {
        match self.storage.stat(at).await {
            Err(StorageError::Damaged(_)) => Ok(None),
            stat => stat,
        }
    }
}

/// What is done, where, and by what right.
#[derive(Clone, Copy)]
struct Change<'a> {
    action: Action,
    at: &'a Location,
    from: Option<&'a Location>,
    via: Via,
}

impl Change<'_> {
    fn entry(&self, outcome: Outcome, object: Option<&Object>) -> Entry {
        let space = &self.at.space;
        Entry {
            request_id: request_id::current().map(|id| id.as_str().to_owned()),
            app: space.app_id().to_owned(),
            sub: space.subject().to_owned(),
            via: self.via,
            action: self.action,
            key: self.at.key.as_str().to_owned(),
            from: self.from.map(|from| from.key.as_str().to_owned()),
            size: object.map(|object| object.size),
            sha256: object.map(|object| object.sha256.to_hex()),
            outcome,
        }
    }
}

/// In a task of its own, under the same request id: what has begun is not left half counted.
async fn to_the_end<T: Send + 'static, E: From<Problem> + Send + 'static>(
    work: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Result<T, E> {
    let task = match request_id::current() {
        Some(id) => tokio::spawn(id.scope(work)),
        None => tokio::spawn(work),
    };
    task.await.map_err(|_| Problem::internal())?
}
