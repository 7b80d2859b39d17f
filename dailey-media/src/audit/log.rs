//! The file of the audit log: opened, continued, and written by one thread.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::line::{self, Entry, Head, MAX_LINE_BYTES};

/// Enough of the file's end for two lines.
const TAIL_BYTES: u64 = 2 * MAX_LINE_BYTES as u64;

/// Why the audit log cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The file system said no.
    #[error("AUDIT_LOG_FILE: cannot use {}: {source}: make it a file that this process may append to", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Group or others may read or write it.
    #[error("AUDIT_LOG_FILE: others may use {}: chmod 600 it", .0.display())]
    Open(PathBuf),
    /// Two writers would break the chain.
    #[error("AUDIT_LOG_FILE: {} is in use by another process: give each its own", .0.display())]
    InUse(PathBuf),
    /// What is there cannot be continued.
    #[error("AUDIT_LOG_FILE: the last line of {} is not as it was written: run `dailey-media audit verify` on it, and move it away", .0.display())]
    Broken(PathBuf),
}

/// The log, open.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: File,
    /// Device and number: whether the name still means this file.
    identity: (u64, u64),
    /// What of it is good.
    length: u64,
    head: Head,
}

/// Proves that the log could be opened; makes the file where there is none.
pub(crate) fn check(path: &Path) -> Result<(), AuditError> {
    open(path).map(drop)
}

fn open(path: &Path) -> Result<File, AuditError> {
    let fail = |source| AuditError::Io {
        path: path.to_owned(),
        source,
    };
    // Opening a pipe would wait for whoever reads from it.
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        let reason = "it is not a file";
        return Err(fail(io::Error::new(io::ErrorKind::InvalidInput, reason)));
    }
    let is_new = !path.exists();
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(fail)?;
    if file.metadata().map_err(fail)?.permissions().mode() & 0o077 != 0 {
        return Err(AuditError::Open(path.to_owned()));
    }
    if is_new {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = File::open(folder.unwrap_or(Path::new(".")));
        folder.and_then(|folder| folder.sync_all()).map_err(fail)?;
    }
    Ok(file)
}

impl Log {
    /// Opens the log and goes on where it ended; an empty one begins with what follows `before`.
    pub(super) fn open(path: &Path, before: Head) -> Result<Self, AuditError> {
        let fail = |source| AuditError::Io {
            path: path.to_owned(),
            source,
        };
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(AuditError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(fail(error)),
        }
        let metadata = file.metadata().map_err(fail)?;
        let mut log = Self {
            path: path.to_owned(),
            file,
            identity: (metadata.dev(), metadata.ino()),
            length: metadata.len(),
            head: before,
        };
        log.go_on()?;
        Ok(log)
    }

    fn go_on(&mut self) -> Result<(), AuditError> {
        let tail = self.tail().map_err(|source| self.failed(source))?;
        let broken = || AuditError::Broken(self.path.clone());
        let (lines, torn) = match tail.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => tail.split_at(end + 1),
            // Not even one whole line, or one that is longer than any of ours.
            None if tail.len() as u64 == self.length => (&[][..], &tail[..]),
            None => return Err(broken()),
        };
        if let Some(lines) = lines.strip_suffix(b"\n") {
            let start = lines.iter().rposition(|byte| *byte == b'\n');
            let last = &lines[start.map_or(0, |start| start + 1)..];
            self.head = line::read(last).ok_or_else(broken)?.head;
        } else if !torn.is_empty() {
            self.head = Head::start();
        }
        if torn.is_empty() {
            return Ok(());
        }
        // Only its end is missing: it is good.
        if let Some(whole) = line::read(torn)
            .filter(|read| read.prev == self.head.hash && read.head.seq == self.head.seq + 1)
        {
            self.append(b"\n").map_err(|source| self.failed(source))?;
            self.head = whole.head;
            return Ok(());
        }
        let mut head = self.head.clone();
        let line = head
            .close(&now(), torn)
            .map_err(|error| self.failed(error.into()))?;
        tracing::warn!(
            seq = head.seq,
            torn_bytes = torn.len(),
            "a crash left a torn line in the audit log: closed it"
        );
        let text = format!("\n{line}\n");
        self.append(text.as_bytes())
            .map_err(|source| self.failed(source))?;
        self.head = head;
        Ok(())
    }

    fn tail(&mut self) -> io::Result<Vec<u8>> {
        let start = self.length.saturating_sub(TAIL_BYTES);
        self.file.seek(SeekFrom::Start(start))?;
        let mut tail = Vec::new();
        (&self.file).take(TAIL_BYTES).read_to_end(&mut tail)?;
        Ok(tail)
    }

    /// Where the chain ended.
    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    /// Whether the file still has its name: an operator may have moved it away to keep it.
    pub(super) fn is_in_place(&self) -> bool {
        fs::metadata(&self.path)
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.identity)
    }

    /// Writes the lines of `entries`, on disk when it returns; all of them or none.
    pub(super) fn write<'e>(&mut self, entries: impl Iterator<Item = &'e Entry>) -> io::Result<()> {
        let time = now();
        let mut head = self.head.clone();
        let mut text = String::new();
        for entry in entries {
            text += &head.write(&time, entry)?;
            text.push('\n');
        }
        self.append(text.as_bytes())?;
        self.head = head;
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self
            .file
            .write_all(bytes)
            .and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => {
                self.length += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                // Nobody was told of these: what is half there goes again.
                let _ = self.file.set_len(self.length);
                Err(error)
            }
        }
    }

    fn failed(&self, source: io::Error) -> AuditError {
        AuditError::Io {
            path: self.path.clone(),
            source,
        }
    }
}

fn now() -> String {
    jiff::Timestamp::now().to_string()
}
