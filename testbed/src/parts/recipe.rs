//! What is set up once and kept in the cache: how it is made, and what there is of it.

use std::fs;
use std::path::{Path, PathBuf};

use super::apt::{Apt, Release};
use super::{PartError, Unpacked, cache, cache_folder};

/// Written last: the version that is kept. Half a folder has none.
const STAMP: &str = "version";

/// How a part is set up.
pub(super) struct Recipe {
    /// Its folder; changed when what is kept in it changes its form.
    pub(super) kept_as: &'static str,
    /// What it is.
    pub(super) part: &'static str,
    /// Its name in the command.
    pub(super) name: &'static str,
    /// Makes it in a folder that is moved when it is whole; its version.
    pub(super) make: fn(&Path) -> Result<String, PartError>,
}

/// A part that is there, whole.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) folder: PathBuf,
    pub(super) version: String,
}

impl Kept {
    /// What [`unpack_debian`] made.
    pub(super) fn unpacked(&self) -> Result<Unpacked, PartError> {
        Unpacked::in_folder(self.folder.join("root"))
    }
}

impl Recipe {
    /// What was set up on this machine.
    pub(super) fn find(&self) -> Result<Kept, PartError> {
        self.in_folder(cache_folder("parts")?.join(self.kept_as))
    }

    /// What was set up, or sets it up.
    pub(super) fn set_up(&self) -> Result<Kept, PartError> {
        let kept = cache::keep(self.kept_as, STAMP, |folder| {
            let version = (self.make)(folder)?;
            let stamp = folder.join(STAMP);
            fs::write(&stamp, version).map_err(PartError::file("cannot write", &stamp))
        })?;
        self.in_folder(kept)
    }

    fn in_folder(&self, folder: PathBuf) -> Result<Kept, PartError> {
        let Ok(version) = fs::read_to_string(folder.join(STAMP)) else {
            return Err(PartError::Missing {
                part: self.part,
                name: self.name,
            });
        };
        Ok(Kept {
            version: version.trim().to_owned(),
            folder,
        })
    }
}

/// Downloads Debian packages with what they need, and unpacks them into `root` in the folder; the version
/// of the first one, as Debian counts.
pub(super) fn unpack_debian(folder: &Path, packages: &[&str]) -> Result<String, PartError> {
    let apt_folder = folder.join("apt");
    let apt = Apt::in_folder(&apt_folder, Release::Unstable)?;
    apt.unpack(packages, &folder.join("root"))?;
    let version = apt.version_of(packages.first().copied().unwrap_or_default())?;
    apt.remove()?;
    Ok(version)
}
