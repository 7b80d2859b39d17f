//! `systemd-analyze`, and the units that systemd brings.

use std::path::Path;
use std::process::Command;

use super::recipe::{Kept, Recipe, unpack_debian};
use super::{PartError, Unpacked};

const SYSTEMD: Recipe = Recipe {
    kept_as: "systemd-1",
    part: "systemd",
    name: "systemd",
    make: |folder| unpack_debian(folder, &["systemd"]),
};

/// `systemd-analyze`, unpacked.
#[derive(Debug, Clone)]
pub struct SystemdPart {
    unpacked: Unpacked,
    version: String,
}

impl SystemdPart {
    /// What was set up on this machine.
    pub fn find() -> Result<Self, PartError> {
        Self::of(SYSTEMD.find()?)
    }

    /// What was set up, or sets it up: some 20 MB are downloaded.
    pub fn set_up() -> Result<Self, PartError> {
        Self::of(SYSTEMD.set_up()?)
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

    fn of(kept: Kept) -> Result<Self, PartError> {
        Ok(Self {
            unpacked: kept.unpacked()?,
            version: kept.version,
        })
    }
}
