//! Names: under which key of the bucket an object lies.
//!
//! ```text
//! {app}/{subject}/{key}         an object; its key as it is
//! .dailey/{purpose}/{key}       a reserved space, which no audience can have
//! ```
//!
//! App and subject stand there as they are where they are of `A-Z a-z 0-9 . _ -`; any other text is
//! `!` and its base64url. Each text has exactly one form and none is the other's, so nothing
//! collides or climbs.

use data_encoding::BASE64URL_NOPAD;
use object_store::path::Path;

use crate::key::{MAX_KEY_BYTES, Space};
use crate::storage::resumable::{state_key, states};
use crate::storage::{Location, StorageError};

/// Where the reserved spaces are.
const RESERVED: &str = ".dailey";

/// Longest key in a bucket: the space's own part counts, too.
const MAX_BYTES: usize = MAX_KEY_BYTES;

/// The object's key in the bucket.
pub(super) fn path(at: &Location) -> Result<Path, StorageError> {
    let text = prefix(&at.space) + at.key.as_str();
    if text.len() > MAX_BYTES {
        return Err(StorageError::KeyTooLong);
    }
    // Whatever is a key of ours is a path here; parsing takes it as it is.
    Path::parse(text).map_err(|_| StorageError::KeyTooLong)
}

/// Where what is known of a resumable upload is.
pub(super) fn state(id: &str) -> Path {
    Path::from(prefix(&states()) + &state_key(id))
}

/// What every key of the space begins with.
pub(super) fn prefix(space: &Space) -> String {
    let app = if space.app_id().is_empty() {
        RESERVED.to_owned()
    } else {
        encoded(space.app_id())
    };
    format!("{app}/{}/", encoded(space.subject()))
}

fn encoded(text: &str) -> String {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if plain && !["", ".", "..", RESERVED].contains(&text) {
        text.to_owned()
    } else {
        format!("!{}", BASE64URL_NOPAD.encode(text.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::ObjectKey;

    fn key(app: &str, subject: &str, key: &str) -> String {
        let at = Location {
            space: Space::new(app, subject),
            key: ObjectKey::parse(key).unwrap(),
        };
        path(&at).unwrap().to_string()
    }

    #[test]
    fn bytes_lie_where_people_look_for_them() {
        assert_eq!(key("app", "user-1", "a/b c.png"), "app/user-1/a/b c.png");
        assert_eq!(key("app", "../x", "é%2e"), "app/!Li4veA/é%2e");
        assert_eq!(key(".dailey", "u", "a"), "!LmRhaWxleQ/u/a");
        let record = Location {
            space: Space::reserved("digests"),
            key: ObjectKey::parse("a").unwrap(),
        };
        assert_eq!(path(&record).unwrap().as_ref(), ".dailey/digests/a");
    }

    #[test]
    fn a_key_that_no_bucket_takes_is_refused() {
        let at = |bytes: usize| Location {
            space: Space::new("app", "user"),
            key: ObjectKey::parse(vec!["x"; bytes / 2].join("/") + "xx").unwrap(),
        };
        let most = MAX_BYTES - "app/user/".len();
        assert_eq!(path(&at(most - 1)).unwrap().as_ref().len(), MAX_BYTES);
        assert!(matches!(path(&at(most + 1)), Err(StorageError::KeyTooLong)));
    }

    proptest! {
        #[test]
        fn different_places_have_different_keys_that_cannot_climb(
            a in ("[a-c.!/é]{1,8}|\\.dailey", ".{1,40}", "[a-c.!/é]{1,40}"),
            b in ("[a-c.!/é]{1,8}|\\.dailey", ".{1,40}", "[a-c.!/é]{1,40}")
        ) {
            if ObjectKey::parse(&*a.2).is_ok() && ObjectKey::parse(&*b.2).is_ok() {
                let (left, right) = (key(&a.0, &a.1, &a.2), key(&b.0, &b.1, &b.2));
                prop_assert_eq!(left == right, a == b);
                for key in [left, right] {
                    prop_assert!(!key.starts_with(".dailey/"));
                    prop_assert!(key.split('/').all(|part| !["", ".", ".."].contains(&part)));
                }
            }
        }
    }
}
