//! One object in one file: its bytes first, then its record, then a footer of fixed size.
//!
//! ```text
//! bytes | record (JSON) | SHA-256 of the record (32) | length of the record (4, big endian) | MAGIC (8)
//! ```
//!
//! The bytes begin at the file's start, so a rescue needs no tool of ours. The record holds their
//! number and digest; a file that was cut or mixed up is noticed before it is served.

use std::fs::File;
use std::io::{self, Write};

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::description::Description;
use crate::digest::Sha256;
use crate::storage::{Object, StorageError};

const MAGIC: [u8; 8] = *b"dailey-1";
const FOOTER_BYTES: usize = 32 + 4 + MAGIC.len();

/// Largest record: a description is bounded far below.
const MAX_RECORD_BYTES: usize = 32 * 1024;

/// Enough of a file's end for almost every record.
pub(super) const RECORD_TAIL_BYTES: u64 = 4 * 1024;

/// Read from a file's end when its bytes are wanted too: small objects whole.
pub(super) const TAIL_BYTES: u64 = 64 * 1024;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    size: u64,
    sha256: String,
    modified_ms: u64,
    description: Description,
}

/// A file's object and the end of its file.
pub(super) struct Read {
    pub(super) object: Object,
    /// The end of the file: at least as many bytes as asked for, or the whole file.
    pub(super) tail: Vec<u8>,
    /// Whether that is the whole file.
    pub(super) is_whole: bool,
}

/// Fills the bytes from the file, beginning at this place in it.
pub(super) type ReadAt = fn(&File, &mut [u8], u64) -> io::Result<()>;

/// Adds record and footer behind the bytes.
pub(super) fn finish(file: &mut File, object: &Object) -> io::Result<()> {
    let record = Record {
        size: object.size,
        sha256: object.sha256.to_hex(),
        modified_ms: object.modified_ms,
        description: object.description.clone(),
    };
    let mut end = serde_json::to_vec(&record)?;
    let length = u32::try_from(end.len())
        .ok()
        .filter(|length| *length as usize <= MAX_RECORD_BYTES);
    let length = length.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "an object's record is too large",
        )
    })?;
    let checksum = digest(&SHA256, &end);
    end.extend(checksum.as_ref());
    end.extend(length.to_be_bytes());
    end.extend(MAGIC);
    file.write_all(&end)
}

/// Reads and checks a file's record.
pub(super) fn read(file: &File, tail_bytes: u64, at: ReadAt) -> Result<Read, StorageError> {
    let file_bytes = file.metadata()?.len();
    let mut tail = read_tail(file, file_bytes, tail_bytes, at)?;
    let mut record_bytes = record_length(&tail)?;
    if record_bytes + FOOTER_BYTES > tail.len() {
        tail = read_tail(file, file_bytes, (record_bytes + FOOTER_BYTES) as u64, at)?;
        record_bytes = record_length(&tail)?;
    }
    let damaged = StorageError::Damaged;
    let start = tail
        .len()
        .checked_sub(record_bytes + FOOTER_BYTES)
        .ok_or(damaged("it is cut"))?;
    let (record, footer) = tail[start..].split_at(record_bytes);
    if digest(&SHA256, record).as_ref() != &footer[..32] {
        return Err(damaged("its record's checksum is wrong"));
    }
    let record: Record =
        serde_json::from_slice(record).map_err(|_| damaged("its record cannot be read"))?;
    let object = Object {
        size: record.size,
        sha256: Sha256::from_hex(&record.sha256).ok_or(damaged("its digest cannot be read"))?,
        modified_ms: record.modified_ms,
        description: record.description,
    };
    if object.size + (record_bytes + FOOTER_BYTES) as u64 != file_bytes {
        return Err(damaged("its length is wrong"));
    }
    Ok(Read {
        object,
        is_whole: tail.len() as u64 == file_bytes,
        tail,
    })
}

fn read_tail(file: &File, file_bytes: u64, wanted: u64, at: ReadAt) -> io::Result<Vec<u8>> {
    let length = wanted.min(file_bytes);
    // At most TAIL_BYTES or a record: fits.
    let mut tail = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    at(file, &mut tail, file_bytes - length)?;
    Ok(tail)
}

fn record_length(tail: &[u8]) -> Result<usize, StorageError> {
    let body = tail
        .strip_suffix(&MAGIC)
        .ok_or(StorageError::Damaged("its footer is missing"))?;
    let bytes = body
        .last_chunk::<4>()
        .ok_or(StorageError::Damaged("its footer is cut"))?;
    let length = u32::from_be_bytes(*bytes) as usize;
    if length > MAX_RECORD_BYTES {
        return Err(StorageError::Damaged("its record's length is wrong"));
    }
    Ok(length)
}
