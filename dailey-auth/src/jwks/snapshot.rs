//! The key set on disk, so that a program can start while its issuer is away.
//!
//! Two lines: a name, a version and the SHA-256 of the second line; then a JSON object with the
//! issuer, the place the set came from, the time and the keys. The checksum finds damage; that
//! nobody else writes the file is a matter of its mode (0600) and its folder.

use std::ffi::OsStr;
use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::keys::{KeySet, MAX_JWKS_BYTES};

/// Random bytes in the name of a temporary file, so that no two writers meet, and its end.
const RANDOM_BYTES: usize = 8;
const TEMPORARY: &str = ".tmp";

/// From this age on a temporary file has no writer any more.
const ABANDONED_AFTER: Duration = Duration::from_secs(60 * 60);

/// What the first line begins with.
const MAGIC: &str = "dailey-jwks-snapshot 1 ";

/// Largest file that is read: a key set and a little around it.
const MAX_FILE_BYTES: u64 = MAX_JWKS_BYTES as u64 + 8 * 1024;

/// How far a snapshot's time may lie ahead of our clock before it counts as wrong.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// A place for one issuer's key set.
#[derive(Clone)]
pub(crate) struct SnapshotFile {
    path: PathBuf,
    issuer: String,
    source: String,
    clock: Arc<dyn Clock>,
    /// Whether what killed writers left behind was looked for.
    swept: Arc<AtomicBool>,
}

#[derive(Serialize, Deserialize)]
struct Content {
    issuer: String,
    source: String,
    /// Seconds since the epoch.
    fetched_at: u64,
    keys: Vec<serde_json::Value>,
}

/// Why a snapshot is not used.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("it is damaged")]
    Damaged,
    #[error("it was written for another issuer or address")]
    Foreign,
    #[error("it is a link, a folder or a device: name a plain file")]
    NotAFile,
    #[error("others may have written it: it must belong to this user and have mode 0600")]
    NotOurs,
    #[error("it is from the future: check the clock")]
    Future,
}

impl SnapshotFile {
    pub(crate) fn new(path: PathBuf, issuer: &str, source: String, clock: Arc<dyn Clock>) -> Self {
        Self {
            path,
            issuer: issuer.to_owned(),
            source,
            clock,
            swept: Arc::default(),
        }
    }

    /// The key set document and how long ago it was fetched; `None`, with a warning where there
    /// is a file, when it cannot be used.
    pub(crate) fn load(&self) -> Option<(Vec<u8>, Duration)> {
        match self.read() {
            Ok(loaded) => Some(loaded),
            Err(Unusable::Io(error)) if error.kind() == io::ErrorKind::NotFound => None,
            Err(reason) => {
                self.warn_ignored(&reason);
                None
            }
        }
    }

    pub(crate) fn warn_ignored(&self, reason: &dyn Display) {
        tracing::warn!(path = %self.path.display(), %reason, "the key set snapshot is ignored");
    }

    fn read(&self) -> Result<(Vec<u8>, Duration), Unusable> {
        let file = open_own(&self.path)?;
        let mut text = String::new();
        file.take(MAX_FILE_BYTES + 1)
            .read_to_string(&mut text)
            .map_err(|_| Unusable::Damaged)?;
        self.parse(&text)
    }

    /// What a file's text holds for this issuer and address, now.
    fn parse(&self, text: &str) -> Result<(Vec<u8>, Duration), Unusable> {
        let (first, document) = text.split_once('\n').ok_or(Unusable::Damaged)?;
        if first.strip_prefix(MAGIC) != Some(&checksum(document)) {
            return Err(Unusable::Damaged);
        }
        let content: Content = serde_json::from_str(document).map_err(|_| Unusable::Damaged)?;
        if content.issuer != self.issuer || content.source != self.source {
            return Err(Unusable::Foreign);
        }
        let now = self
            .clock
            .now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let fetched_at = Duration::from_secs(content.fetched_at);
        if fetched_at > now + CLOCK_TOLERANCE {
            return Err(Unusable::Future);
        }
        Ok((document.as_bytes().to_vec(), now.saturating_sub(fetched_at)))
    }

