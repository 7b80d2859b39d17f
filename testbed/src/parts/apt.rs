//! Debian packages, downloaded with apt and a private configuration, and unpacked into a folder.
//!
//! Where the packages come from, and through which proxy, is read from this machine's own apt; lists,
//! downloads and state are kept in a folder of ours. Nothing is installed, no system file is changed,
//! none of the system's hooks run. Signatures are checked as always.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{PartError, step};

/// The keys that Debian signs its releases with.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Which release packages are taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Release {
    /// Debian's unstable, with all the libraries that a program needs: it runs on libraries of its own.
    Unstable,
}

/// A private apt in a folder.
pub(super) struct Apt<'a> {
    folder: &'a Path,
    release: Release,
}

impl<'a> Apt<'a> {
    pub(super) fn in_folder(folder: &'a Path, release: Release) -> Result<Self, PartError> {
        let apt = Self { folder, release };
        for name in ["state", "lists/partial", "cache/archives/partial"] {
            let path = folder.join(name);
            fs::create_dir_all(&path).map_err(PartError::file("cannot make", &path))?;
        }
        // No package counts as installed, so that each one needed is downloaded.
        apt.write("status", "")?;
        apt.write("sources.sources", &apt.sources()?)?;
        apt.write("apt.conf", &apt.configuration()?)?;
        Ok(apt)
    }

    /// Downloads packages with everything they depend on and unpacks all of it into `root`.
    pub(super) fn unpack(&self, packages: &[&str], root: &Path) -> Result<(), PartError> {
        let mut update = self.apt_get();
        update.arg("update");
        step(
            "downloading Debian's list of packages",
            update,
            &self.folder.join("update.log"),
        )?;
        let mut download = self.apt_get();
        download
            .args([
                "--yes",
                "--download-only",
                "--no-install-recommends",
                "install",
            ])
            .args(packages);
        let doing = format!("downloading {}", packages.join(", "));
        step(&doing, download, &self.folder.join("download.log"))?;
        fs::create_dir_all(root).map_err(PartError::file("cannot make", root))?;
        for package in self.downloaded()? {
            let mut unpack = Command::new("dpkg-deb");
            unpack.arg("--extract").arg(&package).arg(root);
            step(
                "unpacking a package",
                unpack,
                &self.folder.join("unpack.log"),
            )?;
        }
        Ok(())
    }

    /// The version of a downloaded package.
    pub(super) fn version_of(&self, package: &str) -> Result<String, PartError> {
        let start = format!("{package}_");
        let found = self.downloaded()?.into_iter().find_map(|path| {
            // name_version_architecture.deb, with `:` written as %3a.
            let rest = path.file_name()?.to_str()?.strip_prefix(&start)?.to_owned();
            let (version, _) = rest.split_once('_')?;
            Some(version.replace("%3a", ":"))
        });
        found.ok_or_else(|| PartError::Unexpected(format!("apt did not download {package}")))
    }

    /// Removes lists and packages.
    pub(super) fn remove(self) -> Result<(), PartError> {
        super::cache::remove(self.folder)
    }

    fn downloaded(&self) -> Result<Vec<PathBuf>, PartError> {
        let folder = self.folder.join("cache/archives");
        let entries = fs::read_dir(&folder).map_err(PartError::file("cannot read", &folder))?;
        Ok(entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "deb"))
            .collect())
    }

    fn apt_get(&self) -> Command {
        let mut command = Command::new("apt-get");
        command
            .arg("--quiet")
            .env("APT_CONFIG", self.folder.join("apt.conf"))
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("LC_ALL", "C.UTF-8");
        command
    }

    fn write(&self, name: &str, text: &str) -> Result<(), PartError> {
        let path = self.folder.join(name);
        fs::write(&path, text).map_err(PartError::file("cannot write", &path))
    }

    fn sources(&self) -> Result<String, PartError> {
        let mirror = mirror()?;
        let suite = match self.release {
            Release::Unstable => "sid",
        };
        Ok(format!(
            "Types: deb\nURIs: {mirror}\nSuites: {suite}\nComponents: main\nSigned-By: {KEYRING}\n"
        ))
    }

    /// How this machine's apt reaches its mirror (proxies, certificates), and our folders.
    fn configuration(&self) -> Result<String, PartError> {
        let dump = output_of(Command::new("apt-config").arg("dump"))?;
        let mut text = String::new();
        for line in dump.lines() {
            // Index targets of other programs (package descriptions, icons) are no use here.
            if line.starts_with("Acquire::") && !line.starts_with("Acquire::IndexTargets") {
                let _ = writeln!(text, "{line}");
            }
        }
        let folder = self.folder.display();
        let _ = write!(
            text,
            "Acquire::Languages \"none\";\n\
             Acquire::Retries \"3\";\n\
             Acquire::http::Timeout \"30\";\n\
             Acquire::https::Timeout \"30\";\n\
             APT::Sandbox::User \"\";\n\
             Dir::Etc::Parts \"/dev/null\";\n\
             Dir::Etc::Main \"/dev/null\";\n\
             Dir::Etc::SourceParts \"/dev/null\";\n\
             Dir::Etc::PreferencesParts \"/dev/null\";\n\
             Dir::Etc::Preferences \"/dev/null\";\n\
             Dir::Etc::SourceList \"{folder}/sources.sources\";\n\
             Dir::State \"{folder}/state\";\n\
             Dir::State::Lists \"{folder}/lists\";\n\
             Dir::State::Status \"{folder}/status\";\n\
             Dir::Cache \"{folder}/cache\";\n"
        );
        Ok(text)
    }
}

/// The first address that this machine's apt takes Debian itself from.
fn mirror() -> Result<String, PartError> {
    let targets = output_of(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(REPO_URI)",
        "Created-By: Packages",
    ]))?;
    targets
        .lines()
        .map(|line| line.trim_end_matches('/'))
        .find(|uri| uri.ends_with("/debian"))
        .map(str::to_owned)
        .ok_or_else(|| {
            PartError::Unexpected(
                "this machine's apt has no Debian mirror (an address ending in /debian) in its sources"
                    .to_owned(),
            )
        })
}

fn output_of(command: &mut Command) -> Result<String, PartError> {
    let name = command.get_program().to_string_lossy().into_owned();
    let missing = || {
        PartError::Unexpected(format!(
            "`{name}` did not run: the real parts come as Debian packages, so this needs a Debian with apt"
        ))
    };
    let output = command
        .env("LC_ALL", "C.UTF-8")
        .output()
        .map_err(|_| missing())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(missing())
    }
}
