//! moto: an S3 server in memory, in Python. Its conditions are exact, its signatures are not looked at.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{PartError, cache, cache_folder, step};

/// Changed with `requirements.txt`, or when what is kept in the cache changes its form.
const KEPT_AS: &str = "moto-5.2.5-1";

/// Written last: the version that is there. Half a folder has none.
const STAMP: &str = "version";

const VERSION: &str = "5.2.5";

/// Pinned with the hashes of what is downloaded.
const REQUIREMENTS: &str = include_str!("../../s3/requirements.txt");

/// moto, in a Python environment of its own.
#[derive(Debug, Clone)]
pub struct MotoPart {
    kept: std::path::PathBuf,
}

impl MotoPart {
    /// What was set up on this machine.
    pub fn find() -> Result<Self, PartError> {
        Self::in_folder(&cache_folder("parts")?.join(KEPT_AS))
    }

    /// What was set up, or sets it up: some 40 MB are downloaded.
    pub fn set_up() -> Result<Self, PartError> {
        Self::in_folder(&cache::keep(KEPT_AS, STAMP, make)?)
    }

    /// Its version.
    pub fn version(&self) -> &'static str {
        VERSION
    }

    /// The server; arguments are still to be added.
    pub(crate) fn server(&self) -> Command {
        // The environment was moved after it was made: its scripts name the old place, this does not.
        let mut command = Command::new(self.kept.join("bin/python"));
        command.args(["-I", "-m", "moto.server"]);
        command
    }

    fn in_folder(kept: &Path) -> Result<Self, PartError> {
        if !kept.join(STAMP).is_file() {
            return Err(PartError::Missing {
                part: "moto",
                name: "s3",
            });
        }
        Ok(Self {
            kept: kept.to_owned(),
        })
    }
}

fn make(folder: &Path) -> Result<(), PartError> {
    let log = folder.with_extension("log");
    let mut environment = Command::new("python3");
    environment.args(["-m", "venv"]).arg(folder);
    step("making a Python environment for moto", environment, &log)?;
    let requirements = folder.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS)
        .map_err(PartError::file("cannot write", &requirements))?;
    let mut install = Command::new(folder.join("bin/python"));
    install
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ])
        .args(["--require-hashes", "--only-binary", ":all:", "--cache-dir"])
        .arg(cache_folder("pip")?)
        .arg("--requirement")
        .arg(&requirements);
    step("installing moto", install, &log)?;
    let stamp = folder.join(STAMP);
    fs::write(&stamp, VERSION).map_err(PartError::file("cannot write", &stamp))
}
