//! One server in a folder of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::deployed::{ACCOUNTS, Role};
use super::passwords::write_private;
use super::process::{Life, POLL, Process};
use super::{Certificates, Error, Passwords, client};
use crate::parts::MysqlPart;
use crate::{StartError, free_port};

/// Longest that a server may take until it serves; it needs two seconds on a small machine.
const READY_DEADLINE: Duration = Duration::from_secs(60);

/// How often another port is tried when somebody took it first.
const PORT_ATTEMPTS: usize = 5;

/// Lines of the log shown when it does not become ready.
const TAIL_LINES: usize = 20;

/// A running MySQL server.
#[derive(Debug)]
pub struct Server {
    process: Process,
    role: Role,
    programs: MysqlPart,
    folder: PathBuf,
    port: u16,
    passwords: Passwords,
    life: Life,
    /// Removed after the process has ended.
    home: Option<tempfile::TempDir>,
}

impl Server {
    /// One server configured as coredb1, with the accounts of `deploy/mysql/accounts.sql`.
    pub fn start() -> Result<Self, Error> {
        let home = super::home()?;
        let mut server = Self::prepared(
            Role::Coredb1,
            home.path(),
            &MysqlPart::find()?,
            &Certificates::new(),
            &Passwords::random()?,
            Life::Ours,
        )?;
        server.home = Some(home);
        server.make_accounts()?;
        Ok(server)
    }

    /// A server without accounts but root's, in a folder of its own in `home`.
    pub(super) fn prepared(
        role: Role,
        home: &Path,
        programs: &MysqlPart,
        certificates: &Certificates,
        passwords: &Passwords,
        life: Life,
    ) -> Result<Self, Error> {
        let folder = home.join(role.name());
        fs::create_dir_all(&folder).map_err(Error::file("cannot make", &folder))?;
        certificates.write_for(role.name(), &folder)?;
        programs.copy_template(&folder.join("data"), &folder.join("copy.log"))?;
        // Not in the binary log: each server has its own root. `super_read_only` is set after this ran.
        let init = format!(
            "SET SESSION sql_log_bin = 0;\nALTER USER root@localhost IDENTIFIED BY '{}';\n",
            passwords.root
        );
        let init_file = folder.join("init.sql");
        write_private(&init_file, &init)?;
        let options = format!(
            "[client]\nuser=root\npassword={}\nsocket={}\ndefault-character-set=utf8mb4\n",
            passwords.root,
            folder.join("mysqld.sock").display()
        );
        write_private(&folder.join("root.cnf"), &options)?;
        let mut attempts = 0;
        let (process, port) = loop {
            attempts += 1;
            let port =
                free_port().map_err(Error::file("cannot find a port on", Path::new("loopback")))?;
            write_private(&folder.join("my.cnf"), &role.configuration(&folder, port)?)?;
            let first = format!("--init-file={}", init_file.display());
            match run(role, programs, &folder, life, &[], &[&first]) {
                Ok(process) => break (process, port),
                Err(Error::Start(StartError::Ended { log_tail, .. }))
                    if log_tail.contains("Address already in use") && attempts < PORT_ATTEMPTS => {}
                Err(error) => return Err(error),
            }
        };
        // It has been read, and holds a password.
        fs::remove_file(&init_file).map_err(Error::file("cannot remove", &init_file))?;
        Ok(Self {
            process,
            role,
            programs: programs.clone(),
            folder,
            port,
            passwords: passwords.clone(),
            life,
            home: None,
        })
    }

    pub(super) fn make_accounts(&self) -> Result<(), Error> {
        self.sql(&self.passwords.put_into(ACCOUNTS)).map(drop)
    }

    /// `coredb1` or `coredb2`; its certificate has this name, and `127.0.0.1`.
    pub fn name(&self) -> &'static str {
        self.role.name()
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("mysqld.sock")
    }

    /// The authority that its certificate is verified with.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// The folder it lives in: `data`, `my.cnf`, `mysqld.log`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The passwords of its accounts.
    pub fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    /// Runs statements as root over the socket: rows as lines, columns between tabs, no header, NULL
    /// as `NULL`. Ends at the first error.
    pub fn sql(&self, statements: &str) -> Result<String, Error> {
        client::run(
            &self.programs,
            self.name(),
            &self.folder.join("root.cnf"),
            statements,
        )
    }

    /// Ends it in order.
    pub fn stop(&mut self) {
        self.process.stop();
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Waits until it has ended by itself; whether it has.
    pub fn wait_until_ended(&mut self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            if self.process.ended().is_some() {
                return true;
            }
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(POLL);
        }
    }

    /// Starts it on its data and port after [`stop`](Self::stop) or [`kill`](Self::kill), with
    /// arguments beyond its configuration (`--skip-replica-start`).
    pub fn start_again(&mut self, arguments: &[&str]) -> Result<(), Error> {
        self.start_again_in(&[], arguments)
    }

    /// The same, by a command that the server's own is added to (`unshare --mount sh -c … name`), and that
    /// becomes the server.
    pub fn start_again_in(&mut self, wrapper: &[&str], arguments: &[&str]) -> Result<(), Error> {
        self.process = run(
            self.role,
            &self.programs,
            &self.folder,
            self.life,
            wrapper,
            arguments,
        )?;
        Ok(())
    }
}

/// Starts the server in a folder that has everything, and waits until it serves.
fn run(
    role: Role,
    programs: &MysqlPart,
    folder: &Path,
    life: Life,
    wrapper: &[&str],
    arguments: &[&str],
) -> Result<Process, Error> {
    let mut server = programs.mysqld_with(&folder.join("my.cnf"));
    server.args(arguments);
    let command = match wrapper.split_first() {
        None => server,
        Some((program, rest)) => {
            let mut command = Command::new(program);
            command
                .args(rest)
                .arg(server.get_program())
                .args(server.get_args());
            command
        }
    };
    let mut process = Process::start(life, role.name(), command, &folder.join("mysqld.log"))?;
    let started = Instant::now();
    loop {
        if let Some(how) = process.ended() {
            return Err(Error::Start(StartError::Ended {
                name: role.name().to_owned(),
                how,
                log_tail: process.log_tail(TAIL_LINES),
            }));
        }
        if process
            .log_tail(TAIL_LINES)
            .contains("ready for connections")
        {
            return Ok(process);
        }
        if started.elapsed() > READY_DEADLINE {
            let log_tail = process.log_tail(TAIL_LINES);
            process.kill();
            return Err(Error::NotReady {
                name: role.name(),
                seconds: READY_DEADLINE.as_secs(),
                log_tail,
            });
        }
        std::thread::sleep(POLL);
    }
}
