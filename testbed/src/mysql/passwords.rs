//! Passwords made on the spot.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::Error;

/// The passwords of a cluster's accounts, random for every cluster.
#[derive(Clone)]
pub struct Passwords {
    /// `root@localhost`, over the socket.
    pub root: String,
    /// `replicator`, for replication.
    pub replicator: String,
    /// `replmon`, for the checker.
    pub replmon: String,
    /// `core`, for Core.
    pub core: String,
}

// Not derived: they are not to be printed.
impl std::fmt::Debug for Passwords {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Passwords")
    }
}

impl Passwords {
    pub(super) fn random() -> Result<Self, Error> {
        Ok(Self {
            root: random_hex()?,
            replicator: random_hex()?,
            replmon: random_hex()?,
            core: random_hex()?,
        })
    }

    /// The text with every `{{…_password}}` replaced.
    pub(super) fn put_into(&self, text: &str) -> String {
        text.replace("{{replicator_password}}", &self.replicator)
            .replace("{{replmon_password}}", &self.replmon)
            .replace("{{core_password}}", &self.core)
    }
}

/// 128 random bits.
fn random_hex() -> Result<String, Error> {
    let source = Path::new("/dev/urandom");
    let mut bytes = [0_u8; 16];
    File::open(source)
        .and_then(|mut random| random.read_exact(&mut bytes))
        .map_err(Error::file("cannot read", source))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// Writes a file that only its owner can read.
pub(super) fn write_private(path: &Path, text: &str) -> Result<(), Error> {
    // Made anew: one that is there keeps its mode.
    let _ = fs::remove_file(path);
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(Error::file("cannot write", path))
}
