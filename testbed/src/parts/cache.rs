//! The user's cache folder (XDG Base Directory Specification).

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::PartError;

/// A folder in the cache, made when it is not there.
pub fn cache_folder(name: &str) -> Result<PathBuf, PartError> {
    let folder = base()?.join("dailey").join(name);
    fs::create_dir_all(&folder).map_err(PartError::file(
        "cannot make the cache folder (set XDG_CACHE_HOME to a folder you can write)",
        &folder,
    ))?;
    Ok(folder)
}

/// The cache, where it has been made.
pub(crate) fn existing_cache() -> Option<PathBuf> {
    let cache = base().ok()?.join("dailey");
    cache.is_dir().then_some(cache)
}

/// The folder of a part, made by `make` when it is not there whole: the file `stamp` in it, written last,
/// says so. Two checkouts have one cache, so one of them waits for the other.
pub(super) fn keep(
    name: &str,
    stamp: &str,
    make: impl FnOnce(&Path) -> Result<(), PartError>,
) -> Result<PathBuf, PartError> {
    let parts = cache_folder("parts")?;
    let kept = parts.join(name);
    let lock_path = parts.join(format!("{name}.lock"));
    let lock = File::create(&lock_path).map_err(PartError::file("cannot write", &lock_path))?;
    lock.lock()
        .map_err(PartError::file("cannot lock", &lock_path))?;
    if kept.join(stamp).is_file() {
        return Ok(kept);
    }
    let fresh = parts.join(format!("{name}.new"));
    remove(&fresh)?;
    remove(&kept)?;
    make(&fresh)?;
    fs::rename(&fresh, &kept).map_err(PartError::file("cannot keep", &kept))?;
    Ok(kept)
}

/// Removes a folder, if it is there.
pub(super) fn remove(folder: &Path) -> Result<(), PartError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(PartError::file("cannot remove", folder)(error))
        }
        _ => Ok(()),
    }
}

fn base() -> Result<PathBuf, PartError> {
    // A relative path counts as not set, as the specification says.
    let absolute = |key| {
        env::var_os(key)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .ok_or(PartError::NoCache)
}
