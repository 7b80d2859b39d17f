//! Lists in the order of the keys, with memory for one page however many objects there are.
//!
//! A folder's names sort like the keys below them (see `layout`), so a walk from the first name
//! that matters gives the page in order and stops when it is full.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::layout::Name;
use super::opening;
use crate::key::ObjectKey;
use crate::storage::{Depth, ListQuery, Page, StorageError};

/// Names of one folder that are in memory at once; a larger folder is read again from where these end.
const NAMES_AT_ONCE: usize = 1024;

/// Most directory entries that one walk looks at. A folder is read whole before its first name is
/// sure, so this is also the largest folder that can be listed.
const MAX_ENTRIES: usize = 1_000_000;

/// Longest walk.
const MAX_TIME: Duration = Duration::from_secs(5);

/// The page of the objects below `space`; a shorter one when the budget ends before it is full.
///
/// # Errors
/// [`StorageError::Busy`] when the budget ends before the walk has passed anything.
pub(super) fn page(space: &Path, query: &ListQuery, budget: Budget) -> Result<Page, StorageError> {
    let mut walk = Walk {
        query,
        budget,
        page: Page::default(),
        passed: None,
    };
    match walk.folder(space, &[]) {
        Err(StorageError::Busy) if walk.passed.is_some() => walk.page.next = walk.passed,
        walked => _ = walked?,
    }
    Ok(walk.page)
}

/// What a walk may cost, and whether anybody still waits for it.
pub(super) struct Budget {
    entries: usize,
    deadline: Instant,
    abandoned: Abandoned,
}

/// Held by who waits for a walk: dropping it ends the walk.
#[derive(Default)]
pub(super) struct Waiting(Arc<AtomicBool>);

/// What tells a walk that nobody waits for it any more.
pub(super) struct Abandoned(Arc<AtomicBool>);

impl Budget {
    /// What one page may cost from now on.
    pub(super) fn begin(abandoned: Abandoned) -> Self {
        Self {
            entries: MAX_ENTRIES,
            deadline: Instant::now() + MAX_TIME,
            abandoned,
        }
    }

    /// Takes one directory entry from it.
    fn take(&mut self) -> Result<(), StorageError> {
        if self.entries == 0
            || self.abandoned.0.load(Ordering::Relaxed)
            || Instant::now() >= self.deadline
        {
            return Err(StorageError::Busy);
        }
        self.entries -= 1;
        Ok(())
    }
}

impl Waiting {
    pub(super) fn abandoned(&self) -> Abandoned {
        Abandoned(Arc::clone(&self.0))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Walk<'q> {
    query: &'q ListQuery,
    budget: Budget,
    page: Page,
    /// The last key or prefix that is on the page, or will be on none.
    passed: Option<String>,
}

/// Whether to go on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    On,
    Full,
}

impl Walk<'_> {
    /// Walks the folder whose objects' keys begin with `text`.
    fn folder(&mut self, folder: &Path, text: &[u8]) -> Result<Step, StorageError> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let names = self.names(folder, text, after.as_deref())?;
            let full = names.len() == NAMES_AT_ONCE;
            for (key_text, name) in &names {
                self.budget.take()?;
                let path = folder.join(name.to_file_name());
                if self.name(&path, [text, key_text].concat(), name)? == Step::Full {
                    return Ok(Step::Full);
                }
            }
            match names.into_keys().next_back() {
                Some(last) if full => after = Some(last),
                _ => return Ok(Step::On),
            }
        }
    }

    fn name(&mut self, path: &Path, text: Vec<u8>, name: &Name) -> Result<Step, StorageError> {
        match name {
            Name::Object(_) => self.object(path, text),
            Name::Folder(_) if self.ends_here(&text) => self.prefix(path, text),
            Name::Folder(_) | Name::Continued(_) => self.folder(path, &text),
        }
    }

    /// Whether keys that are or begin with `text` can be on the page.
    fn matters(&self, text: &[u8]) -> bool {
        let prefix = self.query.prefix.as_bytes();
        let after = self.query.after.as_deref().unwrap_or_default().as_bytes();
        (text.starts_with(prefix) || prefix.starts_with(text))
            && (text > after || after.starts_with(text))
    }

    fn ends_here(&self, text: &[u8]) -> bool {
        let prefix = self.query.prefix.as_bytes();
        self.query.depth == Depth::ToNextSlash
            && text.len() > prefix.len()
            && text.starts_with(prefix)
    }

    fn object(&mut self, path: &Path, text: Vec<u8>) -> Result<Step, StorageError> {
        let Some(text) = self.wanted(text) else {
            return Ok(Step::On);
        };
        let Ok(key) = ObjectKey::parse(text) else {
            return Ok(Step::On);
        };
        if self.is_full() {
            return Ok(Step::Full);
        }
        let found = match opening::object(path) {
            Ok(Some(object)) => Some(object),
            // Deleted since the folder was read.
            Ok(None) => return Ok(Step::On),
            // One must not hide all others. No key in the log: it is the user's.
            Err(StorageError::Damaged(reason)) => {
                tracing::warn!(reason, "a stored object is damaged; a list leaves it out");
                None
            }
            Err(error) => return Err(error),
        };
        self.passed = Some(key.as_str().to_owned());
        self.page.objects.extend(found.map(|object| (key, object)));
        Ok(Step::On)
    }

    fn prefix(&mut self, folder: &Path, text: Vec<u8>) -> Result<Step, StorageError> {
        let Some(text) = self.wanted(text) else {
            return Ok(Step::On);
        };
        let listed = self.has_object(folder)?;
        if listed && self.is_full() {
            return Ok(Step::Full);
        }
        self.passed = Some(text.clone());
        if listed {
            self.page.prefixes.push(text);
        }
        Ok(Step::On)
    }

    /// The text, if it belongs on this page: it has the prefix, and comes after the last page.
    fn wanted(&self, text: Vec<u8>) -> Option<String> {
        let text = String::from_utf8(text).ok()?;
        let follows = self.query.after.as_ref().is_none_or(|after| text > *after);
        (follows && text.starts_with(&self.query.prefix)).then_some(text)
    }

    /// Whether the page is full; then it says where the next one goes on.
    fn is_full(&mut self) -> bool {
        let full = self.page.objects.len() + self.page.prefixes.len() >= self.query.limit;
        if full {
            self.page.next.clone_from(&self.passed);
        }
        full
    }

    /// The first [`NAMES_AT_ONCE`] names after `after` that matter in the folder whose objects'
    /// keys begin with `text`, by what they add to a key.
    fn names(
        &mut self,
        folder: &Path,
        text: &[u8],
        after: Option<&[u8]>,
    ) -> Result<BTreeMap<Vec<u8>, Name>, StorageError> {
        let mut names = BTreeMap::new();
        let Some(entries) = entries(folder)? else {
            return Ok(names);
        };
        for entry in entries {
            self.budget.take()?;
            let file_name = entry?.file_name();
            // What is not ours is not an object.
            let Some(name) = file_name.to_str().and_then(Name::parse) else {
                continue;
            };
            let key_text = name.key_text();
            if after.is_none_or(|after| key_text.as_slice() > after)
                && self.matters(&[text, &key_text].concat())
            {
                names.insert(key_text, name);
                if names.len() > NAMES_AT_ONCE {
                    names.pop_last();
                }
            }
        }
        Ok(names)
    }

    /// Whether there is an object somewhere below. Empty folders are removed with their last
    /// object, so the first look finds one except after a crash in between.
    fn has_object(&mut self, folder: &Path) -> Result<bool, StorageError> {
        let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in entries(&folder)?.into_iter().flatten() {
                self.budget.take()?;
                let entry = entry?;
                match entry.file_name().to_str().and_then(Name::parse) {
                    Some(Name::Object(_)) => return Ok(true),
                    Some(_) => folders.push(entry.path()),
                    None => {}
                }
            }
        }
        Ok(false)
    }
}

