//! OpenSSH's server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::apt::{Apt, Release};
use super::{PartError, Unpacked, cache, cache_folder};

/// Changed when what is kept in the cache changes its form.
const KEPT_AS: &str = "sshd-1";

/// Written last: the version that is unpacked. Half a folder has none.
const STAMP: &str = "version";

/// sshd, unpacked.
#[derive(Debug, Clone)]
pub struct SshdPart {
    unpacked: Unpacked,
    version: String,
}

impl SshdPart {
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

    fn in_folder(kept: &Path) -> Result<Self, PartError> {
        let Ok(version) = fs::read_to_string(kept.join(STAMP)) else {
            return Err(PartError::Missing {
                part: "sshd",
                name: "sshd",
            });
        };
        Ok(Self {
            unpacked: Unpacked::in_folder(kept.join("root"))?,
            version: version.trim().to_owned(),
        })
    }
}

fn make(folder: &Path) -> Result<(), PartError> {
    let apt_folder: PathBuf = folder.join("apt");
    let apt = Apt::in_folder(&apt_folder, Release::Unstable)?;
    let root = folder.join("root");
    apt.unpack(&["openssh-server"], &root)?;
    let version = apt.version_of("openssh-server")?;
    // Servers before 9.8 are one program, and have no options for the other two.
    if !root.join("usr/lib/openssh/sshd-auth").is_file() {
        return Err(PartError::Unexpected(format!(
            "openssh-server {version} has no sshd-auth; 10.0 or newer is expected"
        )));
    }
    apt.remove()?;
    let stamp = folder.join(STAMP);
    fs::write(&stamp, version).map_err(PartError::file("cannot write", &stamp))
}
