//! The MySQL server and its clients, and a data folder as a new server makes it, to copy from.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::recipe::{Kept, Recipe, unpack_debian};
use super::{PartError, Unpacked, step};

const MYSQL: Recipe = Recipe {
    kept_as: "mysql-1",
    part: "MySQL",
    name: "mysql",
    make,
};

/// What the cluster is configured and the checker is written for.
const MAJOR_VERSION: &str = "9.";

/// MySQL, unpacked.
#[derive(Debug, Clone)]
pub struct MysqlPart {
    unpacked: Unpacked,
    template: PathBuf,
    version: String,
}

impl MysqlPart {
    /// What was set up on this machine.
    pub fn find() -> Result<Self, PartError> {
        Self::of(MYSQL.find()?)
    }

    /// What was set up, or sets it up: some 70 MB are downloaded.
    pub fn set_up() -> Result<Self, PartError> {
        Self::of(MYSQL.set_up()?)
    }

    /// Its version, as Debian counts: `9.7.4-2`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The folder that stands for `/`.
    pub fn root(&self) -> &Path {
        self.unpacked.root()
    }

    /// The server without a configuration file, told where its own files are.
    pub(crate) fn mysqld(&self) -> Command {
        let mut command = self.unpacked.command("usr/sbin/mysqld");
        command.arg("--no-defaults");
        self.own_files(&mut command);
        command
    }

    /// The server with a configuration file.
    pub(crate) fn mysqld_with(&self, configuration: &Path) -> Command {
        let mut command = self.unpacked.command("usr/sbin/mysqld");
        command.arg(format!("--defaults-file={}", configuration.display()));
        self.own_files(&mut command);
        command
    }

    /// A client program (`mysql`, `mysqldump`, `mysqladmin`).
    pub fn client(&self, name: &str) -> Command {
        self.unpacked.command(&format!("usr/bin/{name}"))
    }

    /// A shell script that is that client program.
    pub fn client_script(&self, name: &str) -> String {
        self.unpacked.script(&format!("usr/bin/{name}"))
    }

    /// Copies the data folder of a server that has never run to `to`.
    pub(crate) fn copy_template(&self, to: &Path, log: &Path) -> Result<(), PartError> {
        let mut copy = Command::new("cp");
        copy.args([
            "--recursive",
            "--preserve=mode",
            "--reflink=auto",
            "--sparse=always",
        ])
        .arg(&self.template)
        .arg(to);
        step("copying a data folder", copy, log)
    }

    fn own_files(&self, command: &mut Command) {
        let usr = self.root().join("usr");
        command
            .arg(format!("--basedir={}", usr.display()))
            .arg(format!("--lc-messages-dir={}/share/mysql", usr.display()))
            .arg(format!(
                "--character-sets-dir={}/share/mysql/charsets",
                usr.display()
            ))
            .arg(format!("--plugin-dir={}/lib/mysql/plugin", usr.display()));
        // Root must say that this is meant.
        if rustix::process::geteuid().is_root() {
            command.arg("--user=root");
        }
    }

    fn of(kept: Kept) -> Result<Self, PartError> {
        Ok(Self {
            unpacked: kept.unpacked()?,
            template: kept.folder.join("template"),
            version: kept.version,
        })
    }
}

fn make(folder: &Path) -> Result<String, PartError> {
    let version = unpack_debian(folder, &["mysql-server-core", "mysql-client-core"])?;
    if !version.starts_with(MAJOR_VERSION) {
        return Err(PartError::Unexpected(format!(
            "Debian's unstable has MySQL {version} now; the cluster and its checker are tested with {MAJOR_VERSION}x"
        )));
    }
    let part = MysqlPart::of(Kept {
        folder: folder.to_owned(),
        version,
    })?;
    let mut initialize = part.mysqld();
    initialize
        .arg("--initialize-insecure")
        .arg(format!("--datadir={}", part.template.display()))
        .args(["--secure-file-priv=NULL", "--auto-generate-certs=OFF"])
        // Small, since it is copied for every server.
        .arg("--innodb-redo-log-capacity=8M");
    step(
        "initializing a MySQL data folder",
        initialize,
        &folder.join("initialize.log"),
    )?;
    // Every server makes a `server_uuid` of its own.
    remove_file(&part.template.join("auto.cnf"))?;
    Ok(part.version)
}

fn remove_file(file: &Path) -> Result<(), PartError> {
    fs::remove_file(file).map_err(PartError::file("cannot remove", file))
}
