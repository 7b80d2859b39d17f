//! PM2, from npm's registry, by the lock file in `testbed/pm2`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{PartError, cache, cache_folder, step};

/// Changed when what is kept in the cache changes its form.
const KEPT_AS: &str = "pm2-7.0.4";

/// Written last: the lock file that it was made from. Half a folder has none.
const STAMP: &str = "made-from";

const PACKAGE: &str = include_str!("../../pm2/package.json");
const LOCK: &str = include_str!("../../pm2/package-lock.json");

/// PM2, installed in a folder of its own.
#[derive(Debug, Clone)]
pub struct Pm2Part {
    folder: PathBuf,
}

impl Pm2Part {
    /// What was set up on this machine.
    pub fn find() -> Result<Self, PartError> {
        Self::in_folder(cache_folder("parts")?.join(KEPT_AS))
    }

    /// What was set up, or sets it up with npm: some 10 MB are downloaded.
    pub fn set_up() -> Result<Self, PartError> {
        Self::in_folder(cache::keep(KEPT_AS, STAMP, make)?)
    }

    /// Its version.
    pub fn version(&self) -> &'static str {
        KEPT_AS.trim_start_matches("pm2-")
    }

    /// Its folder, with `node_modules` in it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn in_folder(folder: PathBuf) -> Result<Self, PartError> {
        if fs::read_to_string(folder.join(STAMP)).is_ok_and(|lock| lock == LOCK) {
            return Ok(Self { folder });
        }
        Err(PartError::Missing {
            part: "pm2",
            name: "pm2",
        })
    }
}

fn make(folder: &Path) -> Result<(), PartError> {
    fs::create_dir_all(folder).map_err(PartError::file("cannot make", folder))?;
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).map_err(PartError::file("cannot write", &path))
    };
    write("package.json", PACKAGE)?;
    write("package-lock.json", LOCK)?;
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--omit=optional"])
        .args(["--no-audit", "--no-fund", "--cache"])
        .arg(cache_folder("npm")?)
        .current_dir(folder);
    step("installing pm2", npm, &folder.join("npm.log"))?;
    write(STAMP, LOCK)
}
