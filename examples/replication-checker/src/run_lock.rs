//! One run at a time for the same two hosts.

use std::fs::{File, OpenOptions, TryLockError};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Held as long as a run goes on; the kernel lets go of it whatever happens.
#[derive(Debug)]
pub struct RunLock(#[expect(dead_code, reason = "closing it is what unlocks")] File);

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run has it.
    #[error("another run holds the lock")]
    Held,
    /// The lock file cannot be made.
    #[error("the lock file {} cannot be used: {source}", path.display())]
    File {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl RunLock {
    /// Beside the state file; without one, in the temporary folder under a name of the two hosts.
    pub fn take(state_file: Option<&Path>, hosts: &[String; 2]) -> Result<Self, LockError> {
        let path = if let Some(state_file) = state_file {
            let mut name = state_file.file_name().unwrap_or_default().to_owned();
            name.push(".lock");
            state_file.with_file_name(name)
        } else {
            let mut hasher = DefaultHasher::new();
            hosts.hash(&mut hasher);
            let user = std::env::var("USER").unwrap_or_default();
            user.hash(&mut hasher);
            std::env::temp_dir().join(format!("core-replica-health-{:016x}.lock", hasher.finish()))
        };
        let error = |source| LockError::File {
            path: path.clone(),
            source,
        };
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(error)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(LockError::Held),
            Err(TryLockError::Error(source)) => Err(error(source)),
        }
    }
}
