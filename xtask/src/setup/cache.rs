//! The user's cache folder (XDG Base Directory Specification).

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::stop::{Outcome, Stop, failed};

/// A folder in the cache, made when it is not there.
pub(crate) fn folder(name: &str) -> Outcome<PathBuf> {
    let folder = base()?.join("dailey").join(name);
    fs::create_dir_all(&folder).map_err(|error| {
        failed(
            format!("cannot write to {}", folder.display()),
            format!("{error}; set XDG_CACHE_HOME to a folder you can write"),
        )
    })?;
    Ok(folder)
}

fn base() -> Outcome<PathBuf> {
    // A relative path counts as not set, as the specification says.
    let named = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let home = || {
        env::var_os("HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    named
        .or_else(|| home().map(|home| home.join(".cache")))
        .ok_or_else(|| {
            Stop::because(
                "neither HOME nor XDG_CACHE_HOME is set: set one to a folder you can write",
            )
        })
}

/// Points `link` at `target`, whatever it was before.
pub(crate) fn link(link: &Path, target: &Path) -> Outcome<()> {
    if fs::read_link(link).is_ok_and(|old| old == target) {
        return Ok(());
    }
    let _ = fs::remove_file(link);
    std::os::unix::fs::symlink(target, link)
        .map_err(|error| failed(format!("cannot link {}", link.display()), error))
}
