//! A pair that stays until it is stopped, for working by hand: it is found again by its folder.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Pid;

use super::deployed::Role;
use super::passwords::write_private;
use super::process::{self, Life, is_running};
use super::{Error, Pair};

/// The pair in a folder.
#[derive(Debug)]
pub struct Standing {
    home: PathBuf,
}

/// What is known of one of its servers.
#[derive(Debug)]
pub struct StandingServer {
    /// `coredb1` or `coredb2`.
    pub name: &'static str,
    /// Its process id, when it runs.
    pub process_id: Option<i32>,
    /// Its port on 127.0.0.1; none when it was never made.
    pub port: Option<u16>,
    /// The folder it lives in.
    pub folder: PathBuf,
}

impl Standing {
    /// The pair that is, or will be, in this folder.
    pub fn in_folder(home: &Path) -> Self {
        Self {
            home: home.to_owned(),
        }
    }

    /// Starts it anew when not both servers run. What was in the folder is gone then.
    pub fn up(&self) -> Result<(), Error> {
        if self
            .servers()
            .iter()
            .all(|server| server.process_id.is_some())
        {
            return Ok(());
        }
        self.down()?;
        fs::create_dir_all(&self.home).map_err(Error::file("cannot make", &self.home))?;
        let pair = Pair::start_in(&self.home, Life::Standing)?;
        let passwords = pair.primary.passwords();
        for (name, password) in [
            ("replmon.password", &passwords.replmon),
            ("core.password", &passwords.core),
            ("replicator.password", &passwords.replicator),
        ] {
            write_private(&self.home.join(name), &format!("{password}\n"))?;
        }
        Ok(())
    }

    /// Ends both servers at once, for their data goes too, and removes the folder.
    pub fn down(&self) -> Result<(), Error> {
        for server in self.servers() {
            if let Some(pid) = server.process_id.and_then(Pid::from_raw) {
                process::kill(pid);
            }
        }
        match fs::remove_dir_all(&self.home) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::file("cannot remove", &self.home)(error))
            }
            _ => Ok(()),
        }
    }

    /// Replica first: it is stopped before its source.
    pub fn servers(&self) -> [StandingServer; 2] {
        [Role::Coredb2, Role::Coredb1].map(|role| {
            let folder = self.home.join(role.name());
            StandingServer {
                name: role.name(),
                process_id: process_id(&folder),
                port: port(&folder),
                folder,
            }
        })
    }
}

/// The server of this folder, if it runs: an id in a file may be another process's by now.
fn process_id(folder: &Path) -> Option<i32> {
    let text = fs::read_to_string(folder.join("mysqld.pid")).ok()?;
    let pid = Pid::from_raw(text.trim().parse().ok()?)?;
    let arguments = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).ok()?;
    let arguments = String::from_utf8_lossy(&arguments).into_owned();
    let ours = folder.join("my.cnf").display().to_string();
    (arguments.contains(&ours) && is_running(pid)).then(|| pid.as_raw_nonzero().get())
}

fn port(folder: &Path) -> Option<u16> {
    let text = fs::read_to_string(folder.join("my.cnf")).ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix("port = "))?
        .parse()
        .ok()
}
