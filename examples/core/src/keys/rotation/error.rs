//! Why a step of a rotation was refused, and what to do.

use std::io;
use std::path::PathBuf;

use super::super::key_file::KeyFileError;
use super::super::kid::Kid;
use super::super::record::RecordError;
use super::super::ring::RingError;

/// Why a step of a rotation was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RotationError {
    /// The keys as they are.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Ring(Vec<RingError>),
    /// One of the files.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// The record of what happened.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The system.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The name is taken or was.
    #[error("the kid {0} is in use or was used before: a new key needs a new kid")]
    KidTaken(Kid),
    /// No such private key.
    #[error(
        "no private key beside JWT_PRIVATE_KEY_FILE has the kid {0}; `dailey-core keys list` shows what is there"
    )]
    NoSuchKey(Kid),
    /// Publish a key that was retired.
    #[error("{0} was retired: make a new key instead of bringing it back")]
    WasRetired(Kid),
    /// Activate before publish.
    #[error(
        "{0} is not published, so verifiers would refuse its tokens: run `dailey-core keys publish {0}`, reload Core, and wait an hour"
    )]
    NotPublished(Kid),
    /// The published key is another one.
    #[error("the published {0} is not the public half of its private key: remove one of them")]
    Mismatch(Kid),
    /// The file's name is the kid of the key it holds.
    #[error(
        "JWT_PRIVATE_KEY_FILE is named after the key it holds, so it cannot take another one: set JWT_PRIVATE_KEY_FILE to {} and JWT_ACTIVE_KID to {kid}, then reload Core", file.display()
    )]
    FileNamedAfterKey {
        /// The key to activate.
        kid: Kid,
        /// Where it is.
        file: PathBuf,
    },
    /// Retire the key that signs.
    #[error("{0} is the signing key: activate another one first")]
    IsActive(Kid),
    /// Retire a replaced key that `JWT_ACTIVE_KID` still names.
    #[error(
        "JWT_ACTIVE_KID still names {kid}, so Core signs with it: set JWT_ACTIVE_KID={successor} in .env or the service's environment, reload Core, and retire {kid} when its last token has ended"
    )]
    StillNamed {
        /// The key.
        kid: Kid,
        /// What took over from it.
        successor: Kid,
    },
    /// Retire too early.
    #[error(
        "tokens signed with {kid} may live until {until}; retire it then, or now with --now if the key is compromised"
    )]
    TooEarly {
        /// The key.
        kid: Kid,
        /// From when on it may be retired.
        until: jiff::Timestamp,
    },
    /// Nobody knows whether tokens of it live.
    #[error(
        "it is not recorded when {0} stopped signing; use --now when you know that no token of it is needed"
    )]
    NotRecorded(Kid),
}
