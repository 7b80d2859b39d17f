//! Removes what a killed process left and the start does not wait for: on one thread that mostly rests, since
//! there may be millions of objects to walk over.
//!
//! | what | when it was left |
//! | --- | --- |
//! | empty folders of objects | a kill came before an object got its name there, or after it had lost it |
//! | bytes of a resumable upload without its state | the state was lost: nobody can go on with them, or end them |
//!
//! What may not be ours stays: other names, links, whatever they lead to, and a folder with anything in it.

use std::fs::{self, DirEntry, File, ReadDir};
use std::io;
use std::path::Path;
use std::sync::Weak;
use std::thread;
use std::time::{Duration, Instant};

use super::durable;
use super::layout::{Layout, Name};
use crate::key::ObjectKey;
use crate::storage::Location;
use crate::storage::resumable::{state_key, states};

/// Folders of one folder whose names are in memory at once.
const NAMES_AT_ONCE: usize = 1024;

/// Entries that are looked at between two rests.
const STEPS: usize = 256;

/// How many times as long as it has worked it rests: the disk is there for requests.
const REST: u32 = 4;

/// Longest rest: one entry may have taken a slow disk long.
const MAX_REST: Duration = Duration::from_secs(1);

/// Characters of an upload's name, hexadecimal.
const ID_CHARACTERS: usize = 32;

pub(super) struct Sweep {
    layout: Layout,
    /// Without it the root may be another's: it is held while anything is removed.
    lock: Weak<File>,
    /// Uploads that were there before the start.
    resumables: Vec<String>,
    steps: usize,
    worked_since: Instant,
    removed: u64,
    failed: u64,
    first_error: Option<io::Error>,
}

/// The store is no more.
struct Ended;

/// What the names in a folder are part of.
#[derive(Clone, Copy)]
enum PartOf<'p> {
    App,
    Subject,
    /// A key in the space of this folder.
    Key(&'p Path),
}

impl<'p> PartOf<'p> {
    /// What the names in the folder `path` are part of, when its own name is part of this.
    fn below(self, path: &'p Path, name: &Name) -> Self {
        match (self, name) {
            (Self::App, Name::Folder(_)) => Self::Subject,
            (Self::Subject, Name::Folder(_)) => Self::Key(path),
            (within, _) => within,
        }
    }

    /// The space of the folder that holds them.
    fn space(self) -> Option<&'p Path> {
        match self {
            Self::App | Self::Subject => None,
            Self::Key(space) => Some(space),
        }
    }
}

impl Sweep {
    /// To be called before anybody uses the store, which has `lock` for as long as it lives.
    pub(super) fn new(layout: Layout, lock: Weak<File>) -> io::Result<Self> {
        let mut resumables = Vec::new();
        for entry in fs::read_dir(layout.resumables())? {
            let name = entry?.file_name().into_string();
            resumables.extend(name.ok().filter(|name| is_id(name)));
        }
        Ok(Self {
            layout,
            lock,
            resumables,
            steps: 0,
            worked_since: Instant::now(),
            removed: 0,
            failed: 0,
            first_error: None,
        })
    }

    /// Sweeps on a thread of its own, until all is done or the store is no more.
    pub(super) fn begin(self) {
        let thread = thread::Builder::new().name("sweep".into());
        if let Err(error) = thread.spawn(move || self.run()) {
            tracing::warn!(%error, "could not look for what a crash left; the next start tries again");
        }
    }

    fn run(mut self) {
        let objects = self.layout.objects();
        let ended = self
            .resumables()
            .and_then(|()| self.below(&objects, PartOf::App));
        if self.removed > 0 {
            let removed = self.removed;
            tracing::info!(removed, "removed what a crash left");
        }
        if let (Some(error), Ok(_)) = (self.first_error, ended) {
            let failed = self.failed;
            tracing::warn!(%error, failed, "could not look at all that a crash may have left; the next start tries again");
        }
    }

    fn resumables(&mut self) -> Result<(), Ended> {
        for id in std::mem::take(&mut self.resumables) {
            self.step()?;
            let _ours = self.lock.upgrade().ok_or(Ended)?;
            match self.has_state(&id) {
                Ok(true) => {}
                // The state comes first and goes last, and no other upload gets this name.
                Ok(false) => match fs::remove_file(self.layout.resumable(&id)) {
                    Ok(()) => self.removed += 1,
                    Err(error) => self.failed(error),
                },
                Err(error) => self.failed(error),
            }
        }
        Ok(())
    }

    fn has_state(&self, id: &str) -> io::Result<bool> {
        let key = ObjectKey::parse(state_key(id)).map_err(io::Error::other)?;
        let space = states();
        let found = self.layout.object(&Location { space, key }).try_exists()?;
        // Of a disk that is not there nobody can say.
        fs::metadata(self.layout.objects())?;
        Ok(found)
    }

