//! Whether a store keeps the conditions that changes rely on: asked before the start, of the store
//! itself and past everything here that would hide it.

use futures_util::future::join_all;
use object_store::path::Path;
use object_store::{Attributes, PutPayload};
use uuid::Uuid;

use super::S3Storage;
use super::client::{Client, Guard};
use super::fault::{Failure, RemoteError};
use super::notes::{self, Note};
use crate::settings::LargeWrites;
use crate::storage::StorageError;

/// As many at once as show a store that looks first and writes then.
const RACERS: usize = 8;

/// The first opens the connections, so only the others begin at the same moment.
const ROUNDS: usize = 5;

/// An entity tag that no object has.
const STALE: &str = "\"00000000000000000000000000000000\"";

/// What was seen.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Conditions {
    Kept,
    /// Two rarer ones are not: then one process at a time keeps them by itself.
    KeptByOneProcess(&'static str, Remedy),
    /// What the store took although it must not.
    Broken(&'static str, Remedy),
}

/// What would help, but for another store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    None,
    /// [`LargeWrites::Copy`]: it keeps the conditions of copies.
    Copy,
}

impl S3Storage {
    /// Tries every condition on objects of its own.
    pub(crate) async fn prove_conditions(&self) -> Result<Conditions, StorageError> {
        let folder = format!(".dailey/preflight/{}", Uuid::new_v4().simple());
        let proof = Proof {
            client: &self.inner.client,
            large_writes: self.inner.large_writes,
            object: Path::from(format!("{folder}/object")),
            source: Path::from(format!("{folder}/source")),
            folder,
        };
        // For the sweep, where this is broken off in the middle of an upload.
        let (note, noted) = (notes::new_name(), Note::new(&proof.object, None));
        noted.keep(proof.client, &note).await?;
        let seen = proof.run().await;
        let raced =
            (0..ROUNDS).flat_map(|round| [Way::Put, Way::Copy].map(|way| proof.race(round, way)));
        let all: Vec<Path> = raced
            .chain([proof.object.clone(), proof.source.clone()])
            .collect();
        let gone = all
            .iter()
            .map(|path| proof.client.delete(path, &Guard::Anything));
        // What stays is small, and no token can name it.
        join_all(gone).await;
        notes::forget(proof.client, &note).await;
        Ok(seen.map_err(RemoteError::from)?)
    }
}

struct Proof<'a> {
    client: &'a Client,
    large_writes: LargeWrites,
    object: Path,
    /// What is copied.
    source: Path,
    folder: String,
}

/// How an object is written.
#[derive(Clone, Copy, Debug)]
enum Way {
    Put,
    Copy,
}

