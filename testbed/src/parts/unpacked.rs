//! Packages unpacked in a folder, with libraries of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::PartError;

/// Unpacked packages whose programs run on the libraries unpacked with them, whatever the system has.
#[derive(Debug, Clone)]
pub struct Unpacked {
    root: PathBuf,
    loader: PathBuf,
    libraries: PathBuf,
}

impl Unpacked {
    /// Finds the dynamic loader and its libraries in what was unpacked.
    pub(super) fn in_folder(root: PathBuf) -> Result<Self, PartError> {
        let library = root.join("usr/lib");
        let folders = fs::read_dir(&library).map_err(PartError::file("cannot read", &library))?;
        for folder in folders.flatten().map(|entry| entry.path()) {
            // usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2, usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1
            let is_multiarch = folder.to_string_lossy().ends_with("-linux-gnu");
            if let Some(loader) = is_multiarch.then(|| loader_in(&folder)).flatten() {
                return Ok(Self {
                    root,
                    loader,
                    libraries: folder,
                });
            }
        }
        Err(PartError::Unexpected(format!(
            "there is no dynamic loader in {}",
            library.display()
        )))
    }

    /// The folder that stands for `/`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The dynamic loader.
    pub(super) fn loader(&self) -> &Path {
        &self.loader
    }

    /// The folder of the libraries.
    pub(super) fn libraries(&self) -> &Path {
        &self.libraries
    }

    /// A program in it, by its path without the leading `/`; arguments are still to be added.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(&self.loader);
        command
            .arg("--library-path")
            .arg(&self.libraries)
            .arg(self.root.join(program));
        command
    }

    /// The same for a program with further libraries in a folder beside the common ones.
    pub(super) fn command_with(&self, program: &str, folder: &str) -> Command {
        let more = self.libraries.join(folder);
        let mut command = Command::new(&self.loader);
        command
            .arg("--library-path")
            .arg(format!("{}:{}", self.libraries.display(), more.display()))
            .arg(self.root.join(program));
        command
    }

    /// A shell script that runs a program in it with its arguments, for where only a file will do.
    pub fn script(&self, program: &str) -> String {
        format!(
            "#!/bin/sh\nexec '{}' --library-path '{}' '{}' \"$@\"\n",
            self.loader.display(),
            self.libraries.display(),
            self.root.join(program).display()
        )
    }
}

fn loader_in(folder: &Path) -> Option<PathBuf> {
    let is_loader = |name: &str| name.starts_with("ld-linux") && name.contains(".so");
    fs::read_dir(folder)
        .ok()?
        .flatten()
        .find(|entry| entry.file_name().to_str().is_some_and(is_loader))
        .map(|entry| entry.path())
}
