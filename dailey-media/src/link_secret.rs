//! The secret that signs links and list cursors: 32 random bytes or more, in a file of mode 0600.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;
use dailey_http::settings::{process_environment, secret_file_mask};

const MIN_BYTES: usize = 32;

/// Largest file that is taken for a secret; more is a mistake.
const MAX_BYTES: u64 = 4096;

/// Why a secret cannot be used; never its content.
#[derive(Debug, thiserror::Error)]
pub enum LinkSecretError {
    /// The file system said no.
    #[error("LINK_SECRET_FILE: cannot read {}: {source}: put 32 random bytes there (head -c 32 /dev/urandom), mode 0600", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Group or others may read it.
    #[error("LINK_SECRET_FILE: {} may be read by others: chmod 600 it", .0.display())]
    Open(PathBuf),
    /// Not a secret's length.
    #[error("LINK_SECRET_FILE: {} does not hold 32 to 4096 bytes", .0.display())]
    Length(PathBuf),
}

/// What happens when the file is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IfMissing {
    Fail,
    Create,
}

pub(crate) fn load(path: &Path, if_missing: IfMissing) -> Result<hmac::Key, LinkSecretError> {
    let fail = |source| LinkSecretError::Io {
        path: path.to_owned(),
        source,
    };
    // Opening a pipe would wait for whoever writes to it.
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        let reason = "it is not a file";
        return Err(fail(io::Error::new(io::ErrorKind::InvalidInput, reason)));
    }
    let file = match File::open(path) {
        Err(error)
            if error.kind() == io::ErrorKind::NotFound && if_missing == IfMissing::Create =>
        {
            create(path).map_err(fail)?;
            return load(path, IfMissing::Fail);
        }
        opened => opened.map_err(fail)?,
    };
    let mask = secret_file_mask(&process_environment, path);
    if file.metadata().map_err(fail)?.permissions().mode() & mask != 0 {
        return Err(LinkSecretError::Open(path.to_owned()));
    }
    let mut secret = Vec::new();
    (&file)
        .take(MAX_BYTES + 1)
        .read_to_end(&mut secret)
        .map_err(fail)?;
    // Whoever made the file was killed before it had its bytes.
    if secret.is_empty() && if_missing == IfMissing::Create {
        create(path).map_err(fail)?;
        return load(path, IfMissing::Fail);
    }
    if secret.len() < MIN_BYTES || secret.len() as u64 > MAX_BYTES {
        return Err(LinkSecretError::Length(path.to_owned()));
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &secret))
}

/// Makes the file, and its bytes where it has none.
fn create(path: &Path) -> io::Result<()> {
    // With the objects elsewhere nobody has made its folder yet.
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    // Of several that make it one writes.
    file.lock()?;
    if file.metadata()?.len() == 0 {
        let mut secret = [0; MIN_BYTES];
        aws_lc_rs::rand::fill(&mut secret)
            .map_err(|_| io::Error::other("the system gives no random bytes"))?;
        file.write_all(&secret)?;
        file.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_of_a_killed_process_is_filled_and_only_where_it_may_be_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        create(&path).unwrap();
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(0)
            .unwrap();
        let refused = load(&path, IfMissing::Fail);
        assert!(matches!(refused, Err(LinkSecretError::Length(_))));
        let sign = |key| hmac::sign(&key, b"text").as_ref().to_vec();
        let made = sign(load(&path, IfMissing::Create).unwrap());
        create(&path).unwrap();
        let there = sign(load(&path, IfMissing::Fail).unwrap());
        assert_eq!(there, made, "it was there already");
    }
}
