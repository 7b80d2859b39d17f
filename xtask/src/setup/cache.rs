//! The user's cache folder, and links into it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::stop::{Outcome, Stop, failed};

/// A folder in the cache, made when it is not there.
pub(crate) fn folder(name: &str) -> Outcome<PathBuf> {
    testbed::parts::cache_folder(name).map_err(|error| Stop::because(error.to_string()))
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
