//! nginx.

use std::process::Command;

use super::recipe::{Kept, Recipe, unpack_debian};
use super::{PartError, Unpacked};

const NGINX: Recipe = Recipe {
    kept_as: "nginx-1",
    part: "nginx",
    name: "nginx",
    make: |folder| unpack_debian(folder, &["nginx"]),
};

/// nginx, unpacked.
#[derive(Debug, Clone)]
pub struct NginxPart {
    unpacked: Unpacked,
    version: String,
}

impl NginxPart {
    /// What was set up on this machine.
    pub fn find() -> Result<Self, PartError> {
        Self::of(NGINX.find()?)
    }

    /// What was set up, or sets it up: some 15 MB are downloaded.
    pub fn set_up() -> Result<Self, PartError> {
        Self::of(NGINX.set_up()?)
    }

    /// Its version, as Debian counts.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The server; arguments are still to be added.
    pub fn nginx(&self) -> Command {
        self.unpacked.command("usr/sbin/nginx")
    }

    /// A shell script that is the server.
    pub fn script(&self) -> String {
        self.unpacked.script("usr/sbin/nginx")
    }

    fn of(kept: Kept) -> Result<Self, PartError> {
        Ok(Self {
            unpacked: kept.unpacked()?,
            version: kept.version,
        })
    }
}
