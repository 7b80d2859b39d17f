//! The keys a running Core works with: one that signs, all that are published. Loaded and checked as a whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use dailey_auth::Environment;
use data_encoding::BASE64URL_NOPAD;
use serde_json::json;

use super::key_file::{self, KeyFileError, KeyFileProblem, folder_of};
use super::kid::Kid;
use super::private_key::PrivateKey;
use super::public_key::PublicKey;
use super::record::{Record, RecordError};
use crate::secret::sha256;

/// Most keys in the published set; verifiers refuse more.
const MAX_KEYS: usize = 64;

/// Where the keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySettings {
    /// `JWT_PRIVATE_KEY_FILE`.
    pub private_key_file: PathBuf,
    /// `JWT_ACTIVE_KID`.
    pub active_kid: Option<Kid>,
    /// `JWT_PUBLIC_KEYS_DIR`; the folder `public` beside the key when not set.
    pub public_keys_dir: PathBuf,
    /// Production refuses symbolic links.
    pub environment: Environment,
}

impl KeySettings {
    /// The folder of the private keys.
    pub(super) fn folder(&self) -> &Path {
        folder_of(&self.private_key_file)
    }

    /// Where the private key of a kid is kept while `JWT_PRIVATE_KEY_FILE` holds another.
    pub(super) fn kept_file(&self, kid: &Kid) -> PathBuf {
        self.folder().join(kid.file_name())
    }

    /// Where a kid is published.
    pub(super) fn published_file(&self, kid: &Kid) -> PathBuf {
        self.public_keys_dir.join(kid.file_name())
    }
}

/// Why the keys cannot be used together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RingError {
    /// One of the files.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// The folder of published keys.
    #[error("{}: the folder of published keys cannot be read: {error}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A published file whose name is not a kid.
    #[error("{}: the name of a published key is its kid: letters, digits, `-`, `_` and `.` before `.pem`", .0.display())]
    FileName(PathBuf),
    /// `JWT_ACTIVE_KID` names nothing.
    #[error(
        "JWT_ACTIVE_KID matches no key: the key in JWT_PRIVATE_KEY_FILE has the kid {found}, and no other private key beside it has the wanted one"
    )]
    NoSuchKid {
        /// The kid of the key that is there.
        found: Kid,
    },
    /// The record of what happened.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The key that would sign was retired.
    #[error(
        "the signing key {0} was retired and must not sign again: set JWT_ACTIVE_KID (and JWT_PRIVATE_KEY_FILE) to the key that took over, or leave JWT_ACTIVE_KID out; `dailey-core keys generate` makes a new one"
    )]
    Retired(Kid),
    /// Two keys want one name.
    #[error(
        "two different keys have the kid {0}: the signing key, and a file in JWT_PUBLIC_KEYS_DIR; a new key needs a new kid"
    )]
    OneKidTwoKeys(Kid),
    /// One key under two names.
    #[error(
        "one key is published under two kids, {0} and {1}: keep one of them (JWT_ACTIVE_KID says which name the signing key has)"
    )]
    OneKeyTwoKids(Kid, Kid),
    /// Too many.
    #[error("more than 64 keys are published: retire those that no token needs any more")]
    TooMany,
}

/// The published set as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwksDocument {
    /// JSON.
    pub body: Bytes,
    /// Strong entity tag, with its quotes.
    pub etag: String,
}

/// The signing key, its name, and the published set.
#[derive(Debug)]
pub struct KeyRing {
    /// The name that tokens carry.
    pub active_kid: Kid,
    /// What signs them.
    pub signing_key: Arc<PrivateKey>,
    /// Everything a verifier may need, the active key included.
    pub published: BTreeMap<Kid, PublicKey>,
    /// The kid of the key in `JWT_PRIVATE_KEY_FILE`, when `JWT_ACTIVE_KID` still names another one beside it: an
    /// activation is half done, and Core goes on with the key it was told.
    pub waiting_kid: Option<Kid>,
    jwks: JwksDocument,
}

