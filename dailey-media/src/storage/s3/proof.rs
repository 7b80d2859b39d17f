//! Whether a store keeps the conditions that changes rely on: asked before the start, of the store
//! itself and past everything here that would hide it.

use futures_util::future::join_all;
use object_store::path::Path;
use object_store::{Attributes, PutPayload};
use uuid::Uuid;

use super::S3Storage;
use super::client::{Client, Guard};
use super::fault::{Failure, RemoteError};
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
    KeptByOneProcess(&'static str),
    /// What the store took although it must not.
    Broken(&'static str),
}

impl S3Storage {
    /// Tries every condition on objects of its own.
    pub(crate) async fn prove_conditions(&self) -> Result<Conditions, StorageError> {
        let folder = format!(".dailey/preflight/{}", Uuid::new_v4().simple());
        let proof = Proof {
            client: &self.inner.client,
            object: Path::from(format!("{folder}/object")),
            folder,
        };
        let seen = proof.run().await;
        let raced = (0..ROUNDS).map(|round| proof.race(round));
        let all: Vec<Path> = raced.chain([proof.object.clone()]).collect();
        let gone = all
            .iter()
            .map(|path| proof.client.delete(path, &Guard::Anything));
        // What stays is small, and no token can name it.
        join_all(gone).await;
        Ok(seen.map_err(RemoteError::from)?)
    }
}

struct Proof<'a> {
    client: &'a Client,
    object: Path,
    folder: String,
}

impl Proof<'_> {
    async fn run(&self) -> Result<Conditions, Failure> {
        let stale = Guard::Still(STALE.into());
        self.put(&self.object, &Guard::Nothing).await?;
        if taken(self.put(&self.object, &Guard::Nothing).await)? {
            return Ok(Conditions::Broken(
                "a create-only write although the object was there",
            ));
        }
        if taken(self.put(&self.object, &stale).await)? {
            return Ok(Conditions::Broken(
                "a replace-if-unchanged write of an object that was not the one named",
            ));
        }
        for round in 0..ROUNDS {
            if self.winners(&self.race(round)).await? > 1 {
                return Ok(Conditions::Broken(
                    "more than one of several create-only writes at the same moment",
                ));
            }
        }
        if self.completes(&Guard::Nothing).await? {
            return Ok(Conditions::Broken(
                "a create-only multipart upload although the object was there",
            ));
        }
        if self.completes(&stale).await? {
            return Ok(Conditions::KeptByOneProcess(
                "a replace-if-unchanged multipart upload",
            ));
        }
        if taken(self.client.delete(&self.object, &stale).await)? {
            return Ok(Conditions::KeptByOneProcess("a delete-if-unchanged"));
        }
        Ok(Conditions::Kept)
    }

    /// How many of several that create one object at the same moment the store lets through.
    async fn winners(&self, path: &Path) -> Result<usize, Failure> {
        let racing = (0..RACERS).map(|_| self.put(path, &Guard::Nothing));
        let mut winners = 0;
        for raced in join_all(racing).await {
            winners += usize::from(taken(raced)?);
        }
        Ok(winners)
    }

    fn race(&self, round: usize) -> Path {
        Path::from(format!("{}/race-{round}", self.folder))
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

/// Whether the store did it; not where it refused by the condition.
fn taken(done: Result<(), Failure>) -> Result<bool, Failure> {
    match done {
        Ok(()) => Ok(true),
        Err(Failure::Condition | Failure::Absent) => Ok(false),
        Err(other) => Err(other),
    }
}
