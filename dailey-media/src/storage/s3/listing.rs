//! Lists: the store gives names in the order of their bytes, and each object is asked what it is.

use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use object_store::path::Path;
use tokio::time::Instant;

use super::names::{Names, Query};
use super::{Inner, layout};
use crate::key::{ObjectKey, Space};
use crate::storage::{Depth, ListQuery, Object, Page, SIZES_OF_A_PAGE, Sizes, StorageError};

/// Objects that are asked about at once, for one list.
const AT_ONCE: usize = 16;

/// Longest time for one page; one that takes longer ends early and the next goes on.
const MAX_TIME: Duration = Duration::from_secs(15);

/// Behind every key that begins with a prefix, as good as: the last of all characters.
const LAST: char = char::MAX;

/// One entry of the store's list: an object's key, or a prefix with its slash.
enum Entry {
    Object(ObjectKey, Path),
    Prefix(String),
}

pub(super) async fn page(
    inner: &Inner,
    space: &Space,
    query: &ListQuery,
) -> Result<Page, StorageError> {
    let deadline = Instant::now() + MAX_TIME;
    let within = layout::prefix(space);
    let prefix = format!("{within}{}", query.prefix);
    let mut page = Page::default();
    let mut passed = query.after.clone();
    let after = passed.as_ref().map(|passed| behind(&within, passed));
    let mut token: Option<String> = None;
    loop {
        let room = query.limit - page.objects.len() - page.prefixes.len();
        let names = Query {
            prefix: &prefix,
            // The store's own word for where to go on says it all.
            after: after.as_deref().filter(|_| token.is_none()),
            to_next_slash: query.depth == Depth::ToNextSlash,
            limit: room + 1,
            token: token.as_deref(),
        };
        let names = inner.client.names(&names);
        let Ok(names) = tokio::time::timeout_at(deadline, names).await else {
            return early(page, passed, query);
        };
        let (entries, next) = entries(&within, names?, query);
        let mut entries = entries.into_iter();
        let mut known = stream::iter(entries.by_ref())
            .map(|entry| look(inner, entry))
            .buffered(AT_ONCE);
        loop {
            let next = match tokio::time::timeout_at(deadline, known.next()).await {
                Err(_) => return early(page, passed, query),
                Ok(None) => break,
                Ok(Some(next)) => next?,
            };
            let (name, seen) = next;
            if seen.is_none() {
                passed = Some(name);
                continue;
            }
            if page.objects.len() + page.prefixes.len() >= query.limit {
                page.next = passed;
                return Ok(page);
            }
            match seen {
                Some(Seen::Object(key, object)) => page.objects.push((key, *object)),
                Some(Seen::Prefix(prefix)) => page.prefixes.push(prefix),
                None => {}
            }
            passed = Some(name);
        }
        if next.is_none() {
            return Ok(page);
        }
        token = next;
    }
}

/// A page of sizes as the store's list tells them: of each object nothing else is asked.
pub(super) async fn sizes(
    inner: &Inner,
    space: &Space,
    after: Option<String>,
) -> Result<Sizes, StorageError> {
    let within = layout::prefix(space);
    let after = after.map(|after| within.clone() + &after);
    let query = Query {
        prefix: &within,
        after: after.as_deref(),
        to_next_slash: false,
        limit: SIZES_OF_A_PAGE,
        token: None,
    };
    let (found, has_more) = inner.client.names(&query).await?.into_sizes();
    let found = found
        .iter()
        .filter_map(|(key, size)| Some((key.strip_prefix(&within)?, *size)));
    let mut sizes = Sizes::default();
    for (name, size) in found {
        if ObjectKey::parse(name).is_ok() {
            sizes.bytes.push(size);
        }
        sizes.next = has_more.then(|| name.to_owned());
    }
    Ok(sizes)
}

/// What an entry is. Boxed: most of a page waits while few are being looked at.
enum Seen {
    Object(ObjectKey, Box<Object>),
    Prefix(String),
}

/// The entry's name, and what it is; nothing where it has gone meanwhile.
async fn look(inner: &Inner, entry: Entry) -> Result<(String, Option<Seen>), StorageError> {
    match entry {
        Entry::Prefix(prefix) => Ok((prefix.clone(), Some(Seen::Prefix(prefix)))),
        Entry::Object(key, path) => {
            let name = key.as_str().to_owned();
            let seen = match inner.stat(&path).await {
                Ok(object) => object.map(|object| Seen::Object(key, Box::new(object))),
                // One must not hide all others. No key in the log: it is the user's.
                Err(StorageError::Damaged(reason)) => {
                    tracing::warn!(reason, "a stored object is damaged; a list leaves it out");
                    None
                }
                Err(error) => return Err(error),
            };
            Ok((name, seen))
        }
    }
}

/// What is there when the time is over.
fn early(mut page: Page, passed: Option<String>, query: &ListQuery) -> Result<Page, StorageError> {
    if passed == query.after {
        return Err(StorageError::Busy);
    }
    page.next = passed;
    Ok(page)
}

/// The key in the bucket after which `passed` and what lies below it is over.
fn behind(within: &str, passed: &str) -> String {
    if passed.ends_with('/') {
        format!("{within}{passed}{LAST}")
    } else {
        format!("{within}{passed}")
    }
}

/// In order, without what is no key of ours and what the last page had; and where it goes on.
fn entries(within: &str, names: Names, query: &ListQuery) -> (Vec<Entry>, Option<String>) {
    let (keys, prefixes, next) = names.into_parts();
    let follows = |name: &str| query.after.as_deref().is_none_or(|after| name > after);
    let object = |key: String| {
        let name = key.strip_prefix(within)?;
        let parsed = ObjectKey::parse(name).ok()?;
        let wanted = name.starts_with(&query.prefix) && follows(name);
        let path = Path::parse(&key).ok()?;
        wanted.then_some(Entry::Object(parsed, path))
    };
    let prefix = |key: String| {
        let name = key.strip_prefix(within)?.to_owned();
        // Below it there must be something that can be a key of ours.
        ObjectKey::parse(name.strip_suffix('/')?).ok()?;
        follows(&name).then_some(Entry::Prefix(name))
    };
    let objects = keys.into_iter().filter_map(object);
    let prefixes = prefixes.into_iter().filter_map(prefix);
    let mut entries: Vec<Entry> = objects.chain(prefixes).collect();
    entries.sort_by(|left, right| self::name(left).cmp(self::name(right)));
    (entries, next)
}

fn name(entry: &Entry) -> &str {
    match entry {
        Entry::Object(key, _) => key.as_str(),
        Entry::Prefix(prefix) => prefix,
    }
}
