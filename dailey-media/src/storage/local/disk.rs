//! What takes the disk long, begun early or left for later: how fast a large object comes depends on it.

use std::fs::File;
use std::path::Path;

/// A file that is smaller is given back to the disk in no time.
const LARGE_BYTES: u64 = 8 * 1024 * 1024;

/// While so much is free, nobody waits for the room of a file that is to go.
const AMPLE_BYTES: u64 = 1024 * 1024 * 1024;

/// Sends bytes of a file to the disk that were just written, without waiting. `POSIX_FADV_DONTNEED` begins
/// with that (`posix_fadvise(2)`), and lets go only of what is there already; `sync_file_range(2)` would say no
/// more, but not without unsafe code.
#[cfg(target_os = "linux")]
pub(super) fn begin_to_write(file: &File, start: u64, end: u64) {
    use rustix::fs::{Advice, fadvise};
    if let Some(bytes) = std::num::NonZeroU64::new(end.saturating_sub(start)) {
        // Only advice: whether the bytes are there, the sync tells.
        let _ = fadvise(file, start, Some(bytes), Advice::DontNeed);
    }
}

/// Other systems begin when they see fit.
#[cfg(not(target_os = "linux"))]
pub(super) fn begin_to_write(_file: &File, _start: u64, _end: u64) {}

/// The file at `path`, which is about to lose its name: to be dropped once nobody waits, since the disk takes
/// back what belonged to it only then, and slowly. `None` where it is small, or its room may be needed now.
pub(super) fn hold(path: &Path) -> Option<File> {
    let file = File::open(path).ok()?;
    let bytes = file.metadata().ok()?.len();
    let disk = rustix::fs::fstatvfs(&file).ok()?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    (bytes >= LARGE_BYTES && free >= AMPLE_BYTES).then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_large_file_is_held() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes| {
            let path = folder.path().join(name);
            File::create_new(&path).unwrap().set_len(bytes).unwrap();
            path
        };
        assert!(hold(&file("small", LARGE_BYTES - 1)).is_none());
        let large = hold(&file("large", LARGE_BYTES));
        let disk = rustix::fs::statvfs(folder.path()).unwrap();
        let is_ample = disk.f_bavail * disk.f_frsize >= AMPLE_BYTES;
        assert_eq!(large.is_some(), is_ample);
        assert!(hold(&folder.path().join("absent")).is_none());
    }
}