impl KeyRing {
    /// Loads and checks everything; all that is wrong is said at once.
    pub fn load(settings: &KeySettings) -> Result<Self, Vec<RingError>> {
        let published = read_published(settings);
        let primary = key_file::read_private(&settings.private_key_file, settings.environment)
            .map_err(RingError::File);
        let (mut published, primary) = match (published, primary) {
            (Ok(published), Ok(primary)) => (published, primary),
            (Err(mut errors), primary) => {
                errors.extend(primary.err());
                return Err(errors);
            }
            (_, Err(error)) => return Err(vec![error]),
        };
        let one = |error| vec![error];
        let primary_kid = kid_of(&primary, &published);
        let is_primary = |kid: &Kid| {
            *kid == primary_kid
                || *kid == primary.public().thumbprint()
                || settings.private_key_file == settings.kept_file(kid)
        };
        let (active_kid, signing_key, waiting_kid) = match &settings.active_kid {
            None => (primary_kid, primary, None),
            Some(kid) if is_primary(kid) => (kid.clone(), primary, None),
            Some(kid) => {
                match key_file::read_private(&settings.kept_file(kid), settings.environment) {
                    Ok(kept) => (kid.clone(), kept, Some(primary_kid)),
                    Err(KeyFileError {
                        problem: KeyFileProblem::Missing,
                        ..
                    }) => {
                        return Err(one(RingError::NoSuchKid { found: primary_kid }));
                    }
                    Err(error) => return Err(one(RingError::File(error))),
                }
            }
        };
        let record = Record::load(settings.folder()).map_err(|error| one(error.into()))?;
        // Under any name that the key can have: given, thumbprint, file name.
        let signs = |kid: &&Kid| {
            **kid == active_kid
                || **kid == signing_key.public().thumbprint()
                || (waiting_kid.is_none() && settings.kept_file(kid) == settings.private_key_file)
        };
        if let Some(kid) = record.retired().find(signs) {
            return Err(one(RingError::Retired(kid.clone())));
        }
        match published.insert(active_kid.clone(), signing_key.public().clone()) {
            Some(other) if other != *signing_key.public() => {
                return Err(one(RingError::OneKidTwoKeys(active_kid)));
            }
            _ => {}
        }
        if published.len() > MAX_KEYS {
            return Err(one(RingError::TooMany));
        }
        if let Some((first, second)) = one_key_two_kids(&published) {
            return Err(one(RingError::OneKeyTwoKids(first, second)));
        }
        let jwks = jwks(&published);
        Ok(Self {
            active_kid,
            signing_key: Arc::new(signing_key),
            published,
            waiting_kid,
            jwks,
        })
    }

    /// The published set as it goes over the wire.
    pub fn jwks(&self) -> &JwksDocument {
        &self.jwks
    }
}

/// The kid of a private key: the name it is published under, else its thumbprint.
pub(super) fn kid_of(key: &PrivateKey, published: &BTreeMap<Kid, PublicKey>) -> Kid {
    let named = published
        .iter()
        .find(|(_, public)| *public == key.public())
        .map(|(kid, _)| kid.clone());
    named.unwrap_or_else(|| key.public().thumbprint())
}

/// Every `{kid}.pem` of the folder of published keys; a folder that is not there publishes nothing.
pub(super) fn read_published(
    settings: &KeySettings,
) -> Result<BTreeMap<Kid, PublicKey>, Vec<RingError>> {
    let path = &settings.public_keys_dir;
    let folder = |error| RingError::Folder {
        path: path.clone(),
        error,
    };
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(vec![folder(error)]),
    };
    let mut keys = BTreeMap::new();
    let mut errors = Vec::new();
    for entry in entries {
        let file = match entry {
            Ok(entry) => entry.path(),
            Err(error) => {
                errors.push(folder(error));
                continue;
            }
        };
        let name = file
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let Some(stem) = name
            .strip_suffix(".pem")
            .filter(|stem| !stem.starts_with('.'))
        else {
            continue;
        };
        match Kid::parse(stem) {
            Err(_) => errors.push(RingError::FileName(file)),
            Ok(kid) => match key_file::read_public(&file, settings.environment) {
                Ok(key) => {
                    keys.insert(kid, key);
                }
                Err(error) => errors.push(RingError::File(error)),
            },
        }
        if keys.len() + errors.len() > MAX_KEYS {
            errors.push(RingError::TooMany);
            break;
        }
    }
    if errors.is_empty() {
        Ok(keys)
    } else {
        Err(errors)
    }
}

fn one_key_two_kids(published: &BTreeMap<Kid, PublicKey>) -> Option<(Kid, Kid)> {
    let mut seen: BTreeMap<Kid, &Kid> = BTreeMap::new();
    published.iter().find_map(|(kid, key)| {
        let first = seen.insert(key.thumbprint(), kid)?;
        Some((first.clone(), kid.clone()))
    })
}

fn jwks(published: &BTreeMap<Kid, PublicKey>) -> JwksDocument {
    let keys: Vec<_> = published.iter().map(|(kid, key)| key.jwk(kid)).collect();
    let body = json!({ "keys": keys }).to_string();
    let etag = format!("\"{}\"", BASE64URL_NOPAD.encode(&sha256(body.as_bytes())));
    JwksDocument {
        body: body.into(),
        etag,
    }
}