    /// Removes the folder if nothing is in it or below it. Whether it is gone.
    fn folder(&mut self, folder: &Path, part_of: PartOf<'_>) -> Result<bool, Ended> {
        if !self.below(folder, part_of)? {
            return Ok(false);
        }
        let _ours = self.lock.upgrade().ok_or(Ended)?;
        match durable::remove_folder(folder, part_of.space()) {
            Ok(()) => {
                self.removed += 1;
                return Ok(true);
            }
            // Somebody has just written there.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            Err(error) => self.failed(error),
        }
        Ok(false)
    }

    /// Removes the empty folders below this one. Whether nothing is left in it.
    fn below(&mut self, folder: &Path, part_of: PartOf<'_>) -> Result<bool, Ended> {
        let mut is_empty = true;
        let mut unread = self.read(folder);
        if unread.is_none() {
            return Ok(false);
        }
        while let Some(mut entries) = unread.take() {
            let mut names = Vec::new();
            for entry in entries.by_ref() {
                self.step()?;
                match self.folder_of_ours(entry) {
                    Some(name) => names.push(name),
                    None => is_empty = false,
                }
                if names.len() == NAMES_AT_ONCE {
                    break;
                }
            }
            // Closed before those below are opened, unless it is a large one: a path may have more
            // folders than a process may have open.
            unread = (names.len() == NAMES_AT_ONCE).then_some(entries);
            for name in names {
                let path = folder.join(name.to_file_name());
                is_empty &= self.folder(&path, part_of.below(&path, &name))?;
            }
        }
        Ok(is_empty)
    }

    fn read(&mut self, folder: &Path) -> Option<ReadDir> {
        fs::read_dir(folder)
            .map_err(|error| self.failed(error))
            .ok()
    }

    /// The name of a folder that may be of objects.
    fn folder_of_ours(&mut self, entry: io::Result<DirEntry>) -> Option<Name> {
        let read = entry.and_then(|entry| Ok((entry.file_name(), entry.file_type()?)));
        let (name, kind) = read.map_err(|error| self.failed(error)).ok()?;
        let name = Name::parse(name.to_str()?)?;
        // The type of a link is its own.
        (kind.is_dir() && !matches!(name, Name::Object(_))).then_some(name)
    }

    fn failed(&mut self, error: io::Error) {
        // Gone meanwhile.
        if error.kind() != io::ErrorKind::NotFound {
            self.failed += 1;
            self.first_error.get_or_insert(error);
        }
    }

    /// To be called for each entry.
    fn step(&mut self) -> Result<(), Ended> {
        self.steps += 1;
        if self.steps.is_multiple_of(STEPS) {
            let rest = self.worked_since.elapsed().saturating_mul(REST);
            thread::sleep(rest.min(MAX_REST));
            self.worked_since = Instant::now();
        }
        match self.lock.strong_count() {
            0 => Err(Ended),
            _ => Ok(()),
        }
    }
}

