//! wrk: a load generator.

use std::process::Command;

use super::recipe::{Recipe, unpack_debian};
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
}

impl WrkPart {
    /// What was set up on this machine, or sets it up: some 10 MB are downloaded.
    pub fn set_up() -> Result<Self, PartError> {
        let unpacked = WRK.set_up()?.unpacked()?;
        Ok(Self { unpacked })
    }

    /// The program; arguments are still to be added.
    pub fn wrk(&self) -> Command {
        self.unpacked.command("usr/bin/wrk")
    }
}
