//! Real ssh servers on loopback that belong to a test: generated keys, a port that was free, and a folder
//! of programs that sessions find first.
//!
//! Needs the part `sshd` (`parts::SshdPart`). As root, sshd wants a system account for
//! its unprivileged half; it gets one in a mount namespace of its own, where alone it can be seen.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::parts::{PartError, SshdPart};
use crate::{Child, StartError, free_port, how_it_ended};

/// Longest that a server may take until it listens.
const READY_DEADLINE: Duration = Duration::from_secs(20);

/// How often it is looked at.
const POLL: Duration = Duration::from_millis(20);

/// How often another port is tried when somebody took it first.
const PORT_ATTEMPTS: usize = 5;

/// In a mount namespace: an account list with sshd's own account, and a /run to make its folder in.
const AS_ROOT: &str = r#"mount --make-rprivate / && mount --bind "$0" /etc/passwd \
    && mount -t tmpfs tmpfs /run && mkdir -p /run/sshd && exec "$@""#;

/// An ssh server could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is not set up on this machine.
    #[error(transparent)]
    Part(#[from] PartError),
    /// It did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It runs, but does not listen.
    #[error("sshd does not listen after {} s; its last lines:\n{log_tail}", READY_DEADLINE.as_secs())]
    NotReady {
        /// The end of its log.
        log_tail: String,
    },
    /// No key could be made.
    #[error("`ssh-keygen` failed (Debian: openssh-client)")]
    Key,
    /// A file could not be written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// A key pair in files: `path`, and `path.pub`.
#[derive(Debug, Clone)]
pub struct KeyPair {
    path: PathBuf,
}

impl KeyPair {
    /// Makes an ed25519 key without a passphrase.
    pub fn generate(path: &Path) -> Result<Self, Error> {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "testbed", "-f"])
            .arg(path)
            .output();
        match made {
            Ok(output) if output.status.success() => Ok(Self {
                path: path.to_owned(),
            }),
            _ => Err(Error::Key),
        }
    }

    /// The private key's file.
    pub fn private_file(&self) -> &Path {
        &self.path
    }

    /// The public key, one line.
    pub fn public_line(&self) -> Result<String, Error> {
        let path = self.path.with_extension("pub");
        fs::read_to_string(&path)
            .map(|line| line.trim().to_owned())
            .map_err(file(&path))
    }
}

/// A running ssh server.
#[derive(Debug)]
pub struct Sshd {
    child: Child,
    port: u16,
    host_key: KeyPair,
    command: PathBuf,
    folder: PathBuf,
}

impl Sshd {
    /// Starts one in `folder`, which must be empty. `authorized` are lines of its `authorized_keys`;
    /// `programs` is a folder that comes first in the PATH of its sessions.
    pub fn start(folder: &Path, authorized: &str, programs: &Path) -> Result<Self, Error> {
        let programs_of_ssh = SshdPart::find()?;
        fs::create_dir_all(folder).map_err(file(folder))?;
        let host_key = KeyPair::generate(&folder.join("host_key"))?;
        let authorized_keys = folder.join("authorized_keys");
        write(&authorized_keys, authorized, 0o600)?;
        let mut helpers = String::new();
        for (option, name, script) in programs_of_ssh.helpers() {
            let path = folder.join(name);
            write(&path, &script, 0o755)?;
            let _ = writeln!(helpers, "{option} {}", path.display());
        }
        let accounts = fs::read_to_string("/etc/passwd").map_err(file(Path::new("/etc/passwd")))?;
        let own_account = "sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n";
        write(
            &folder.join("passwd"),
            &format!("{accounts}{own_account}"),
            0o644,
        )?;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let port = free_port().map_err(file(Path::new("a free port")))?;
            let configuration = format!(
                "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\n\
                 AuthenticationMethods publickey\nPermitRootLogin prohibit-password\nUsePAM no\n\
                 StrictModes no\nPidFile none\nLogLevel VERBOSE\n\
                 SetEnv PATH={}:/usr/local/bin:/usr/bin:/bin\n{helpers}",
                host_key.private_file().display(),
                authorized_keys.display(),
                programs.display(),
            );
            let file_path = folder.join("sshd_config");
            write(&file_path, &configuration, 0o600)?;
            let command = folder.join("start");
            write(
                &command,
                &script(&programs_of_ssh, folder, &file_path),
                0o755,
            )?;
            let mut server = Self {
                child: Child::start("sshd", Command::new(&command), &folder.join("sshd.log"))?,
                port,
                host_key: host_key.clone(),
                command,
                folder: folder.to_owned(),
            };
            match server.wait_until_it_listens() {
                Ok(()) => return Ok(server),
                Err(Error::Start(StartError::Ended { log_tail, .. }))
                    if log_tail.contains("already in use") && attempts < PORT_ATTEMPTS => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `127.0.0.1:port`, and the line that knows its key.
    pub fn known_hosts_line(&self) -> Result<String, Error> {
        Ok(format!(
            "[127.0.0.1]:{} {}\n",
            self.port,
            self.host_key.public_line()?
        ))
    }

    /// The account that its sessions run as: that of this process.
    pub fn user() -> String {
        let id = Command::new("id").arg("-un").output();
        id.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
            .unwrap_or_default()
    }

    /// Ends it, with its sessions.
    pub fn stop(&mut self) {
        let _ = self.child.stop(Duration::from_secs(5));
    }

    /// Starts it again on its port.
    pub fn start_again(&mut self) -> Result<(), Error> {
        let log = self.folder.join("sshd.log");
        self.child = Child::start("sshd", Command::new(&self.command), &log)?;
        self.wait_until_it_listens()
    }

    /// The end of its log.
    pub fn log_tail(&self, lines: usize) -> String {
        self.child.log_tail(lines)
    }

    fn wait_until_it_listens(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.exited() {
                return Err(Error::Start(StartError::Ended {
                    name: "sshd".to_owned(),
                    how: how_it_ended(status),
                    log_tail: self.child.log_tail(20),
                }));
            }
            let listens = self.child.log_tail(20).contains("Server listening");
            if listens && TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return Ok(());
            }
            if started.elapsed() > READY_DEADLINE {
                return Err(Error::NotReady {
                    log_tail: self.child.log_tail(20),
                });
            }
            std::thread::sleep(POLL);
        }
    }
}

/// A script that is the server, so that it can be started again.
fn script(part: &SshdPart, folder: &Path, configuration: &Path) -> String {
    let quoted = |text: String| format!("'{text}'");
    let sshd = part.sshd();
    let mut words: Vec<String> = Vec::new();
    if rustix::process::geteuid().is_root() {
        words.extend(["unshare", "--mount", "sh", "-c"].map(str::to_owned));
        words.push(quoted(AS_ROOT.to_owned()));
        words.push(quoted(folder.join("passwd").display().to_string()));
    }
    words.push(quoted(sshd.get_program().to_string_lossy().into_owned()));
    for argument in sshd.get_args() {
        words.push(quoted(argument.to_string_lossy().into_owned()));
    }
    words.extend(["-D", "-e", "-f"].map(str::to_owned));
    words.push(quoted(configuration.display().to_string()));
    format!("#!/bin/sh\nexec {}\n", words.join(" "))
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), Error> {
    fs::write(path, text)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
        .map_err(file(path))
}

fn file(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { path, source }
}
