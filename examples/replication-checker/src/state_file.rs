//! The memory of earlier runs on disk: read with bounds, written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::verdict::{History, MEMORY_SCHEMA, Memory};

/// Largest state file that is read: two large GTID sets.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// What is remembered; a file that is not there or not readable says so and costs nothing else.
pub fn read(path: &Path) -> History {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text));
    let lost = |why: String| History::Begins(Some(format!("no memory of earlier runs: {why}")));
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            lost("the state file is not there yet".to_owned())
        }
        Err(error) => lost(format!("the state file cannot be read: {error}")),
        Ok(_) if text.len() as u64 > MAX_BYTES => lost("the state file is too large".to_owned()),
        Ok(_) => match serde_json::from_str::<Memory>(&text) {
            Ok(memory) if memory.schema == MEMORY_SCHEMA => History::Known(Box::new(memory)),
            Ok(_) => lost("the state file is of another version".to_owned()),
            Err(_) => lost("the state file is damaged".to_owned()),
        },
    }
}

/// Keeps a memory.
pub fn write(path: &Path, memory: &Memory) -> io::Result<()> {
    let mut text = serde_json::to_string(memory)?;
    text.push('\n');
    write_whole(path, text.as_bytes(), 0o600)
}

/// Writes a file beside its place, then puts it there: whoever reads sees the old one or the new one.
pub fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let fresh: PathBuf = path.with_file_name(name);
    let _ = fs::remove_file(&fresh);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&fresh)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&fresh, path));
    if written.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    written
}
