//! Names: where in the root an object lies. Knows nothing of what is in the files.
//!
//! ```text
//! {root}/lock                         held by the one process that uses the root
//! {root}/uploads/{id}                 uploads under way, swept at start
//! {root}/resumable/{id}               uploads that may go on after a restart
//! {root}/objects/{app}/{subject}/{segment}/…/{segment}
//! ```
//!
//! App, subject and each segment of a key become one or more file names of at most 255 bytes. A
//! name is the text and a suffix that says what it is, so that nothing collides: the object `a`
//! is `a.o`, the folder of `a/b` is `a.d`, and a part of [`PART_BYTES`] that goes on is `….c`.
//! Text outside of `A-Z a-z 0-9 . _ -` is base64url under the same suffix in upper case. Every
//! text has exactly one form, so the mapping can be read backwards.

use std::path::{Path, PathBuf};

use data_encoding::BASE64URL_NOPAD;

use crate::key::Space;
use crate::storage::Location;

/// Bytes of a text in one file name: with base64url 240, below the 255 that file systems take.
pub(super) const PART_BYTES: usize = 180;

#[derive(Clone, Debug)]
pub(super) struct Layout {
    root: PathBuf,
}

/// What a file name in the tree of objects is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    /// The last part of an object's last segment.
    Object(Vec<u8>),
    /// The last part of a segment that has others below.
    Folder(Vec<u8>),
    /// A part of a segment that goes on in the folder of this name.
    Continued(Vec<u8>),
}

impl Layout {
    pub(super) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    pub(super) fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }

    pub(super) fn resumables(&self) -> PathBuf {
        self.root.join("resumable")
    }

    /// `id` is a file name.
    pub(super) fn resumable(&self, id: &str) -> PathBuf {
        self.resumables().join(id)
    }

    pub(super) fn objects(&self) -> PathBuf {
        self.root.join("objects")
    }

    pub(super) fn space(&self, space: &Space) -> PathBuf {
        let mut path = self.objects();
        for text in [space.app_id(), space.subject()] {
            push(&mut path, text, Name::Folder);
        }
        path
    }

    pub(super) fn object(&self, at: &Location) -> PathBuf {
        let mut path = self.space(&at.space);
        let mut segments = at.key.segments().peekable();
        while let Some(segment) = segments.next() {
            push(
                &mut path,
                segment,
                if segments.peek().is_some() {
                    Name::Folder
                } else {
                    Name::Object
                },
            );
        }
        path
    }
}

/// A full part always goes on, if only to an empty rest, so that what begins alike lies together
/// and a folder can be listed in the order of the keys.
fn push(path: &mut PathBuf, text: &str, last: fn(Vec<u8>) -> Name) {
    let mut rest = text.as_bytes();
    while let Some((part, after)) = rest.split_at_checked(PART_BYTES) {
        path.push(Name::Continued(part.to_vec()).to_file_name());
        rest = after;
    }
    path.push(last(rest.to_vec()).to_file_name());
}

impl Name {
    pub(super) fn to_file_name(&self) -> String {
        let (text, plain, encoded) = match self {
            Self::Object(text) => (text, "o", "O"),
            Self::Folder(text) => (text, "d", "D"),
            Self::Continued(text) => (text, "c", "C"),
        };
        match std::str::from_utf8(text) {
            Ok(literal) if is_plain(text) => format!("{literal}.{plain}"),
            _ => format!("{}.{encoded}", BASE64URL_NOPAD.encode(text)),
        }
    }

    /// `None` for a name that [`Name::to_file_name`] never gives: nothing of ours.
    pub(super) fn parse(file_name: &str) -> Option<Self> {
        let (text, suffix) = file_name.rsplit_once('.')?;
        let bytes = match suffix {
            "o" | "d" | "c" => text.as_bytes().to_vec(),
            "O" | "D" | "C" => BASE64URL_NOPAD.decode(text.as_bytes()).ok()?,
            _ => return None,
        };
        let name = match suffix {
            "o" | "O" => Self::Object(bytes),
            "d" | "D" => Self::Folder(bytes),
            _ => Self::Continued(bytes),
        };
        (name.to_file_name() == file_name).then_some(name)
    }