    /// What a file's text holds, without a file.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn parsed(&self, text: &str) -> Option<(Vec<u8>, Duration)> {
        self.parse(text).ok()
    }

    /// Writes a set that was fetched at this wall-clock time, whole or not at all, on a thread for
    /// blocking work. A failure is told and otherwise harmless.
    pub(crate) fn store(&self, keys: &KeySet, fetched_at: SystemTime) -> JoinHandle<()> {
        let fetched_at = fetched_at
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let content = Content {
            issuer: self.issuer.clone(),
            source: self.source.clone(),
            fetched_at: fetched_at.as_secs(),
            keys: keys.to_jwks(),
        };
        let path = self.path.clone();
        let first = !self.swept.swap(true, Ordering::Relaxed);
        tokio::task::spawn_blocking(move || {
            if first {
                sweep(&path);
            }
            if let Err(error) = write(&path, &content) {
                tracing::warn!(path = %path.display(), %error, "the key set snapshot is not written");
            }
        })
    }
}

fn write(path: &Path, content: &Content) -> io::Result<()> {
    let document = serde_json::to_string(content)?;
    replace(path, &checked(&document))
}

/// A file's whole text: its first line, then the document.
pub(crate) fn checked(document: &str) -> String {
    format!("{MAGIC}{}\n{document}", checksum(document))
}

fn checksum(document: &str) -> String {
    let digest = digest::digest(&digest::SHA256, document.as_bytes());
    data_encoding::HEXLOWER.encode(digest.as_ref())
}

/// Removes temporary files that writers left behind when they were killed. Best effort.
fn sweep(path: &Path) {
    let Some(name) = path.file_name() else {
        return;
    };
    let is_ours = |other: &OsStr| {
        let other = other.as_encoded_bytes();
        other
            .strip_prefix(name.as_encoded_bytes())
            .and_then(|rest| rest.strip_prefix(b"."))
            .and_then(|rest| rest.strip_suffix(TEMPORARY.as_bytes()))
            .is_some_and(|random| {
                random.len() == 2 * RANDOM_BYTES && random.iter().all(u8::is_ascii_hexdigit)
            })
    };
    for entry in std::fs::read_dir(folder_of(path)).into_iter().flatten() {
        let Ok(entry) = entry else { continue };
        let abandoned = |metadata: std::fs::Metadata| {
            let age = metadata.modified().ok()?.elapsed().ok()?;
            (metadata.is_file() && age > ABANDONED_AFTER).then_some(())
        };
        if is_ours(&entry.file_name()) && entry.metadata().ok().and_then(abandoned).is_some() {
            std::fs::remove_file(entry.path()).ok();
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Temporary file, fsync, rename, fsync of the folder.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut random = [0; RANDOM_BYTES];
    aws_lc_rs::rand::fill(&mut random).map_err(io::Error::other)?;
    let mut name = path
        .file_name()
        .ok_or(io::ErrorKind::InvalidInput)?
        .to_owned();
    name.push(format!(
        ".{}{TEMPORARY}",
        data_encoding::HEXLOWER.encode(&random)
    ));
    let temporary = path.with_file_name(name);
    let mut options = OpenOptions::new();
    // Never a file, nor a link, that somebody put there.
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&temporary, path));
    if let Err(error) = written {
        // Best effort: the error that counts is the first one.
        std::fs::remove_file(&temporary).ok();
        return Err(error);
    }
    File::open(folder_of(path))?.sync_all()
}

/// Opens a plain file that only we, or the system's administrator, can have written.
fn open_own(path: &Path) -> Result<File, Unusable> {
    // Looked at before it is opened: opening a pipe would wait for a writer.
    if !std::fs::symlink_metadata(path)?.is_file() {
        return Err(Unusable::NotAFile);
    }
    let file = File::open(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let metadata = file.metadata()?;
        let ours = [0, rustix::process::geteuid().as_raw()].contains(&metadata.uid());
        if !ours || metadata.mode() & 0o022 != 0 {
            return Err(Unusable::NotOurs);
        }
    }
    Ok(file)
}
