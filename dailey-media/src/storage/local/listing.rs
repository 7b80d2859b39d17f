//! Lists in the order of the keys, with memory for one page however many objects there are.
//!
//! A folder's names sort like the keys below them (see `layout`), so a walk from the first name
//! that matters gives the page in order and stops when it is full.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::layout::Name;
use super::object_file;
use crate::key::ObjectKey;
use crate::storage::{Depth, ListQuery, Page, StorageError};

/// Names of one folder that are in memory at once; a larger folder is read again from where these end.
const NAMES_AT_ONCE: usize = 1024;

/// The page of the objects below `space`.
pub(super) fn page(space: &Path, query: &ListQuery) -> Result<Page, StorageError> {
    let mut walk = Walk {
        query,
        page: Page::default(),
        last: None,
    };
    walk.folder(space, &[])?;
    Ok(walk.page)
}

struct Walk<'q> {
    query: &'q ListQuery,
    page: Page,
    /// The last key or prefix on the page.
    last: Option<String>,
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
            let names = names(folder, after.as_deref(), |key_text| {
                self.matters(&[text, key_text].concat())
            })?;
            let full = names.len() == NAMES_AT_ONCE;
            for (key_text, name) in &names {
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
        let file = match File::open(path) {
            Ok(file) => file,
            // Deleted since the folder was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Step::On),
            Err(error) => return Err(error.into()),
        };
        let object = object_file::read(&file, object_file::RECORD_TAIL_BYTES)?.object;
        self.last = Some(key.as_str().to_owned());
        self.page.objects.push((key, object));
        Ok(Step::On)
    }

    fn prefix(&mut self, folder: &Path, text: Vec<u8>) -> Result<Step, StorageError> {
        let Some(text) = self.wanted(text) else {
            return Ok(Step::On);
        };
        if !has_object(folder)? {
            return Ok(Step::On);
        }
        if self.is_full() {
            return Ok(Step::Full);
        }
        self.last = Some(text.clone());
        self.page.prefixes.push(text);
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
            self.page.next.clone_from(&self.last);
        }
        full
    }
}

/// The first [`NAMES_AT_ONCE`] names after `after` that `matter`, by what they add to a key.
fn names(
    folder: &Path,
    after: Option<&[u8]>,
    matters: impl Fn(&[u8]) -> bool,
) -> Result<BTreeMap<Vec<u8>, Name>, StorageError> {
    let mut names = BTreeMap::new();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(names),
        Err(error) => return Err(error.into()),
    };
    for entry in entries {
        let file_name = entry?.file_name();
        // What is not ours is not an object.
        let Some(name) = file_name.to_str().and_then(Name::parse) else {
            continue;
        };
        let text = name.key_text();
        if after.is_none_or(|after| text.as_slice() > after) && matters(&text) {
            names.insert(text, name);
            if names.len() > NAMES_AT_ONCE {
                names.pop_last();
            }
        }
    }
    Ok(names)
}

/// Whether there is an object somewhere below. Empty folders are removed with their last object,
/// so the first look finds one except after a crash in between.
fn has_object(folder: &Path) -> Result<bool, StorageError> {
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        for entry in entries {
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
