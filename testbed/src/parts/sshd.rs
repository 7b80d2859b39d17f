//! OpenSSH's server.

use std::path::Path;
use std::process::Command;

use super::recipe::{Kept, Recipe, unpack_debian};
use super::{PartError, Unpacked};

const SSHD: Recipe = Recipe {
    kept_as: "sshd-1",
    part: "sshd",
    name: "sshd",
    make,
};

/// sshd, unpacked.
#[derive(Debug, Clone)]
pub struct SshdPart {
    unpacked: Unpacked,
    version: String,
}

impl SshdPart {
    /// What was set up on this machine.
    pub fn find() -> Result<Self, PartError> {
        Self::of(SSHD.find()?)
    }

    /// What was set up, or sets it up: some 20 MB are downloaded.
    pub fn set_up() -> Result<Self, PartError> {
        Self::of(SSHD.set_up()?)
    }

    /// Its version, as Debian counts.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The server.
    pub(crate) fn sshd(&self) -> Command {
        self.unpacked.command("usr/sbin/sshd")
    }

    /// Scripts that are the two programs which the server starts for each connection: they need its
    /// libraries, too. The option of its configuration, and the script.
    pub(crate) fn helpers(&self) -> [(&'static str, &'static str, String); 2] {
        [
            ("SshdSessionPath", "sshd-session"),
            ("SshdAuthPath", "sshd-auth"),
        ]
        .map(|(option, name)| {
            let script = self.unpacked.script(&format!("usr/lib/openssh/{name}"));
            (option, name, script)
        })
    }

    fn of(kept: Kept) -> Result<Self, PartError> {
        Ok(Self {
            unpacked: kept.unpacked()?,
            version: kept.version,
        })
    }
}

fn make(folder: &Path) -> Result<String, PartError> {
    let version = unpack_debian(folder, &["openssh-server"])?;
    // Servers before 9.8 are one program, and have no options for the other two.
    if !folder.join("root/usr/lib/openssh/sshd-auth").is_file() {
        return Err(PartError::Unexpected(format!(
            "openssh-server {version} has no sshd-auth; 10.0 or newer is expected"
        )));
    }
    Ok(version)
}
