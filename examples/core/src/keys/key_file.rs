//! Key files: who may read and write them, and how they are written so that a crash leaves the old or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use dailey_auth::Environment;
use zeroize::Zeroizing;

use super::private_key::PrivateKey;
use super::public_key::{KeyProblem, PublicKey};

/// Largest key file in bytes: an RSA-4096 private key is 3.3 KB of PEM.
const MAX_BYTES: u64 = 16 * 1024;

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct KeyFileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: KeyFileProblem,
}

/// What is wrong with a key file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileProblem {
    /// It is not there.
    #[error("there is no such file (`dailey-core init` makes the first key)")]
    Missing,
    /// The system refuses it.
    #[error("it cannot be used: {0}")]
    Io(io::Error),
    /// It is a symbolic link, in production.
    #[error("it is a symbolic link, which production refuses: name the file itself")]
    Symlink,
    /// It is a folder or a device.
    #[error("it is not a regular file")]
    NotAFile,
    /// It is too large to be a key.
    #[error("it is larger than 16 KiB, so it is not a key")]
    TooLarge,
    /// Others may read a private key.
    #[error("its mode is {0:04o}, so others may read it: chmod 600")]
    Readable(u32),
    /// Others may replace a published key.
    #[error("its mode is {0:04o}, so others may write to it: chmod go-w")]
    Writable(u32),
    /// It belongs to another user.
    #[error("it belongs to user {owner}, and this program runs as user {ours}: chown it")]
    Owner {
        /// Who owns it.
        owner: u32,
        /// Who we are.
        ours: u32,
    },
    /// Its content is not a key for us.
    #[error("{0}")]
    Key(#[from] KeyProblem),
}

impl KeyFileProblem {
    pub(super) fn at(self, path: &Path) -> KeyFileError {
        KeyFileError {
            path: path.to_owned(),
            problem: self,
        }
    }
}

/// Reads a private key that nobody but us may read.
pub(super) fn read_private(
    path: &Path,
    environment: Environment,
) -> Result<PrivateKey, KeyFileError> {
    read(
        path,
        environment,
        |mode| (mode & 0o177 != 0).then_some(KeyFileProblem::Readable(mode)),
        owned_by_us,
    )
    .and_then(|pem| PrivateKey::from_pem(&pem).map_err(KeyFileProblem::Key))
    .map_err(|problem| problem.at(path))
}

/// Reads a public key that nobody but us (or root) may write.
pub(super) fn read_public(
    path: &Path,
    environment: Environment,
) -> Result<PublicKey, KeyFileError> {
    let owner = |owner, ours| owner == 0 || owned_by_us(owner, ours);
    read(
        path,
        environment,
        |mode| (mode & 0o022 != 0).then_some(KeyFileProblem::Writable(mode)),
        owner,
    )
    .and_then(|pem| PublicKey::from_pem(&pem).map_err(KeyFileProblem::Key))
    .map_err(|problem| problem.at(path))
}

fn owned_by_us(owner: u32, ours: u32) -> bool {
    owner == ours
}

fn read(
    path: &Path,
    environment: Environment,
    mode_problem: impl Fn(u32) -> Option<KeyFileProblem>,
    owner_is_fine: impl Fn(u32, u32) -> bool,
) -> Result<Zeroizing<Vec<u8>>, KeyFileProblem> {
    use rustix::fs::OFlags;
    // Not blocking: a named pipe must not hold the start up.
    let mut flags = OFlags::NONBLOCK;
    if matches!(environment, Environment::Production) {
        flags |= OFlags::NOFOLLOW;
    }
    let flags = i32::try_from(flags.bits()).expect("open flags are an int");
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .map_err(|error| {
            let is_symlink =
                || fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
            match error.kind() {
                io::ErrorKind::NotFound => KeyFileProblem::Missing,
                _ if flags & i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0) != 0
                    && is_symlink() =>
                {
                    KeyFileProblem::Symlink
                }
                _ => KeyFileProblem::Io(error),
            }
        })?;
    // The opened file is what is checked, so that nothing can be exchanged in between.
    let metadata = file.metadata().map_err(KeyFileProblem::Io)?;
    if !metadata.is_file() {
        return Err(KeyFileProblem::NotAFile);
    }
    let ours = rustix::process::geteuid().as_raw();
    if !owner_is_fine(metadata.uid(), ours) {
        return Err(KeyFileProblem::Owner {
            owner: metadata.uid(),
            ours,
        });
    }
    if let Some(problem) = mode_problem(metadata.mode() & 0o7777) {
        return Err(problem);
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(KeyFileProblem::Io)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(KeyFileProblem::TooLarge);
    }
    Ok(bytes)
}

/// Who may read a file that is written here.
#[derive(Debug, Clone, Copy)]
pub(super) enum Readers {
    Owner,
    Everyone,
}

/// What happens to a file of the same name.
#[derive(Debug, Clone, Copy)]
pub(super) enum Existing {
    Keep,
    Replace,
}

/// Writes a file durably: the whole content under the name, or nothing. `Existing::Keep` fails with `AlreadyExists`.
pub(super) fn write(
    path: &Path,
    content: &[u8],
    readers: Readers,
    existing: Existing,
) -> io::Result<()> {
    let folder = folder_of(path);
    // 0600 from the start; a hidden name, so that no reader of `*.pem` takes it for a key.
    let mut file = tempfile::Builder::new()
        .prefix(".new-")
        .tempfile_in(folder)?;
    file.write_all(content)?;
    if matches!(readers, Readers::Everyone) {
        file.as_file()
            .set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    file.as_file().sync_all()?;
    match existing {
        Existing::Keep => file.persist_noclobber(path).map_err(|error| error.error)?,
        Existing::Replace => file.persist(path).map_err(|error| error.error)?,
    };
    sync_folder(folder)
}

/// Removes a file durably.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)?;
    sync_folder(folder_of(path))
}

/// Makes a folder, and those above it, that only we may enter.
pub(super) fn make_private_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

/// The folder a file stands in.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
