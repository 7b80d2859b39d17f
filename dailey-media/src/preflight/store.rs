//! The store: whether it keeps what it is given, and the condition that it is given under.

use bytes::Bytes;
use http_body_util::BodyExt;
use uuid::Uuid;

use crate::description::Description;
use crate::key::{ObjectKey, Space};
use crate::preconditions::Preconditions;
use crate::settings::Draft;
use crate::settings::StorageSettings;
use crate::storage::local::LocalStorage;
use crate::storage::s3::{Conditions, Remedy, S3Storage};
use crate::storage::{Commit, Committed, Deletion, Location, Storage, StorageError, Target};

use super::{Outcome, Status, failed, see_config};

const HINT: &str = "see that [storage] names the right place, that this user may write to it, and that it has space";

const S3_HINT: &str = "see that [storage.s3] names the right endpoint and bucket, and that its key may read, write and delete there";

const CONDITIONS_HINT: &str =
    "use a store that honours conditions on writes: on this one, clients overwrite each other";

const COPY_HINT: &str =
    "set [storage.s3] large_writes = \"copy\": this store keeps the conditions of copies";

/// The store, or why there is none.
pub(super) enum Store {
    Local(LocalStorage),
    S3(S3Storage),
    Refused(String),
    NotConfigured,
}

pub(super) async fn open(draft: &Draft) -> Store {
    let root = match &draft.storage {
        None => return Store::NotConfigured,
        Some(StorageSettings::S3(settings)) => {
            return match S3Storage::open_for_proof(settings) {
                Ok(storage) => Store::S3(storage),
                Err(error) => Store::Refused(error.to_string()),
            };
        }
        Some(StorageSettings::Local(root)) => root.clone(),
    };
    match tokio::task::spawn_blocking(move || LocalStorage::open_for_proof(root)).await {
        Ok(Ok(storage)) => Store::Local(storage),
        Ok(Err(error)) => Store::Refused(error.to_string()),
        Err(_) => Store::Refused("opening it ended unexpectedly".into()),
    }
}

/// `storage`.
pub(super) async fn storage(store: &Store) -> Outcome {
    let (storage, hint): (&dyn Storage, _) = match store {
        Store::Local(storage) => (storage, HINT),
        Store::S3(storage) => (storage, S3_HINT),
        Store::Refused(reason) => return failed(reason.clone(), HINT),
        Store::NotConfigured => return see_config(),
    };
    let probe = Probe::new(storage);
    match probe.round_trip().await {
        Ok(true) => Outcome::Proven("an object was written, read back and deleted".into()),
        Ok(false) => failed(
            "what was read back is not what was written",
            "do not use this store: it loses data",
        ),
        Err(error) => failed(error.to_string(), hint),
    }
}

/// `conditional_writes`, where the store can be used at all.
pub(super) async fn conditional_writes(store: Option<&Store>, storage: Status) -> Outcome {
    match store {
        Some(Store::Local(local)) if storage == Status::Ok => second_create(local).await,
        Some(Store::S3(bucket)) if storage == Status::Ok => conditions(bucket).await,
        // Why, is told once.
        _ => failed(
            "it cannot be tried: the store cannot be used",
            "mend what `storage` names",
        ),
    }
}

async fn second_create(storage: &dyn Storage) -> Outcome {
    let probe = Probe::new(storage);
    match probe.second_create_is_refused().await {
        Ok(true) => Outcome::Proven("a second create-only write is refused".into()),
        Ok(false) => failed(
            "the store took a create-only write although the object was there",
            CONDITIONS_HINT,
        ),
        Err(error) => failed(error.to_string(), HINT),
    }
}

async fn conditions(storage: &S3Storage) -> Outcome {
    match storage.prove_conditions().await {
        Ok(Conditions::Kept) => Outcome::Proven(
            "conditions on writes, large ones and deletions too, are kept, under a race as well"
                .into(),
        ),
        Ok(Conditions::KeptByOneProcess(what, remedy)) => Outcome::Proven(format!(
            "conditions on writes are kept, under a race as well; but the store ignores that of {what}: \
             run one dailey-media on this bucket, which keeps it by itself{}",
            match remedy {
                Remedy::None => "",
                Remedy::Copy => ", or set [storage.s3] large_writes = \"copy\"",
            }
        )),
        Ok(Conditions::Broken(what, remedy)) => failed(
            format!("the store took {what}"),
            match remedy {
                Remedy::None => CONDITIONS_HINT,
                Remedy::Copy => COPY_HINT,
            },
        ),
        Err(error) => failed(error.to_string(), S3_HINT),
    }
}

/// An object that no token can name.
pub(crate) struct Probe<'a> {
    storage: &'a dyn Storage,
    at: Location,
}

impl<'a> Probe<'a> {
    pub(crate) fn new(storage: &'a dyn Storage) -> Self {
        let key = Uuid::new_v4().simple().to_string();
        Self {
            storage,
            at: Location {
                space: Self::space(),
                key: ObjectKey::parse(key).expect("hexadecimal digits are a key"),
            },
        }
    }

    /// Where they are.
    pub(crate) fn space() -> Space {
        Space::reserved("preflight")
    }

    /// Whether an object comes back as it was written, and is gone when it is deleted.
    pub(crate) async fn round_trip(&self) -> Result<bool, StorageError> {
        let written = Uuid::new_v4().into_bytes().to_vec();
        self.create(written.clone()).await?;
        let opened = self.storage.open(&self.at).await?;
        let same = match opened {
            None => false,
            Some(opened) => {
                let body = opened.whole().await?.collect().await;
                body.is_ok_and(|body| body.to_bytes() == written)
            }
        };
        let deleted = self.delete().await?;
        let gone = self.storage.stat(&self.at).await?.is_none();
        Ok(same && deleted && gone)
    }

    async fn second_create_is_refused(&self) -> Result<bool, StorageError> {
        let first = self.create(b"first".to_vec()).await?;
        let second = self.create(b"second".to_vec()).await?;
        self.delete().await?;
        Ok(matches!(first, Committed::Stored { .. })
            && matches!(second, Committed::ConditionFailed(_)))
    }

    async fn create(&self, bytes: Vec<u8>) -> Result<Committed, StorageError> {
        let target = Target {
            at: self.at.clone(),
            description: Description::of_type("application/octet-stream"),
        };
        let mut upload = self.storage.upload(target).await?;
        upload.write(Bytes::from(bytes)).await?;
        let commit = Commit {
            conditions: Preconditions::create_only(),
            expected: None,
        };
        upload.commit(commit).await
    }

    async fn delete(&self) -> Result<bool, StorageError> {
        let none = Preconditions::default();
        let deletion = self.storage.delete(&self.at, &none).await?;
        Ok(deletion == Deletion::Deleted)
    }
}
