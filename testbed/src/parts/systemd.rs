//! `systemd-analyze`, and the units that systemd brings.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::apt::{Apt, Release};
use super::{PartError, Unpacked, cache, cache_folder};

/// Changed when what is kept in the cache changes its form.
const KEPT_AS: &str = "systemd-1";

/// Written last: the version that is unpacked. Half a folder has none.
const STAMP: &str = "version";

/// `systemd-analyze`, unpacked.
#[derive(Debug, Clone)]
pub struct SystemdPart {
    unpacked: Unpacked,
    version: String,
}

impl SystemdPart {
    /// What was set up on this machine.
    pub fn find() -> Result<Self, PartError> {
        Self::in_folder(&cache_folder("parts")?.join(KEPT_AS))
    }

    /// What was set up, or sets it up: some 20 MB are downloaded.
    pub fn set_up() -> Result<Self, PartError> {
        Self::in_folder(&cache::keep(KEPT_AS, STAMP, make)?)
    }

    /// Its version, as Debian counts.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The command; arguments are still to be added.
    pub fn analyze(&self) -> Command {
        self.unpacked
            .command_with("usr/bin/systemd-analyze", "systemd")
    }

    /// The folder that stands for `/`.
    pub fn root(&self) -> &Path {
        self.unpacked.root()
    }

    fn in_folder(kept: &Path) -> Result<Self, PartError> {
        let Ok(version) = fs::read_to_string(kept.join(STAMP)) else {
            return Err(PartError::Missing {
                part: "systemd",
                name: "systemd",
            });
        };
        Ok(Self {
            unpacked: Unpacked::in_folder(kept.join("root"))?,
            version: version.trim().to_owned(),
        })
    }
}

fn make(folder: &Path) -> Result<(), PartError> {
    let apt_folder = folder.join("apt");
    let apt = Apt::in_folder(&apt_folder, Release::Unstable)?;
    apt.unpack(&["systemd"], &folder.join("root"))?;
    let version = apt.version_of("systemd")?;
    apt.remove()?;
    let stamp = folder.join(STAMP);
    fs::write(&stamp, version).map_err(PartError::file("cannot write", &stamp))
}
