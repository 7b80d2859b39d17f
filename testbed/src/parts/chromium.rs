//! Chromium without a screen, and Playwright that drives it.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::recipe::{Kept, Recipe, unpack_debian};
use super::{PartError, Unpacked, cache_folder, step};

const CHROMIUM: Recipe = Recipe {
    kept_as: "chromium-1",
    part: "Chromium",
    name: "chromium",
    make,
};

/// The browser, in what was unpacked.
const BROWSER: &str = "usr/lib/chromium/chromium-headless-shell";

/// What Playwright is pinned in, with the hash of what is downloaded.
const PINNED_IN: &str = "../web-tests";

/// Chromium, unpacked, and Playwright beside it.
#[derive(Debug, Clone)]
pub struct ChromiumPart {
    kept: PathBuf,
    libraries: OsString,
    version: String,
}

impl ChromiumPart {
    /// What was set up on this machine.
    pub fn find() -> Result<Self, PartError> {
        Self::of(CHROMIUM.find()?)
    }

    /// What was set up, or sets it up: some 120 MB are downloaded.
    pub fn set_up() -> Result<Self, PartError> {
        Self::of(CHROMIUM.set_up()?)
    }

    /// Its version, as Debian counts.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Node with a program of `web-tests/` that finds the browser and Playwright by its environment.
    pub fn node(&self, program: &str) -> Command {
        let mut node = Command::new("node");
        node.arg(pinned_in().join(program))
            .env("CHROMIUM", self.kept.join("root").join(BROWSER))
            .env("CHROMIUM_LIBRARIES", &self.libraries)
            .env("PLAYWRIGHT", self.kept.join("node"));
        node
    }

    fn of(kept: Kept) -> Result<Self, PartError> {
        let unpacked = kept.unpacked()?;
        Ok(Self {
            libraries: search_path(&unpacked)?,
            version: kept.version,
            kept: kept.folder,
        })
    }
}

/// The folder of the libraries, and those in it: some libraries keep their parts apart.
fn search_path(unpacked: &Unpacked) -> Result<OsString, PartError> {
    let libraries = unpacked.libraries();
    let inside = fs::read_dir(libraries).map_err(PartError::file("cannot read", libraries))?;
    let inside = inside.flatten().map(|entry| entry.path());
    let folders = inside.filter(|path| path.is_dir());
    env::join_paths([libraries.to_owned()].into_iter().chain(folders))
        .map_err(|_| PartError::Unexpected("the cache folder's path has a colon".to_owned()))
}

fn pinned_in() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(PINNED_IN)
}

fn make(folder: &Path) -> Result<String, PartError> {
    let version = unpack_debian(folder, &["chromium-headless-shell", "patchelf"])?;
    starts_by_itself(folder, &Unpacked::in_folder(folder.join("root"))?)?;
    playwright(folder)?;
    Ok(version)
}

/// The browser starts itself again for every page, by its own file, so it must name its loader itself.
fn starts_by_itself(folder: &Path, unpacked: &Unpacked) -> Result<(), PartError> {
    // The place to which the folder is moved when it is whole.
    let kept = cache_folder("parts")?.join(CHROMIUM.kept_as);
    let loader = unpacked.loader();
    let loader = loader.strip_prefix(folder).unwrap_or(loader);
    let mut patch = unpacked.command("usr/bin/patchelf");
    patch
        .arg("--set-interpreter")
        .arg(kept.join(loader))
        .arg(unpacked.root().join(BROWSER));
    let log = folder.join("patchelf.log");
    step("setting Chromium's loader", patch, &log)
}

fn playwright(folder: &Path) -> Result<(), PartError> {
    let node = folder.join("node");
    fs::create_dir_all(&node).map_err(PartError::file("cannot make", &node))?;
    for file in ["package.json", "package-lock.json"] {
        let (from, to) = (pinned_in().join(file), node.join(file));
        fs::copy(&from, &to).map_err(PartError::file("cannot copy", &from))?;
    }
    let mut install = Command::new("npm");
    install
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .arg("--cache")
        .arg(cache_folder("npm")?)
        .current_dir(&node);
    step("installing Playwright", install, &folder.join("npm.log"))
}
