//! Changes to names that survive the loss of power: a name is on disk when its folder is.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Held while folders of a space are made or removed; a few spaces share one.
static SPACES: [Mutex<()>; 64] = [const { Mutex::new(()) }; 64];

/// Held, besides, while a space's own folder and what is above it, which others share, are.
static SHARED: Mutex<()> = Mutex::new(());

/// Whether a name may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// Only if nobody has it: of several at once, one succeeds.
    New,
    /// Whoever has it loses it.
    Any,
}

/// Gives the finished file `from` the name `to` below the folder `space`, in folders that are made
/// as needed; those down to `top` must be there, or the store is not.
///
/// # Errors
/// `AlreadyExists` for a [`Name::New`] that is taken.
pub(super) fn rename(
    from: &Path,
    to: &Path,
    name: Name,
    space: &Path,
    top: &Path,
) -> io::Result<()> {
    let folder = folder_of(to)?;
    let give = || match name {
        Name::Any => fs::rename(from, to),
        // A link never replaces; the first name is removed when the upload is dropped.
        Name::New => fs::hard_link(from, to),
    };
    match give() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::metadata(top)?;
            let _folders_stay = lock(of_space(space));
            {
                let _shared_stay = lock(&SHARED);
                create_folders(space)?;
            }
            create_folders(folder)?;
            give()?;
        }
        given => {
            given?;
            // Who made these folders may still be putting their names on disk.
            drop(lock(of_space(space)));
        }
    }
    sync(folder)
}

/// Removes `path`, and the folders above it that become empty: those of its `space`, that one
/// itself, and those above it up to but not with `top`.
pub(super) fn remove(path: &Path, space: &Path, top: &Path) -> io::Result<()> {
    fs::remove_file(path)?;
    let folder = folder_of(path)?;
    sync(folder)?;
    let _one_at_a_time = lock(of_space(space));
    if remove_empty(folder, space)? {
        let _shared = lock(&SHARED);
        remove_empty(space, top)?;
    }
    Ok(())
}

/// Removes `folder` if it is empty: one of `space`, that one itself, or with no space one above, which
/// several share. Nobody who gives a name in it meanwhile is in its way.
pub(super) fn remove_folder(folder: &Path, space: Option<&Path>) -> io::Result<()> {
    let _one_at_a_time = space.map(|space| lock(of_space(space)));
    let is_shared = space.is_none_or(|space| space == folder);
    let _shared = is_shared.then(|| lock(&SHARED));
    fs::remove_dir(folder)
}

/// Removes `folder` and those above it as long as they are empty, up to but not with `top`; says
/// whether all were.
fn remove_empty(mut folder: &Path, top: &Path) -> io::Result<bool> {
    // One that is not empty ends it; an empty one that stays does no harm.
    while folder != top && folder.starts_with(top) {
        if fs::remove_dir(folder).is_err() {
            return Ok(false);
        }
        folder = folder_of(folder)?;
    }
    Ok(true)
}

fn of_space(space: &Path) -> &'static Mutex<()> {
    let mut hasher = DefaultHasher::new();
    space.hash(&mut hasher);
    &SPACES[usize::from(hasher.finish().to_le_bytes()[0]) % SPACES.len()]
}

/// Poison means a panic elsewhere; the locks guard no data.
fn lock(mutex: &Mutex<()>) -> MutexGuard<'_, ()> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes `folder` and what is missing above it.
pub(super) fn create_folders(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create_folders(folder_of(folder)?)?;
            fs::create_dir(folder)?;
        }
        created => created?,
    }
    sync(folder_of(folder)?)
}

/// Makes the name of a new file last.
pub(super) fn sync_name(path: &Path) -> io::Result<()> {
    sync(folder_of(path)?)
}

fn folder_of(path: &Path) -> io::Result<&Path> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Ok(Path::new(".")),
        Some(parent) => Ok(parent),
        None => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the root of the file system has no folder",
        )),
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    match File::open(folder) {
        Ok(folder) => folder.sync_all(),
        // Empty again and removed: nothing to keep.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn folders_made_in_one_space_keep_no_other_waiting() {
        let root = tempfile::tempdir().unwrap();
        let held = root.path().join("held.d");
        let other = (0..1000)
            .map(|n| root.path().join(format!("other-{n}.d")))
            .find(|other| !std::ptr::eq(of_space(other), of_space(&held)))
            .unwrap();
        let _making = lock(of_space(&held));
        let (done, ended) = mpsc::channel();
        let from = root.path().join("upload");
        let top = root.path().to_owned();
        thread::spawn(move || {
            for key in ["a.d/b.o", "a.d/c.o"] {
                fs::write(&from, "x").unwrap();
                rename(&from, &other.join(key), Name::New, &other, &top).unwrap();
            }
            done.send(()).unwrap();
        });
        ended.recv_timeout(Duration::from_secs(20)).unwrap();
    }

    #[test]
    fn names_are_made_while_a_sweep_removes_the_folders_of_all_of_them() {
        let root = tempfile::tempdir().unwrap();
        let top = root.path().join("objects");
        fs::create_dir(&top).unwrap();
        let (app, space) = (top.join("app.d"), top.join("app.d/ada.d"));
        let folder = space.join("a.d");
        let is_done = AtomicBool::new(false);
        thread::scope(|scope| {
            let sweeping = scope.spawn(|| {
                let mut removed = 0;
                while !is_done.load(Ordering::Relaxed) {
                    for (folder, space) in [
                        (&folder, Some(&*space)),
                        (&space, Some(&*space)),
                        (&app, None),
                    ] {
                        removed += usize::from(remove_folder(folder, space).is_ok());
                    }
                }
                removed
            });
            let (from, to) = (root.path().join("upload"), folder.join("b.o"));
            let mut result = Ok(());
            for _ in 0..300 {
                fs::write(&from, "x").unwrap();
                result = result.and(rename(&from, &to, Name::Any, &space, &top));
                // As a kill leaves it.
                let _ = fs::remove_file(&to);
            }
            is_done.store(true, Ordering::Relaxed);
            assert!(sweeping.join().unwrap() > 0, "they never met");
            result.unwrap();
        });
    }

    #[test]
    fn names_are_made_while_others_remove_the_same_folders() {
        let root = tempfile::tempdir().unwrap();
        let top = root.path().join("objects");
        fs::create_dir(&top).unwrap();
        thread::scope(|scope| {
            for n in 0..6 {
                let (root, top) = (root.path(), &top);
                scope.spawn(move || {
                    let space = top.join("app.d").join(format!("{}.d", n % 2));
                    let (from, to) = (
                        root.join(format!("upload-{n}")),
                        space.join(format!("a.d/b.d/{n}.o")),
                    );
                    for _ in 0..100 {
                        fs::write(&from, "x").unwrap();
                        rename(&from, &to, Name::Any, &space, top).unwrap();
                        remove(&to, &space, top).unwrap();
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(&top).unwrap().count(), 0, "empty folders stay");
    }
}
