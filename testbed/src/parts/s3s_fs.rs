//! s3s-fs: an S3 server on files, in Rust. Its signatures are exact, its conditions are not.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::recipe::{Kept, Recipe};
use super::{PartError, cache, step};

const S3S_FS: Recipe = Recipe {
    kept_as: "s3s-fs-0.14.1-1",
    part: "s3s-fs",
    name: "s3",
    make,
};

const VERSION: &str = "0.14.1";

/// s3s-fs, built from its own lock file.
#[derive(Debug, Clone)]
pub struct S3sFsPart {
    kept: Kept,
}

impl S3sFsPart {
    /// What was set up on this machine.
    pub fn find() -> Result<Self, PartError> {
        S3S_FS.find().map(|kept| Self { kept })
    }

    /// What was set up, or builds it, which takes a minute or two.
    pub fn set_up() -> Result<Self, PartError> {
        S3S_FS.set_up().map(|kept| Self { kept })
    }

    /// Its version.
    pub fn version(&self) -> &str {
        &self.kept.version
    }

    /// The server; arguments are still to be added.
    pub(crate) fn server(&self) -> Command {
        Command::new(self.kept.folder.join("bin/s3s-fs"))
    }
}

fn make(folder: &Path) -> Result<String, PartError> {
    fs::create_dir_all(folder).map_err(PartError::file("cannot make", folder))?;
    let build = folder.join("build");
    let mut install = Command::new("cargo");
    install
        .args(["install", "s3s-fs", "--version"])
        .arg(format!("={VERSION}"))
        .args(["--features", "binary", "--locked", "--root"])
        .arg(folder)
        .env("CARGO_TARGET_DIR", &build)
        // Quick to build; how fast it runs does not matter.
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    step("building s3s-fs", install, &folder.with_extension("log"))?;
    cache::remove(&build)?;
    Ok(VERSION.to_owned())
}
