//! Cargo's tools that the tests run, built once for all checkouts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::cache;
use crate::process::Run;
use crate::stop::{Interrupt, Outcome, failed};
use crate::terminal::Terminal;
use crate::workspace::Workspace;

/// A program from crates.io. The version is known to build with the pinned toolchain from its own lock file.
struct Tool {
    name: &'static str,
    version: &'static str,
}

const CARGO_DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
};

const CARGO_FUZZ: Tool = Tool {
    name: "cargo-fuzz",
    version: "0.13.2",
};

/// Of the same version as the library in `Cargo.lock`, or it refuses.
const GUNGRAUN_RUNNER: Tool = Tool {
    name: "gungraun-runner",
    version: "0.20.0",
};

/// About a minute on a small machine when nothing else runs.
const INSTALL_DEADLINE: Duration = Duration::from_secs(20 * 60);

/// The program, linked from `target/testbed/tools`, and how it was got.
pub(crate) fn cargo_deny(
    workspace: &Workspace,
    terminal: &Terminal,
    interrupt: &Interrupt,
) -> Outcome<(PathBuf, String)> {
    CARGO_DENY.set_up(workspace, terminal, interrupt)
}

/// The same for the program that builds the fuzz targets.
pub(crate) fn cargo_fuzz(
    workspace: &Workspace,
    terminal: &Terminal,
    interrupt: &Interrupt,
) -> Outcome<(PathBuf, String)> {
    CARGO_FUZZ.set_up(workspace, terminal, interrupt)
}

/// The same for the program that runs a bench under valgrind.
pub(crate) fn gungraun_runner(
    workspace: &Workspace,
    terminal: &Terminal,
    interrupt: &Interrupt,
) -> Outcome<(PathBuf, String)> {
    GUNGRAUN_RUNNER.set_up(workspace, terminal, interrupt)
}

impl Tool {
    fn set_up(
        &self,
        workspace: &Workspace,
        terminal: &Terminal,
        interrupt: &Interrupt,
    ) -> Outcome<(PathBuf, String)> {
        let Self { name, version } = self;
        let tools = cache::folder("tools")?;
        let kept = tools.join(format!("{name}-{version}"));
        let program = kept.join("bin").join(name);
        let how = if self.runs(&program) {
            "from the cache"
        } else {
            self.install(workspace, &tools, &kept, terminal, interrupt)?;
            "built and cached"
        };
        let link = workspace.testbed("tools")?.join(name);
        cache::link(&link, &program)?;
        Ok((link, format!("{name} {version}, {how}")))
    }

    fn install(
        &self,
        workspace: &Workspace,
        tools: &Path,
        kept: &Path,
        terminal: &Terminal,
        interrupt: &Interrupt,
    ) -> Outcome<()> {
        let log = workspace
            .testbed("logs")?
            .join(format!("install-{}.log", self.name));
        // Elsewhere first: what stands under its name in the cache is whole.
        let fresh = tempfile::tempdir_in(tools)
            .map_err(|error| failed("cannot write to the cache folder", error))?;
        let mut command = workspace.cargo();
        command
            .args([
                "install",
                self.name,
                "--version",
                &format!("={}", self.version),
                "--locked",
                "--debug",
                "--root",
            ])
            .arg(fresh.path())
            .env("CARGO_TARGET_DIR", workspace.testbed("build")?)
            .env("CARGO_PROFILE_DEV_DEBUG", "0");
        Run {
            name: &format!("installing {}", self.name),
            command,
            log: &log,
            deadline: INSTALL_DEADLINE,
        }
        .must_succeed(terminal, interrupt)?;
        // A left-over that does not run, or another checkout that was quicker.
        if kept.exists() && !self.runs(&kept.join("bin").join(self.name)) {
            fs::remove_dir_all(kept)
                .map_err(|error| failed(format!("cannot replace {}", kept.display()), error))?;
        }
        match fs::rename(fresh.path(), kept) {
            Err(error) if !kept.exists() => {
                Err(failed(format!("cannot keep {}", kept.display()), error))
            }
            _ => Ok(()),
        }
    }

    /// Whether it is there and whole.
    fn runs(&self, program: &Path) -> bool {
        Command::new(program)
            .arg("--version")
            .output()
            .is_ok_and(|output| {
                output.status.success()
                    && String::from_utf8_lossy(&output.stdout).contains(self.version)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runner_is_of_the_version_of_its_library() {
        let version = GUNGRAUN_RUNNER.version;
        let locked = format!("name = \"gungraun\"\nversion = \"{version}\"\n");
        assert!(include_str!("../../../Cargo.lock").contains(&locked));
    }
}
