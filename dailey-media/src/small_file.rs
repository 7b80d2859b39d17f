//! Small files of text that an operator names.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

/// The whole text, of a plain file of at most `most` bytes.
pub(crate) fn read_text(path: &Path, most: u64) -> io::Result<String> {
    let refuse = |reason: String| Err(io::Error::new(ErrorKind::InvalidInput, reason));
    // Opening a pipe would wait for whoever writes to it; of a device there may be no end.
    if !fs::metadata(path)?.is_file() {
        return refuse("it is not a file".into());
    }
    let mut text = String::new();
    File::open(path)?.take(most + 1).read_to_string(&mut text)?;
    if text.len() as u64 > most {
        return refuse(format!("it is larger than {} KiB", most / 1024));
    }
    Ok(text)
}
