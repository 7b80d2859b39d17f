//! wrk: a load generator.

use std::process::Command;

use super::recipe::{Kept, Recipe, unpack_debian};
use super::{PartError, Unpacked};

const WRK: Recipe = Recipe {
    kept_as: "wrk-1",
    part: "wrk",
    name: "wrk",
    make: |folder| unpack_debian(folder, &["wrk"]),
};

/// wrk, unpacked.
#[derive(Debug, Clone)]
pub struct WrkPart {
    unpacked: Unpacked,
    version: String,
}

impl WrkPart {
    /// What was set up on this machine, or sets it up: some 10 MB are downloaded.
    pub fn set_up() -> Result<Self, PartError> {
        Self::of(WRK.set_up()?)
    }

    /// Its version, as Debian counts.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The program; arguments are still to be added.
    pub fn wrk(&self) -> Command {
        self.unpacked.command("usr/bin/wrk")
    }

    fn of(kept: Kept) -> Result<Self, PartError> {
        Ok(Self {
            unpacked: Unpacked::in_folder(kept.folder.join("root"))?,
            version: kept.version,
        })
    }
}
