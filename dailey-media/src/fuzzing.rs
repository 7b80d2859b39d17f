//! Doors to inner rooms, for the targets in `fuzz/`: each hands its arguments on and adds no rule.
//! Behind the feature `fuzzing`; not an API.

use std::ops::Range;
use std::path::{Path, PathBuf};

use http::HeaderMap;

use crate::description::Description;
use crate::key::ObjectKey;
use crate::preconditions::{Preconditions, ReadVerdict, Validators};
use crate::range::{Wanted, wanted};
use crate::settings::Limits;
use crate::storage::{Location, local};
use crate::uploads::checksum::Checks;
use crate::uploads::{MAX_UPLOAD_BYTES, count, metadata};

/// Largest upload in bytes.
pub const LARGEST_UPLOAD: u64 = MAX_UPLOAD_BYTES;

/// What `Range` wants of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ranges {
    /// All of it.
    Whole,
    /// These bytes.
    Parts(Vec<Range<u64>>),
    /// 416.
    Unsatisfiable,
}

/// What `Range` wants of an object of `size` bytes.
pub fn ranges(headers: &HeaderMap, size: u64) -> Ranges {
    match wanted(headers, size) {
        Wanted::Whole => Ranges::Whole,
        Wanted::Part(part) => Ranges::Parts(vec![part]),
        Wanted::Parts(parts) => Ranges::Parts(parts),
        Wanted::Unsatisfiable | Wanted::TooMany => Ranges::Unsatisfiable,
    }
}

/// Where an object lies below a root of local files.
pub fn local_path(root: &Path, at: &Location) -> PathBuf {
    local::path_of(root, at)
}

/// A path below the folder of all objects, read backwards: app, subject, segments of the key.
pub fn local_texts(below_objects: &Path) -> Option<Vec<Vec<u8>>> {
    local::texts_of(below_objects)
}

/// What the conditions of a GET say: `None` go on, 304 or 412.
pub fn read_verdict(conditions: &Preconditions, current: &Validators) -> Option<u16> {
    match conditions.read_verdict(current) {
        ReadVerdict::Proceed => None,
        ReadVerdict::NotModified => Some(304),
        ReadVerdict::Failed => Some(412),
    }
}

/// Whether `If-Range` lets a range be sent, so many seconds after 1970.
pub fn if_range_holds(headers: &HeaderMap, current: &Validators, now_seconds: u64) -> bool {
    crate::preconditions::if_range_holds(headers, current, now_seconds)
}

/// What an upload with this `Upload-Metadata` is to become.
pub fn upload_metadata(text: &str) -> Option<(ObjectKey, Description)> {
    let metadata = metadata::read(&Limits::default(), text).ok()?;
    Some((metadata.key, metadata.description))
}

/// What `Upload-Length` says.
pub fn upload_length(text: &str) -> Option<u64> {
    count::length(text, MAX_UPLOAD_BYTES).ok()
}

/// What `Upload-Offset` says.
pub fn upload_offset(text: &str) -> Option<u64> {
    count::offset(text)
}

/// Whether bytes are what `Upload-Checksum` says; nothing when it says nothing.
pub fn upload_checksum(text: &str, bytes: &[u8]) -> Option<bool> {
    let mut checks = Checks::default();
    checks.add_checksum(text).ok()?;
    checks.update(bytes);
    Some(checks.mismatch().is_none())
}
