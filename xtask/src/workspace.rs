//! Where the workspace and its target folder are, and how cargo is called from here.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::stop::{Outcome, Stop, failed};

/// Set by `cargo run` for this program alone; build scripts that look at them would run again for nothing.
const OURS_ALONE: [&str; 12] = [
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "CARGO_PKG_AUTHORS",
    "CARGO_PKG_DESCRIPTION",
    "CARGO_PKG_LICENSE",
    "CARGO_PKG_NAME",
    "CARGO_PKG_REPOSITORY",
    "CARGO_PKG_RUST_VERSION",
    "CARGO_PKG_VERSION",
    "CARGO_PRIMARY_PACKAGE",
    "CARGO_BIN_NAME",
    "CARGO_CRATE_NAME",
];

/// The checkout this program was started in.
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// Asks cargo, so that every way to set the target folder counts.
    pub(crate) fn find() -> Outcome<Self> {
        let manifest =
            env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&manifest)
            .parent()
            .map(Path::to_owned)
            .ok_or_else(|| Stop::because("run this as `cargo xtask` in a checkout".to_owned()))?;
        let output = cargo_in(&root)
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .output()
            .map_err(|error| {
                failed(
                    "cannot run cargo (install Rust from https://rustup.rs)",
                    error,
                )
            })?;
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr);
            return Err(failed("cargo cannot read the workspace", reason.trim()));
        }
        let metadata: Value = serde_json::from_slice(&output.stdout)
            .map_err(|error| failed("cargo metadata is not JSON", error))?;
        let target = metadata["target_directory"]
            .as_str()
            .map(PathBuf::from)
            .ok_or_else(|| Stop::because("cargo metadata names no target folder".to_owned()))?;
        Ok(Self { root, target })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A folder for logs and tools under the target folder, made when it is not there.
    pub(crate) fn testbed(&self, name: &str) -> Outcome<PathBuf> {
        let folder = self.target.join("testbed").join(name);
        fs::create_dir_all(&folder).map_err(|error| self.not_writable(&error))?;
        // A folder that was there may still be read-only.
        tempfile::tempfile_in(&folder).map_err(|error| self.not_writable(&error))?;
        Ok(folder)
    }

    /// Cargo, in the root of the workspace, without colours.
    pub(crate) fn cargo(&self) -> Command {
        let mut cargo = cargo_in(&self.root);
        cargo.env("CARGO_TERM_COLOR", "never");
        cargo
    }

    fn not_writable(&self, error: &std::io::Error) -> Stop {
        Stop::because(format!(
            "cannot write to {}: {error}; make it writable, or set CARGO_TARGET_DIR to a folder you can write",
            self.target.display()
        ))
    }
}

/// The environment of this process, without what `cargo run` set for it alone.
pub(crate) fn without_cargo_run(command: &mut Command) {
    for key in OURS_ALONE {
        command.env_remove(key);
    }
}

fn cargo_in(root: &Path) -> Command {
    // `cargo run` says which cargo it is.
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    without_cargo_run(&mut cargo);
    cargo.current_dir(root);
    cargo
}
