//! Which subjects of an app have ever stored something, as names in a reserved space, and how much is
//! there now.

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};

use super::Amount;
use crate::key::{ObjectKey, Space};
use crate::preconditions::Preconditions;
use crate::storage::{Depth, ListQuery, Location, Storage, StorageError, records};

const PAGE: usize = 1000;

/// Characters of a subject's name in one segment of a key.
const SEGMENT: usize = 200;

fn names() -> Space {
    Space::reserved("spaces")
}

fn folder(app_id: &str) -> String {
    HEXLOWER.encode(digest(&SHA256, app_id.as_bytes()).as_ref()) + "/"
}

fn place(space: &Space) -> Location {
    let name = BASE64URL_NOPAD.encode(space.subject().as_bytes());
    let segments: Vec<&str> = name
        .as_bytes()
        .chunks(SEGMENT)
        .filter_map(|segment| std::str::from_utf8(segment).ok())
        .collect();
    let key = folder(space.app_id()) + &segments.join("/");
    Location {
        space: names(),
        key: ObjectKey::parse(key).expect("base64url of a subject, which is 1 to 255 bytes"),
    }
}

fn subject(key: &ObjectKey, folder: &str) -> Option<String> {
    let name = key.as_str().strip_prefix(folder)?.replace('/', "");
    String::from_utf8(BASE64URL_NOPAD.decode(name.as_bytes()).ok()?).ok()
}

/// Notes that something may be stored in `space`: before it is, so that no scan misses it.
pub(super) async fn note(storage: &dyn Storage, space: &Space) -> Result<(), StorageError> {
    let at = place(space);
    if storage.stat(&at).await?.is_none() {
        records::write(storage, &at, "{}", Preconditions::create_only()).await?;
    }
    Ok(())
}

/// What each subject of the app stores.
pub(super) async fn scan(
    storage: &dyn Storage,
    app_id: &str,
) -> Result<HashMap<String, Amount>, StorageError> {
    let folder = folder(app_id);
    let mut stored = HashMap::new();
    let mut query = all(folder.clone());
    loop {
        let page = storage.list(&names(), &query).await?;
        for (key, _) in page.objects {
            if let Some(subject) = subject(&key, &folder) {
                let amount = amount_in(storage, &Space::new(app_id, &*subject)).await?;
                stored.insert(subject, amount);
            }
        }
        query.after = page.next;
        if query.after.is_none() {
            return Ok(stored);
        }
    }
}

async fn amount_in(storage: &dyn Storage, space: &Space) -> Result<Amount, StorageError> {
    let (mut amount, mut after) = (Amount::NOTHING, None);
    loop {
        let page = storage.sizes(space, after).await?;
        let sizes = page.bytes.into_iter().map(Amount::object);
        amount = sizes.fold(amount, Amount::plus);
        after = page.next;
        if after.is_none() {
            return Ok(amount);
        }
    }
}

fn all(prefix: String) -> ListQuery {
    ListQuery {
        prefix,
        depth: Depth::All,
        limit: PAGE,
        after: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_is_found_under_its_name() {
        for text in [
            "a",
            "user-1",
            "../x",
            "é/日本",
            &"s".repeat(255),
            &"/".repeat(255),
        ] {
            let space = Space::new("app", text);
            let at = place(&space);
            assert_eq!(subject(&at.key, &folder("app")).as_deref(), Some(text));
            assert_eq!(subject(&at.key, &folder("other")), None);
        }
    }
}
