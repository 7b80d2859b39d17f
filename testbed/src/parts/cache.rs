//! The user's cache folder (XDG Base Directory Specification).

use std::env;
use std::fs;
use std::path::PathBuf;

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
