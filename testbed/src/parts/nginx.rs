//! nginx.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::apt::{Apt, Release};
use super::{PartError, Unpacked, cache, cache_folder};

/// Changed when what is kept in the cache changes its form.
const KEPT_AS: &str = "nginx-1";

/// Written last: the version that is unpacked. Half a folder has none.
const STAMP: &str = "version";

/// nginx, unpacked.
#[derive(Debug, Clone)]
pub struct NginxPart {
    unpacked: Unpacked,
    version: String,
}

impl NginxPart {
    /// What was set up on this machine.
    pub fn find() -> Result<Self, PartError> {
        Self::in_folder(&cache_folder("parts")?.join(KEPT_AS))
    }

    /// What was set up, or sets it up: some 15 MB are downloaded.
    pub fn set_up() -> Result<Self, PartError> {
        Self::in_folder(&cache::keep(KEPT_AS, STAMP, make)?)
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

    fn in_folder(kept: &Path) -> Result<Self, PartError> {
        let Ok(version) = fs::read_to_string(kept.join(STAMP)) else {
            return Err(PartError::Missing {
                part: "nginx",
                name: "nginx",
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
    apt.unpack(&["nginx"], &folder.join("root"))?;
    let version = apt.version_of("nginx")?;
    apt.remove()?;
    let stamp = folder.join(STAMP);
    fs::write(&stamp, version).map_err(PartError::file("cannot write", &stamp))
}
