//! What is known of one upload, as it is kept between requests, and where.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::digest::RunningDigest;
use crate::description::Description;
use crate::digest::Sha256;
use crate::key::{ObjectKey, Space};
use crate::preconditions::Preconditions;
use crate::storage::resumable::{state_key, states};
use crate::storage::{Commit, Location, Received, StorageError, Target};

/// An upload's name: 122 random bits, which nobody guesses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct UploadId(String);

impl UploadId {
    pub(super) fn new() -> Self {
        Self(Uuid::new_v4().simple().to_string())
    }

    /// `None` for what [`UploadId::new`] never gives.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == 32 && text.bytes().all(is_hex)).then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Where its state is kept.
    pub(super) fn location(&self) -> Location {
        let key = ObjectKey::parse(state_key(&self.0));
        Location {
            space: states(),
            key: key.expect("hexadecimal digits and a slash are a key"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    app_id: String,
    subject: String,
    key: String,
    description: Description,
    /// `Upload-Metadata` as it was given, to be given back.
    pub(super) metadata: String,
    /// The header fields of the object's conditions.
    conditions: Vec<(String, String)>,
    /// The digest that all bytes must have, in hexadecimal.
    expected: Option<String>,
    /// How many bytes there will be.
    pub(super) length: u64,
    pub(super) received: Received,
    /// Of the bytes that are received.
    digest: String,
    pub(super) stage: Stage,
    /// Milliseconds since 1970.
    pub(super) expires_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    /// Bytes are missing.
    Receiving,
    /// All bytes are there; they are becoming the object.
    Finishing,
    /// The object is there, or was.
    Done,
    /// Ended without an object. The bytes may still have to be removed.
    Gone,
}

/// What a client wants to upload.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) target: Target,
    pub(crate) metadata: String,
    pub(crate) conditions: Conditions,
    pub(crate) expected: Option<Sha256>,
    pub(crate) length: u64,
}

/// Conditions in a form that can be kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Conditions(Vec<(String, String)>);

impl Conditions {
    /// From a request's headers, of which the conditions have been read without an error.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let fields = headers.iter().filter_map(|(name, value)| {
            let text = value.to_str().ok()?;
            name.as_str()
                .starts_with("if-")
                .then(|| (name.as_str().to_owned(), text.to_owned()))
        });
        Self(fields.collect())
    }
}

impl State {
    pub(super) fn new(wanted: Wanted) -> Self {
        Self {
            app_id: wanted.target.at.space.app_id().to_owned(),
            subject: wanted.target.at.space.subject().to_owned(),
            key: wanted.target.at.key.as_str().to_owned(),
            description: wanted.target.description,
            metadata: wanted.metadata,
            conditions: wanted.conditions.0,
            expected: wanted.expected.map(Sha256::to_hex),
            length: wanted.length,
            received: Received::default(),
            digest: RunningDigest::default().to_text(),
            stage: Stage::Receiving,
            expires_ms: 0,
        }
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, StorageError> {
        serde_json::from_slice(bytes).map_err(|_| DAMAGED)
    }

    pub(super) fn to_json(&self) -> Result<Vec<u8>, StorageError> {
        serde_json::to_vec(self).map_err(|error| StorageError::Io(error.into()))
    }

    /// Whose it is.
    pub(super) fn space(&self) -> Space {
        Space::new(&self.app_id, &self.subject)
    }

    /// Whether bytes of it may be there that are no object.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Receiving | Stage::Finishing)
    }

    pub(super) fn digest(&self) -> Result<RunningDigest, StorageError> {
        RunningDigest::from_text(&self.digest)
    }

    /// Makes more bytes count.
    pub(super) fn count(&mut self, received: Received, digest: &RunningDigest) {
        if received.bytes == self.length {
            self.stage = Stage::Finishing;
        }
        self.received = received;
        self.digest = digest.to_text();
    }

    /// What it becomes.
    pub(super) fn target(&self) -> Result<Target, StorageError> {
        Ok(Target {
            at: Location {
                space: self.space(),
                key: ObjectKey::parse(self.key.clone()).map_err(|_| DAMAGED)?,
            },
            description: self.description.clone(),
        })
    }

    /// What must hold for it.
    pub(super) fn commit(&self) -> Result<Commit, StorageError> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.conditions {
            let name = HeaderName::try_from(name).map_err(|_| DAMAGED)?;
            headers.append(name, HeaderValue::try_from(value).map_err(|_| DAMAGED)?);
        }
        let expected = self.expected.as_deref().map(Sha256::from_hex);
        Ok(Commit {
            conditions: Preconditions::read(&headers).map_err(|_| DAMAGED)?,
            expected: expected.map(|digest| digest.ok_or(DAMAGED)).transpose()?,
        })
    }
}

const DAMAGED: StorageError = StorageError::Damaged("the state of an upload cannot be read");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_comes_back_as_it_was_kept() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("if-match", "\"a\""), ("if-match", "\"b\""), ("range", "x")] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let conditions = Preconditions::read(&headers).unwrap();
        let at = Location {
            space: Space::new("app", "user"),
            key: ObjectKey::parse("a/b").unwrap(),
        };
        let state = State::new(Wanted {
            target: Target {
                at: at.clone(),
                description: Description::of_type("image/png"),
            },
            metadata: "key YS9i".into(),
            conditions: Conditions::of(&headers),
            expected: Sha256::from_bytes(&[7; 32]),
            length: 9,
        });
        let read = State::parse(&state.to_json().unwrap()).unwrap();
        assert_eq!(read, state);
        let commit = read.commit().unwrap();
        let target = read.target().unwrap();
        assert_eq!((target.at, commit.conditions), (at, conditions));
        assert_eq!(commit.expected, Sha256::from_bytes(&[7; 32]));
        assert!(State::parse(b"{}").is_err());
    }

    #[test]
    fn only_a_name_of_ours_names_an_upload() {
        let id = UploadId::new();
        assert_eq!(UploadId::parse(id.as_str()), Some(id.clone()));
        assert_eq!(id.location().key.file_name(), id.as_str());
        for wrong in [
            "",
            "a",
            &"g".repeat(32),
            &"A".repeat(32),
            &"a".repeat(33),
            "../uploads",
        ] {
            assert_eq!(UploadId::parse(wrong), None, "{wrong}");
        }
    }
}
