//! s3s-fs: an S3 server on files, in Rust. Its signatures are exact, its conditions are not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{PartError, cache, cache_folder, step};

const KEPT_AS: &str = "s3s-fs-0.14.1-1";

const VERSION: &str = "0.14.1";

/// Written last.
const STAMP: &str = "version";

/// s3s-fs, built from its own lock file.
#[derive(Debug, Clone)]
pub struct S3sFsPart {
    kept: PathBuf,
}

impl S3sFsPart {
    /// What was set up on this machine.
    pub fn find() -> Result<Self, PartError> {
        Self::in_folder(&cache_folder("parts")?.join(KEPT_AS))
    }

    /// What was set up, or builds it, which takes a minute or two.
    pub fn set_up() -> Result<Self, PartError> {
        Self::in_folder(&cache::keep(KEPT_AS, STAMP, make)?)
    }

    /// Its version.
    pub fn version(&self) -> &'static str {
        VERSION
    }

    /// The server; arguments are still to be added.
    pub(crate) fn server(&self) -> Command {
        Command::new(self.kept.join("bin/s3s-fs"))
    }

    fn in_folder(kept: &Path) -> Result<Self, PartError> {
        if !kept.join(STAMP).is_file() {
            return Err(PartError::Missing {
                part: "s3s-fs",
                name: "s3",
            });
        }
        Ok(Self {
            kept: kept.to_owned(),
        })
    }
}

fn make(folder: &Path) -> Result<(), PartError> {
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
    let stamp = folder.join(STAMP);
    fs::write(&stamp, VERSION).map_err(PartError::file("cannot write", &stamp))
}
