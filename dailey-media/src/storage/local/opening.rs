//! Opens an object's file and reads what it says of itself.
//!
//! What the kernel has in memory is read where it is asked for: it takes less time than to hand
//! the work to another thread. All else may wait for a disk, and is done on a thread that may.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytes::Bytes;

use super::content::{Stored, Whole};
use super::object_file::{self, RECORD_TAIL_BYTES, ReadAt, TAIL_BYTES};
use crate::storage::{Content, Object, Opened, StorageError};

/// How a file is opened and read.
struct Way {
    open: fn(&Path) -> io::Result<File>,
    read: ReadAt,
}

/// As long as it takes.
const PATIENT: Way = Way {
    open: |path| File::open(path),
    read: File::read_exact_at,
};

/// Only from memory; an error where that is not enough.
const AT_HAND: Way = Way {
    open: memory::open,
    read: memory::read_exact_at,
};

/// What is known of the object; may wait for the disk.
pub(super) fn object(path: &Path) -> Result<Option<Object>, StorageError> {
    PATIENT.object(path)
}

/// The object; may wait for the disk.
pub(super) fn opened(path: &Path) -> Result<Option<Opened>, StorageError> {
    PATIENT.opened(path)
}

/// What is known of the object, if that can be told without waiting. `None` says nothing of it.
pub(super) fn object_at_hand(path: &Path) -> Option<Object> {
    AT_HAND.object(path).ok().flatten()
}

/// The object, if it can be told without waiting. `None` says nothing of it.
pub(super) fn opened_at_hand(path: &Path) -> Option<Opened> {
    AT_HAND.opened(path).ok().flatten()
}

/// Bytes of an open file, if that takes no waiting.
pub(super) fn bytes_at_hand(file: &File, length: usize, start: u64) -> Option<Bytes> {
    let mut bytes = vec![0; length];
    (AT_HAND.read)(file, &mut bytes, start).ok()?;
    Some(bytes.into())
}

impl Way {
    fn object(&self, path: &Path) -> Result<Option<Object>, StorageError> {
        let Some(file) = self.file(path)? else {
            return Ok(None);
        };
        let read = object_file::read(&file, RECORD_TAIL_BYTES, self.read)?;
        Ok(Some(read.object))
    }

    fn opened(&self, path: &Path) -> Result<Option<Opened>, StorageError> {
        let Some(file) = self.file(path)? else {
            return Ok(None);
        };
        let object_file::Read {
            object,
            mut tail,
            is_whole,
        } = object_file::read(&file, TAIL_BYTES, self.read)?;
        let content: Box<dyn Content> = match usize::try_from(object.size) {
            Ok(size) if is_whole => {
                tail.truncate(size);
                Box::new(Whole(tail.into()))
            }
            _ => Box::new(Stored(file)),
        };
        Ok(Some(Opened { object, content }))
    }

    fn file(&self, path: &Path) -> io::Result<Option<File>> {
        match (self.open)(path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(target_os = "linux")]
mod memory {
    use std::fs::File;
    use std::io::{self, IoSliceMut};
    use std::path::Path;

    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
    use rustix::io::{ReadWriteFlags, preadv2};

    /// openat2(2), `RESOLVE_CACHED`: fails where a folder would have to be read from the disk. With
    /// `O_NONBLOCK`, which files ignore, because a pipe would wait for a writer.
    pub(super) fn open(path: &Path) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED)?;
        Ok(file.into())
    }

    /// preadv2(2), `RWF_NOWAIT`: reads less, or nothing, where the disk would have to be waited for.
    pub(super) fn read_exact_at(file: &File, bytes: &mut [u8], start: u64) -> io::Result<()> {
        let wanted = bytes.len();
        let into = &mut [IoSliceMut::new(bytes)];
        match preadv2(file, into, start, ReadWriteFlags::NOWAIT)? {
            read if read == wanted => Ok(()),
            _ => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

/// Other systems cannot tell.
#[cfg(not(target_os = "linux"))]
mod memory {
    use std::fs::File;
    use std::io;
    use std::path::Path;

    pub(super) fn open(_path: &Path) -> io::Result<File> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    pub(super) fn read_exact_at(_file: &File, _bytes: &mut [u8], _start: u64) -> io::Result<()> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Write;

    use rustix::fs::{Advice, fadvise, fstatfs};

    use super::*;
    use crate::description::Description;
    use crate::digest::Sha256;

    /// tmpfs(5) has nothing but memory.
    const TMPFS: i64 = 0x0102_1994;

    #[test]
    fn what_is_on_the_disk_only_is_not_at_hand_and_is_read_patiently() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("object");
        let object = Object {
            size: 4096,
            sha256: Sha256::from_bytes(&[9; 32]).unwrap(),
            modified_ms: 1,
            description: Description::of_type("text/plain"),
        };
        let mut file = File::create_new(&path).unwrap();
        file.write_all(&[7; 4096]).unwrap();
        object_file::finish(&mut file, &object).unwrap();
        file.sync_all().unwrap();
        assert_eq!(object_at_hand(&path).as_ref(), Some(&object));
        assert_eq!(opened_at_hand(&path).unwrap().object, object);

        fadvise(&file, 0, None, Advice::DontNeed).unwrap();
        if fstatfs(&file).unwrap().f_type != TMPFS {
            assert_eq!(object_at_hand(&path), None);
            assert!(opened_at_hand(&path).is_none());
        }
        assert_eq!(super::object(&path).unwrap().as_ref(), Some(&object));
        // That has brought it into memory.
        assert_eq!(object_at_hand(&path).as_ref(), Some(&object));
        assert_eq!(opened(&path).unwrap().unwrap().object, object);
        let bytes = bytes_at_hand(&file, 4096, 0).unwrap();
        assert!(bytes.iter().all(|byte| *byte == 7));
        assert_eq!(bytes_at_hand(&file, 4096, 8192), None, "behind the end");
    }

    #[test]
    fn nothing_is_said_of_what_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("object");
        assert_eq!(object_at_hand(&path), None);
        assert_eq!(super::object(&path).unwrap(), None);
        std::fs::write(&path, "no object").unwrap();
        assert_eq!(object_at_hand(&path), None);
        assert!(matches!(
            super::object(&path),
            Err(StorageError::Damaged(_))
        ));
    }
}