/// A folder's entries; `None` when it was removed meanwhile.
fn entries(folder: &Path) -> io::Result<Option<fs::ReadDir>> {
    match fs::read_dir(folder) {
        Ok(entries) => Ok(Some(entries)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::super::object_file;
    use super::*;
    use crate::description::Description;
    use crate::digest::Sha256;
    use crate::storage::Object;

    fn space(keys: &[&str]) -> tempfile::TempDir {
        let space = tempfile::tempdir().unwrap();
        for key in keys {
            let mut path = space.path().to_owned();
            let (folders, name) = key.rsplit_once('/').unwrap_or(("", key));
            for folder in folders.split('/').filter(|folder| !folder.is_empty()) {
                path.push(format!("{folder}.d"));
            }
            fs::create_dir_all(&path).unwrap();
            let object = Object {
                size: 0,
                sha256: Sha256::from_bytes(&[0; 32]).unwrap(),
                modified_ms: 0,
                description: Description {
                    content_type: "text/plain".into(),
                    cache_control: None,
                    content_disposition: None,
                    meta: BTreeMap::new(),
                },
            };
            let mut file = File::create_new(path.join(format!("{name}.o"))).unwrap();
            object_file::finish(&mut file, &object).unwrap();
        }
        space
    }

    fn query(after: Option<String>, depth: Depth) -> ListQuery {
        ListQuery {
            prefix: String::new(),
            depth,
            limit: 100,
            after,
        }
    }

    fn budget(entries: usize) -> (Budget, Waiting) {
        let waiting = Waiting::default();
        let budget = Budget::begin(waiting.abandoned());
        (Budget { entries, ..budget }, waiting)
    }

    #[test]
    fn a_walk_over_its_budget_ends_the_page_early_and_the_next_goes_on() {
        let keys = ["a/1", "a/2", "b/1", "b/2", "c/1", "c/2"];
        let space = space(&keys);
        for (depth, expected) in [
            (Depth::All, keys.as_slice()),
            (Depth::ToNextSlash, &["a/", "b/", "c/"]),
        ] {
            let (mut seen, mut pages, mut after) = (Vec::new(), 0, None);
            loop {
                let (budget, _waiting) = budget(14);
                let page = page(space.path(), &query(after, depth), budget).unwrap();
                seen.extend(page.objects.iter().map(|(key, _)| key.as_str().to_owned()));
                seen.extend(page.prefixes);
                pages += 1;
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(seen, expected);
            assert!(depth == Depth::ToNextSlash || pages > 1, "{pages} pages");
        }
    }

    #[test]
    fn a_walk_that_passes_nothing_within_its_budget_is_busy() {
        let space = space(&["a", "b", "c"]);
        let (few, _waiting) = budget(2);
        let (late, _waiting_too) = budget(MAX_ENTRIES);
        let late = Budget {
            deadline: Instant::now(),
            ..late
        };
        for budget in [few, late] {
            let walked = page(space.path(), &query(None, Depth::All), budget);
            assert!(matches!(walked, Err(StorageError::Busy)), "{walked:?}");
        }
    }

    #[test]
    fn a_walk_that_nobody_waits_for_ends() {
        let space = space(&["a", "b", "c"]);
        let (budget, waiting) = budget(MAX_ENTRIES);
        drop(waiting);
        let walked = page(space.path(), &query(None, Depth::All), budget);
        assert!(matches!(walked, Err(StorageError::Busy)), "{walked:?}");
    }
}
