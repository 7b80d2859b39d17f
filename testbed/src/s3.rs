//! Real S3 servers on loopback that belong to a test. Neither keeps every promise of S3, so there are
//! two: moto tries conditions exactly but no signature, s3s-fs signatures but lets conditions race.
//!
//! Needs the parts of the same names.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::parts::{MotoPart, PartError, S3sFsPart};
use crate::{Child, StartError, free_port, how_it_ended};

/// Longest that a server may take until it listens: Python's imports on a busy machine.
const READY_DEADLINE: Duration = Duration::from_secs(60);

/// How often it is looked at.
const POLL: Duration = Duration::from_millis(20);

/// The key that both servers take.
pub const ACCESS_KEY_ID: &str = "testkey";

/// Its secret.
pub const SECRET_ACCESS_KEY: &str = "testsecret";

/// An S3 server could not be started or used.
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
    #[error("the S3 server does not listen after {} s; its last lines:\n{log_tail}", READY_DEADLINE.as_secs())]
    NotReady {
        /// The end of its log.
        log_tail: String,
    },
    /// It did not do what it was asked, or a file could not be made.
    #[error("the S3 server: {0}")]
    Io(#[from] io::Error),
}

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Exact conditions, as it is given one request at a time here; no signatures; in memory.
    Moto,
    /// Exact signatures, conditions that race; on files, so a key cannot be another's folder.
    S3sFs,
}

/// A running S3 server.
#[derive(Debug)]
pub struct S3Server {
    kind: Kind,
    child: Child,
    port: u16,
    folder: PathBuf,
}

impl S3Server {
    /// Starts one whose files are in `folder`.
    pub fn start(kind: Kind, folder: &Path) -> Result<Self, Error> {
        fs::create_dir_all(folder.join("buckets"))?;
        let port = free_port()?;
        Self::start_on(kind, folder, port)
    }

    fn start_on(kind: Kind, folder: &Path, port: u16) -> Result<Self, Error> {
        let port_text = port.to_string();
        let (name, command) = match kind {
            Kind::Moto => {
                let mut command = MotoPart::find()?.server();
                command.args(["-H", "127.0.0.1", "-p", &port_text]);
                ("moto", command)
            }
            Kind::S3sFs => {
                let mut command = S3sFsPart::find()?.server();
                command
                    .args(["--host", "127.0.0.1", "--port", &port_text])
                    .args(["--access-key", ACCESS_KEY_ID])
                    .args(["--secret-key", SECRET_ACCESS_KEY])
                    .arg(folder.join("buckets"));
                ("s3s-fs", command)
            }
        };
        let mut server = Self {
            kind,
            child: Child::start(name, command, &folder.join(format!("{name}.log")))?,
            port,
            folder: folder.to_owned(),
        };
        server.wait_until_it_listens()?;
        Ok(server)
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A word for each bucket that tests of another process can make, too: see [`make_bucket`].
    pub fn place(&self) -> String {
        match self.kind {
            Kind::Moto => format!("moto {}", self.port),
            Kind::S3sFs => format!("s3s-fs {} {}", self.port, self.folder.display()),
        }
    }

    /// Makes a bucket.
    pub fn make_bucket(&self, name: &str) -> Result<(), Error> {
        make_bucket(&self.place(), name)
    }

    /// Kills it. What moto had is gone.
    pub fn kill(&mut self) {
        let _ = self.child.stop(Duration::ZERO);
    }

    /// Starts it again on its port.
    pub fn start_again(&mut self) -> Result<(), Error> {
        *self = Self::start_on(self.kind, &self.folder.clone(), self.port)?;
        Ok(())
    }

    fn wait_until_it_listens(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.exited() {
                return Err(Error::Start(StartError::Ended {
                    name: self.child.name().to_owned(),
                    how: how_it_ended(status),
                    log_tail: self.child.log_tail(20),
                }));
            }
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
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

/// Kind and port of the server at `place`, which [`S3Server::place`] gave.
pub fn server_at(place: &str) -> Option<(Kind, u16)> {
    let mut words = place.splitn(3, ' ');
    let kind = match words.next()? {
        "moto" => Kind::Moto,
        "s3s-fs" => Kind::S3sFs,
        _ => return None,
    };
    Some((kind, words.next()?.parse().ok()?))
}

/// Makes a bucket on the server at `place`.
pub fn make_bucket(place: &str, name: &str) -> Result<(), Error> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidInput, "no such place");
    let (kind, port) = server_at(place).ok_or_else(wrong)?;
    match kind {
        // Buckets are folders.
        Kind::S3sFs => {
            let folder = place.splitn(3, ' ').nth(2).ok_or_else(wrong)?;
            fs::create_dir_all(Path::new(folder).join("buckets").join(name))?;
        }
        // Nobody's signature is looked at.
        Kind::Moto => {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            write!(
                stream,
                "PUT /{name} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            if !answer.contains(" 200 ") {
                return Err(io::Error::other("it makes no bucket").into());
            }
        }
    }
    Ok(())
}