    /// What it adds to the text of a key.
    pub(super) fn key_text(&self) -> Vec<u8> {
        match self {
            Self::Object(text) | Self::Continued(text) => text.clone(),
            Self::Folder(text) => [text.as_slice(), b"/"].concat(),
        }
    }
}

fn is_plain(text: &[u8]) -> bool {
    text.iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
}

/// Where an object lies below a root.
#[cfg(feature = "fuzzing")]
pub(crate) fn path_of(root: &Path, at: &Location) -> PathBuf {
    Layout::new(root).object(at)
}

/// A path below the objects, read backwards: app, subject, segments of the key. `None` where a name
/// is none of ours.
#[cfg(feature = "fuzzing")]
pub(crate) fn texts_of(below_objects: &Path) -> Option<Vec<Vec<u8>>> {
    let mut texts = vec![Vec::new()];
    for component in below_objects.components() {
        let name = Name::parse(component.as_os_str().to_str()?)?;
        let (Name::Object(part) | Name::Folder(part) | Name::Continued(part)) = &name;
        texts.last_mut()?.extend(part);
        if matches!(name, Name::Folder(_)) {
            texts.push(Vec::new());
        }
    }
    Some(texts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::ObjectKey;

    fn path(app: &str, subject: &str, key: &str) -> PathBuf {
        let key = ObjectKey::parse(key).unwrap();
        Layout::new("/r").object(&Location {
            space: Space::new(app, subject),
            key,
        })
    }

    #[test]
    fn names_say_what_they_are() {
        assert_eq!(
            path("app", "user-1", "a/b.png"),
            Path::new("/r/objects/app.d/user-1.d/a.d/b.png.o")
        );
        assert_eq!(
            path("app", "../x", "é"),
            Path::new("/r/objects/app.d/Li4veA.D/w6k.O")
        );
        let long = "x".repeat(PART_BYTES);
        assert_eq!(
            path("app", "u", &long),
            Path::new(&format!("/r/objects/app.d/u.d/{long}.c/.o"))
        );
    }

    #[test]
    fn a_foreign_file_is_nobodys_object() {
        for foreign in [
            "a", "a.x", "a.O", "YQ.O", "w6k.o ", "é.o", ".hidden", "a b.o",
        ] {
            assert_eq!(Name::parse(foreign), None, "{foreign}");
        }
    }

    proptest! {
        #[test]
        fn different_places_have_different_paths_below_the_objects(
            a in (".{0,40}", ".{1,255}", "[a-c./é]{1,400}"), b in (".{0,40}", ".{1,255}", "[a-c./é]{1,400}")
        ) {
            let key = |text: &str| ObjectKey::parse(text.to_owned());
            if let (Ok(_), Ok(_)) = (key(&a.2), key(&b.2)) {
                let (left, right) = (path(&a.0, &a.1, &a.2), path(&b.0, &b.1, &b.2));
                prop_assert_eq!(left == right, a == b);
                for path in [left, right] {
                    prop_assert!(path.starts_with("/r/objects"));
                    for component in path.components() {
                        let component = component.as_os_str().to_str().unwrap();
                        prop_assert!(component.len() <= 255 && component != "..");
                    }
                }
            }
        }

        #[test]
        fn a_name_can_be_read_backwards(text in proptest::collection::vec(any::<u8>(), 0..=PART_BYTES)) {
            for name in [Name::Object(text.clone()), Name::Folder(text.clone()), Name::Continued(text.clone())] {
                prop_assert_eq!(Name::parse(&name.to_file_name()), Some(name));
            }
        }
    }
}