impl Proof<'_> {
    async fn run(&self) -> Result<Conditions, Failure> {
        let stale = Guard::Still(STALE.into());
        self.put(&self.object, &Guard::Nothing).await?;
        if taken(self.put(&self.object, &Guard::Nothing).await)? {
            return Ok(Conditions::Broken(
                "a create-only write although the object was there",
                Remedy::None,
            ));
        }
        if taken(self.put(&self.object, &stale).await)? {
            return Ok(Conditions::Broken(
                "a replace-if-unchanged write of an object that was not the one named",
                Remedy::None,
            ));
        }
        if self.lets_several_through(Way::Put).await? {
            return Ok(Conditions::Broken(
                "more than one of several create-only writes at the same moment",
                Remedy::None,
            ));
        }
        self.put(&self.source, &Guard::Nothing).await?;
        let large = match self.large_writes {
            LargeWrites::Complete => self.completions(&stale).await?,
            LargeWrites::Copy => self.copies(&stale).await?,
        };
        if large != Conditions::Kept {
            return Ok(large);
        }
        if taken(self.client.delete(&self.object, &stale).await)? {
            return Ok(Conditions::KeptByOneProcess(
                "a delete-if-unchanged",
                Remedy::None,
            ));
        }
        Ok(Conditions::Kept)
    }

    /// Those under which multipart uploads are completed.
    async fn completions(&self, stale: &Guard) -> Result<Conditions, Failure> {
        if self.completes(&Guard::Nothing).await? {
            return Ok(Conditions::Broken(
                "a create-only multipart upload although the object was there",
                self.remedy(stale).await,
            ));
        }
        if self.completes(stale).await? {
            return Ok(Conditions::KeptByOneProcess(
                "a replace-if-unchanged multipart upload",
                self.remedy(stale).await,
            ));
        }
        Ok(Conditions::Kept)
    }

    /// Those of copies.
    async fn copies(&self, stale: &Guard) -> Result<Conditions, Failure> {
        if taken(self.copy(&self.object, &Guard::Nothing).await)? {
            return Ok(Conditions::Broken(
                "a create-only copy although the object was there",
                Remedy::None,
            ));
        }
        if self.lets_several_through(Way::Copy).await? {
            return Ok(Conditions::Broken(
                "more than one of several create-only copies at the same moment",
                Remedy::None,
            ));
        }
        if taken(self.copy(&self.object, stale).await)? {
            return Ok(Conditions::KeptByOneProcess(
                "a replace-if-unchanged copy",
                Remedy::None,
            ));
        }
        let there = self.client.head(&self.object).await;
        let there = there.map_err(Failure::Other)?.ok_or(Failure::Absent)?;
        if !taken(self.copy(&self.object, &Guard::Still(there.etag)).await)? {
            return Err(refuses("a copy onto the very object that it named"));
        }
        Ok(Conditions::Kept)
    }

    async fn remedy(&self, stale: &Guard) -> Remedy {
        // A store that cannot copy so at all is none either.
        match self.copies(stale).await {
            Ok(Conditions::Kept) => Remedy::Copy,
            _ => Remedy::None,
        }
    }

    /// Whether more than one of several that create one object at the same moment succeed.
    async fn lets_several_through(&self, way: Way) -> Result<bool, Failure> {
        for round in 0..ROUNDS {
            let path = self.race(round, way);
            let racing = (0..RACERS).map(|_| async {
                match way {
                    Way::Put => self.put(&path, &Guard::Nothing).await,
                    Way::Copy => self.copy(&path, &Guard::Nothing).await,
                }
            });
            let mut winners = 0;
            for raced in join_all(racing).await {
                winners += usize::from(taken(raced)?);
            }
            match winners {
                0 => return Err(refuses("each of several create-only writes")),
                1 => {}
                _ => return Ok(true),
            }
        }
        Ok(false)
    }

    fn race(&self, round: usize, way: Way) -> Path {
        Path::from(format!("{}/race-{way:?}-{round}", self.folder))
    }

    async fn copy(&self, to: &Path, guard: &Guard) -> Result<(), Failure> {
        self.client.copy(&self.source, to, guard).await
    }

    async fn put(&self, path: &Path, guard: &Guard) -> Result<(), Failure> {
        let payload = PutPayload::from_static(b"proof");
        self.client
            .put(path, payload, Attributes::new(), guard)
            .await
    }

    /// Whether the store completes a multipart upload under `guard`.
    async fn completes(&self, guard: &Guard) -> Result<bool, Failure> {
        let (client, path) = (self.client, &self.object);
        let upload = client.begin(path, Attributes::new()).await?;
        let payload = PutPayload::from_static(b"part");
        let completed = match client.put_part(path, &upload, 0, payload).await {
            Ok(part) => taken(client.complete(path, &upload, vec![part], guard).await),
            Err(failure) => Err(failure),
        };
        if !matches!(completed, Ok(true)) {
            let _ = client.abort(path, &upload).await;
        }
        completed
    }
}

/// It does not do what it must.
fn refuses(what: &str) -> Failure {
    Failure::Other(RemoteError::Answered(format!("412 to {what}")))
}

/// Whether the store did it; not where it refused by the condition.
fn taken(done: Result<(), Failure>) -> Result<bool, Failure> {
    match done {
        Ok(()) => Ok(true),
        Err(Failure::Condition | Failure::Absent) => Ok(false),
        Err(other) => Err(other),
    }
}