fn is_id(name: &str) -> bool {
    name.len() == ID_CHARACTERS && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::super::LocalStorage;
    use super::*;
    use crate::description::Description;
    use crate::key::Space;
    use crate::preconditions::Preconditions;
    use crate::storage::{Commit, Committed, Deletion, Storage, Target, records};

    fn at(subject: &str, key: &str) -> Location {
        Location {
            space: Space::new("app", subject),
            key: ObjectKey::parse(key).unwrap(),
        }
    }

    async fn write(store: &LocalStorage, at: &Location) {
        let target = Target {
            at: at.clone(),
            description: Description::of_type("text/plain"),
        };
        let upload = store.upload(target).await.unwrap();
        let committed = upload.commit(Commit::default()).await.unwrap();
        assert!(matches!(committed, Committed::Stored { .. }));
    }

    /// All that is below a folder, by its path from there.
    fn tree(folder: &Path) -> Vec<String> {
        let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
        while let Some(one) = folders.pop() {
            for entry in fs::read_dir(one).into_iter().flatten().flatten() {
                let path = entry.path();
                found.push(path.strip_prefix(folder).unwrap().display().to_string());
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(path);
                }
            }
        }
        found.sort();
        found
    }

    async fn until(wanted: impl Fn() -> bool, what: impl Fn() -> String) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !wanted() {
            assert!(Instant::now() < deadline, "{}", what());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[test]
    fn a_folder_is_known_to_be_of_the_space_whose_locks_it_is_removed_under() {
        let layout = Layout::new("/r");
        let long = "x".repeat(200);
        for (app, subject) in [
            ("app", "ada"),
            ("", "uploads"),
            (&*long, &*long),
            ("é", "a/b"),
        ] {
            let space = Space::new(app, subject);
            let expected = layout.space(&space);
            let key = ObjectKey::parse(format!("a/{long}/b")).unwrap();
            let object = layout.object(&Location { space, key });
            let folders = object.parent().unwrap().ancestors();
            let mut folders: Vec<_> = folders
                .take_while(|folder| *folder != layout.objects())
                .collect();
            folders.reverse();
            let mut part_of = PartOf::App;
            for folder in folders {
                let name = folder.file_name().unwrap().to_str().unwrap();
                part_of = part_of.below(folder, &Name::parse(name).unwrap());
                let is_within = folder.starts_with(&expected);
                assert_eq!(
                    part_of.space(),
                    is_within.then_some(&*expected),
                    "{folder:?}"
                );
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn empty_folders_go_while_others_write_in_them_and_nothing_else_does() {
        let root = tempfile::tempdir().unwrap();
        let objects = root.path().join("objects");
        let stays = at("ada", "a/full");
        write(&LocalStorage::open(root.path()).unwrap(), &stays).await;
        let elsewhere = tempfile::tempdir().unwrap();
        let empty = |path: String| fs::create_dir_all(objects.join(path)).unwrap();
        fs::create_dir(elsewhere.path().join("a.d")).unwrap();
        let stay = [
            "app.d/ada.d/foreign.d/notes.txt".to_owned(),
            "app.d/foreign".to_owned(),
            "app.d/object.o".to_owned(),
            "link.d".to_owned(),
        ];
        empty("app.d/ada.d/foreign.d".to_owned());
        fs::write(objects.join(&stay[0]), "x").unwrap();
        empty(stay[1].clone());
        empty(stay[2].clone());
        symlink(elsewhere.path(), objects.join(&stay[3])).unwrap();
        let kept = tree(&objects);
        // In a space beside an object; a space, an app; with a long name, and as deep as a key.
        empty("app.d/ada.d/a.d/b.d/c.d".to_owned());
        empty("app.d/bob.d/a.d/b.d".to_owned());
        empty("gone.d/bob.d".to_owned());
        let part = "x".repeat(super::super::layout::PART_BYTES);
        empty(format!("{part}.c/.d/{part}.c/y.d/{part}.c/z.d"));
        empty(format!("app.d/cy.d/{}", "k.d/".repeat(511)));
        for n in 0..2 * NAMES_AT_ONCE {
            empty(format!("app.d/many.d/{n}.d"));
        }

        let store = LocalStorage::open(root.path()).unwrap();
        let writers = ["ada", "bob"].map(|subject| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in 0..100 {
                    let at = at(subject, &format!("a/b/{n}"));
                    write(&store, &at).await;
                    let deleted = store.delete(&at, &Preconditions::default()).await;
                    assert_eq!(deleted.unwrap(), Deletion::Deleted);
                }
            })
        });
        for writer in writers {
            writer.await.unwrap();
        }
        until(
            || tree(&objects) == kept,
            || format!("{:?}", tree(&objects)),
        )
        .await;
        assert!(elsewhere.path().join("a.d").exists());
        assert!(store.stat(&stays).await.unwrap().is_some());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn bytes_of_an_upload_go_when_its_state_is_gone_and_no_other_file_does() {
        let root = tempfile::tempdir().unwrap();
        let (kept, lost) = ("0".repeat(32), "1".repeat(32));
        let store = LocalStorage::open(root.path()).unwrap();
        let state = Location {
            space: states(),
            key: ObjectKey::parse(state_key(&kept)).unwrap(),
        };
        let any = Preconditions::default();
        records::write(&store, &state, "{}", any).await.unwrap();
        drop(store);
        let resumables = root.path().join("resumable");
        for name in [&*kept, &*lost, "notes"] {
            fs::write(resumables.join(name), "x").unwrap();
        }
        let _store = LocalStorage::open(root.path()).unwrap();
        let left = || tree(&resumables);
        until(|| left() == [&*kept, "notes"], || format!("{:?}", left())).await;
    }

    #[test]
    fn nothing_is_removed_when_the_store_is_no_more_and_faults_do_not_end_it() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        let objects = layout.objects();
        let folder = |path: &str| -> PathBuf {
            let folder = objects.join(path);
            fs::create_dir_all(&folder).unwrap();
            folder
        };
        fs::create_dir(layout.resumables()).unwrap();
        let empty = [folder("a.d/a.d"), folder("z.d/z.d")];
        let lock = Arc::new(File::open(root.path()).unwrap());
        let mut sweep = Sweep::new(layout, Arc::downgrade(&lock)).unwrap();
        assert!(matches!(
            sweep.below(&objects.join("none"), PartOf::App),
            Ok(false)
        ));
        assert_eq!(sweep.failed, 0);
        let file = root.path().join("file");
        fs::write(&file, "x").unwrap();
        assert!(matches!(sweep.below(&file, PartOf::App), Ok(false)));
        assert_eq!(sweep.failed, 1);
        drop(lock);
        assert!(sweep.below(&objects, PartOf::App).is_err());
        assert!(empty.iter().all(|folder| folder.exists()));
    }
}
