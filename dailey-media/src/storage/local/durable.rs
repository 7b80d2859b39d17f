//! Changes to names that survive the loss of power: a name is on disk when its folder is.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Tries to make a name whose folders another request may be removing because they are empty.
const ATTEMPTS: usize = 16;

/// Held while folders are made: who finds a folder may rely on its name being on disk already.
static FOLDERS: Mutex<()> = Mutex::new(());

/// Whether a name may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// Only if nobody has it: of several at once, one succeeds.
    New,
    /// Whoever has it loses it.
    Any,
}

/// Gives the finished file `from` the name `to`, in folders that are made as needed.
///
/// # Errors
/// `AlreadyExists` for a [`Name::New`] that is taken.
pub(super) fn rename(from: &Path, to: &Path, name: Name) -> io::Result<()> {
    let folder = folder_of(to)?;
    for _ in 0..ATTEMPTS {
        let renamed = create_folders(folder).and_then(|()| match name {
            Name::Any => fs::rename(from, to),
            // A link never replaces; the first name is removed when the upload is dropped.
            Name::New => fs::hard_link(from, to),
        });
        match renamed {
            Ok(()) => return sync(folder),
            Err(error) if error.kind() == io::ErrorKind::NotFound && from.exists() => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("a folder vanishes again and again"))
}

/// Removes `path`, and the folders above it that become empty, up to but not with `top`.
pub(super) fn remove(path: &Path, top: &Path) -> io::Result<()> {
    fs::remove_file(path)?;
    let mut folder = folder_of(path)?;
    sync(folder)?;
    // One that is not empty ends it; an empty one that stays does no harm.
    while folder != top && folder.starts_with(top) && fs::remove_dir(folder).is_ok() {
        folder = folder_of(folder)?;
    }
    Ok(())
}

/// Makes `folder` and what is missing above it.
pub(super) fn create_folders(folder: &Path) -> io::Result<()> {
    // Poison means a panic elsewhere; the lock guards no data.
    let _one_at_a_time = FOLDERS.lock().unwrap_or_else(PoisonError::into_inner);
    create_missing(folder)
}

fn create_missing(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create_missing(folder_of(folder)?)?;
            // Fails when what is above was removed again: the caller tries again.
            fs::create_dir(folder)?;
        }
        created => created?,
    }
    sync(folder_of(folder)?)
}

fn folder_of(path: &Path) -> io::Result<&Path> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Ok(Path::new(".")),
        Some(parent) => Ok(parent),
        None => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the root of the file system has no folder",
        )),
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    match File::open(folder) {
        Ok(folder) => folder.sync_all(),
        // Empty again and removed: nothing to keep.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
