//! moto: an S3 server in memory, in Python. Its conditions are exact, its signatures are not looked at.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::recipe::{Kept, Recipe};
use super::{PartError, cache_folder, step};

const MOTO: Recipe = Recipe {
    // Changed with `requirements.txt` as well.
    kept_as: "moto-5.2.5-1",
    part: "moto",
    name: "s3",
    make,
};

const VERSION: &str = "5.2.5";

/// Pinned with the hashes of what is downloaded.
const REQUIREMENTS: &str = include_str!("../../s3/requirements.txt");

/// What starts it.
const ONE_AT_A_TIME: &str = include_str!("../../s3/one_at_a_time.py");

/// moto, in a Python environment of its own.
#[derive(Debug, Clone)]
pub struct MotoPart {
    kept: Kept,
}

impl MotoPart {
    /// What was set up on this machine.
    pub fn find() -> Result<Self, PartError> {
        MOTO.find().map(|kept| Self { kept })
    }

    /// What was set up, or sets it up: some 40 MB are downloaded.
    pub fn set_up() -> Result<Self, PartError> {
        MOTO.set_up().map(|kept| Self { kept })
    }

    /// Its version.
    pub fn version(&self) -> &str {
        &self.kept.version
    }

    /// The server; arguments are still to be added.
    pub(crate) fn server(&self) -> Command {
        // The environment was moved after it was made: its scripts name the old place, this does not.
        let mut command = Command::new(self.kept.folder.join("bin/python"));
        command.args(["-I", "-c", ONE_AT_A_TIME]);
        command
    }
}

fn make(folder: &Path) -> Result<String, PartError> {
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
    Ok(VERSION.to_owned())
}
