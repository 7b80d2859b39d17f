//! What takes the disk long, begun early or left for later: how fast a large object comes depends on it.

use std::fs::File;
use std::path::Path;

/// A file that is smaller is given back to the disk in no time.
const LARGE_BYTES: u64 = 8 * 1024 * 1024;

/// While so much is free, nobody waits for the room of a file that is to go.
const AMPLE_BYTES: u64 = 1024 * 1024 * 1024;

/// Sends bytes of a file to the disk that were just written, without waiting. Linux begins
/// `POSIX_FADV_DONTNEED` with that (its `mm/fadvise.c`), and lets go only of what is there already;
/// `sync_file_range(2)` would say no more, but not without unsafe code.
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
pub(super) fn hold(path: &Path, bytes: u64) -> Option<File> {
    if bytes < LARGE_BYTES {
        return None;
    }
    let file = File::open(path).ok()?;
    let disk = rustix::fs::fstatvfs(&file).ok()?;
    is_ample(disk.f_bavail, disk.f_frsize).then_some(file)
}

fn is_ample(free_blocks: u64, block_bytes: u64) -> bool {
    free_blocks.saturating_mul(block_bytes) >= AMPLE_BYTES
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::LocalStorage;
    use super::*;
    use crate::description::Description;
    use crate::key::{ObjectKey, Space};
    use crate::storage::{Commit, Committed, Location, Storage, Target};

    #[test]
    fn a_large_file_is_held_where_nobody_waits_for_its_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        File::create_new(&path).unwrap();
        let disk = rustix::fs::statvfs(folder.path()).unwrap();
        let ample = is_ample(disk.f_bavail, disk.f_frsize);
        assert_eq!(hold(&path, LARGE_BYTES).is_some(), ample);
        assert!(hold(&path, LARGE_BYTES - 1).is_none());
        assert!(hold(&folder.path().join("absent"), LARGE_BYTES).is_none());
        assert!(is_ample(AMPLE_BYTES / 4096, 4096) && is_ample(u64::MAX, 4096));
        assert!(!is_ample(AMPLE_BYTES / 4096 - 1, 4096));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn what_is_replaced_gives_its_room_back_soon() {
        let root = tempfile::tempdir().unwrap();
        let store = LocalStorage::open(root.path()).unwrap();
        let at = Location {
            space: Space::new("app", "user"),
            key: ObjectKey::parse("a").unwrap(),
        };
        for byte in 0..3 {
            let target = Target {
                at: at.clone(),
                description: Description::of_type("text/plain"),
            };
            let mut upload = store.upload(target).await.unwrap();
            let bytes = vec![byte; usize::try_from(LARGE_BYTES).unwrap()];
            upload.write(bytes.into()).await.unwrap();
            let committed = upload.commit(Commit::default()).await.unwrap();
            assert!(matches!(committed, Committed::Stored { .. }));
        }
        let is_held = || {
            let files = std::fs::read_dir("/proc/self/fd").unwrap();
            let mut names = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
            names.any(|name| {
                name.starts_with(root.path()) && name.to_string_lossy().ends_with(" (deleted)")
            })
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        while is_held() {
            assert!(Instant::now() < deadline, "an old object keeps its room");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
