//! Aborts multipart uploads that nobody goes on with: nobody sees their parts, but they are paid for.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use object_store::ObjectStore;
use object_store::path::Path;

use super::client::{Guard, SharedClient};
use super::fault::{Failure, failure};
use super::notes::{FOLDER, Note, Read};
use super::{layout, multipart};

/// Most notes that one sweep looks at: each is a request.
const MAX_NOTES: usize = 100_000;

/// After so many failures the store is away: another time.
const MAX_FAILED: usize = 8;

/// Largest state of a resumable upload: it names a thousand parts and more.
const MAX_STATE_BYTES: u64 = 1024 * 1024;

/// What the notes say.
#[derive(Default)]
struct Noted {
    /// The store's names of all uploads.
    uploads: HashSet<String>,
    /// Old notes, with their keys, of uploads whose names are not known.
    nameless: Vec<(Path, Path)>,
    /// Whether there is one that the store does not give.
    has_unread: bool,
}

/// Aborts those that are older than `age`; how many.
pub(super) async fn abort(client: &SharedClient, age: Duration) -> usize {
    let mut notes = client
        .lister()
        .list(Some(&Path::from(FOLDER)))
        .take(MAX_NOTES);
    let (mut known, mut seen, mut aborted, mut failed) = (Noted::default(), 0, 0, 0);
    while failed < MAX_FAILED {
        let note = match notes.try_next().await {
            Ok(Some(note)) => note.location,
            Ok(None) => break,
            // The store is away: another time.
            Err(_) => return aborted,
        };
        seen += 1;
        match look(client, note, age, &mut known).await {
            Ok(was_aborted) => aborted += usize::from(was_aborted),
            // What it does not do for this one says little of the others.
            Err(_) => failed += 1,
        }
    }
    if seen == MAX_NOTES {
        tracing::warn!(
            MAX_NOTES,
            "there are more notes of multipart uploads than a sweep reads: uploads without a name stay"
        );
        known.has_unread = true;
    }
    // Where some are not read, not all names are known.
    if failed == MAX_FAILED || known.has_unread {
        return aborted;
    }
    for (note, key) in &known.nameless {
        match abort_nameless(client, note, key, age, &known.uploads).await {
            Ok(of_this_key) => aborted += of_this_key,
            Err(_) => failed += 1,
        }
        if failed >= MAX_FAILED {
            break;
        }
    }
    aborted
}

/// Reads a note, and aborts what it names if nobody goes on with that; whether it did.
async fn look(
    client: &SharedClient,
    path: Path,
    age: Duration,
    known: &mut Noted,
) -> Result<bool, Failure> {
    let note = match Note::read(client, &path).await {
        Ok(Read::Note(note)) => note,
        Ok(Read::Gone) => return Ok(false),
        Ok(Read::Unknown) => {
            known.has_unread = true;
            return Ok(false);
        }
        Err(failure) => {
            known.has_unread = true;
            return Err(failure);
        }
    };
    let Ok(key) = Path::parse(&note.key) else {
        return Ok(false);
    };
    let is_old = note.is_older_than(age);
    let Some(upload) = note.upload else {
        if is_old {
            known.nameless.push((path, key));
        }
        return Ok(false);
    };
    known.uploads.insert(upload.clone());
    if !is_old {
        return Ok(false);
    }
    if let Some(id) = &note.resumable
        && is_gone_on_with(client, id, &upload).await?
    {
        // Whoever has its state ends it.
        return Ok(false);
    }
    multipart::end(client, &key, &upload).await?;
    client.delete(&path, &Guard::Anything).await?;
    Ok(true)
}

/// Whether the state of a resumable upload names this one. One that it has not named in all this time is of a
/// step that did not count.
async fn is_gone_on_with(client: &SharedClient, id: &str, upload: &str) -> Result<bool, Failure> {
    let state = match client.get_start(&layout::state(id), MAX_STATE_BYTES).await {
        Ok(got) => got.bytes().await.map_err(failure)?,
        Err(Failure::Absent | Failure::Range) => return Ok(false),
        Err(other) => return Err(other),
    };
    Ok(String::from_utf8_lossy(&state).contains(upload))
}

/// Aborts the uploads to `key` that no note names: how many. What became an object was named before.
async fn abort_nameless(
    client: &SharedClient,
    note: &Path,
    key: &Path,
    age: Duration,
    named: &HashSet<String>,
) -> Result<usize, Failure> {
    let (mut aborted, mut left) = (0, false);
    match client.uploads_to(key).await {
        Ok(uploads) => {
            left |= uploads.has_more;
            for one in uploads.to(key).filter(|one| !named.contains(&one.upload)) {
                if !one.is_older_than(age) {
                    left = true;
                    continue;
                }
                match client.abort(key, &one.upload).await {
                    Ok(()) | Err(Failure::Absent) => aborted += 1,
                    Err(other) => return Err(other),
                }
            }
        }
        Err(error) if error.may_pass() => return Err(Failure::Other(error)),
        Err(error) => tracing::warn!(
            %error,
            "the store does not tell which multipart uploads are under way: one may be left without a name"
        ),
    }
    if !left {
        client.delete(note, &Guard::Anything).await?;
    }
    Ok(aborted)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::{Attributes, PutPayload};
    use testbed::s3::Kind;
    use testbed::{Proxy, Traffic};

    use super::super::Inner;
    use super::super::ground::{on, on_moto, process_at};
    use super::super::multipart::Multipart;
    use super::super::notes::MAX_AGE;
    use super::super::staging;
    use super::*;
    use crate::storage::StorageError;

    async fn begin(inner: &Arc<Inner>, path: &Path) -> Result<Multipart, StorageError> {
        let (path, target) = (path.clone(), path.clone());
        Multipart::begin(Arc::clone(inner), path, target, Attributes::new()).await
    }

    async fn begun(inner: &Arc<Inner>, path: &Path) -> Multipart {
        begin(inner, path).await.unwrap()
    }

    async fn takes_a_part(inner: &Inner, path: &Path, upload: &String) -> bool {
        let payload = PutPayload::from_static(b"x");
        inner
            .client
            .put_part(path, upload, 0, payload)
            .await
            .is_ok()
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
    async fn an_upload_that_a_crash_left_is_aborted_when_it_is_old_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let (_server, inner) = on_moto(folder.path());
        let path = Path::from("app/user/half");
        let upload = begun(&inner, &path).await.crash();
        assert_eq!(abort(&inner.client, MAX_AGE).await, 0);
        assert!(takes_a_part(&inner, &path, &upload).await);
        assert_eq!(abort(&inner.client, Duration::ZERO).await, 1);
        assert!(!takes_a_part(&inner, &path, &upload).await);
        assert_eq!(abort(&inner.client, Duration::ZERO).await, 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
    async fn an_upload_whose_name_nobody_was_told_is_aborted_and_others_to_the_same_key_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let (server, inner) = on_moto(folder.path());
        let proxy = Proxy::start(server.port()).unwrap();
        let cut_off = process_at(proxy.port());
        let path = Path::from("app/user/half");
        let (kept, longer) = (begun(&inner, &path).await, Path::from("app/user/half-2"));
        let other = begun(&inner, &longer).await;
        proxy.set(Traffic::LosesAnswersTo("POST", "uploads"));
        assert!(begin(&cut_off, &path).await.is_err());
        let there = |at: Path| {
            let client = Arc::clone(&inner.client);
            async move { client.uploads_to(&at).await.unwrap().to(&at).count() }
        };
        let tries = 4;
        assert_eq!(there(path.clone()).await, 1 + tries);

        assert_eq!(abort(&inner.client, MAX_AGE).await, 0);
        assert_eq!(there(path.clone()).await, 1 + tries);
        // Whose notes are younger goes on.
        let (kept, other) = (kept.crash(), other.crash());
        let mut known = Noted::default();
        known.uploads.extend([kept.clone(), other.clone()]);
        let notes = inner.client.lister().list(Some(&Path::from(FOLDER)));
        let notes: Vec<_> = notes.try_collect().await.unwrap();
        assert_eq!(notes.len(), 2 + tries);
        for note in notes {
            let Ok(Read::Note(read)) = Note::read(&inner.client, &note.location).await else {
                panic!("no note");
            };
            if read.upload.is_none() {
                let (note, uploads) = (&note.location, &known.uploads);
                abort_nameless(&inner.client, note, &path, Duration::ZERO, uploads)
                    .await
                    .unwrap();
            }
        }
        assert_eq!(there(path.clone()).await, 1);
        assert!(takes_a_part(&inner, &path, &kept).await);
        assert!(takes_a_part(&inner, &longer, &other).await);
        assert!(begin(&cut_off, &path).await.is_err());
        assert_eq!(abort(&inner.client, Duration::ZERO).await, 2 + tries);
        assert_eq!(there(path).await + there(longer).await, 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
    async fn what_was_put_together_and_not_copied_is_removed_and_what_was_copied_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (_server, inner) = on_moto(folder.path());
        let target = Path::from("app/user/large");
        for is_copied in [false, true] {
            let staged = staging::staged(if is_copied { "copied" } else { "not" });
            let (store, none) = (Arc::clone(&inner), Attributes::new());
            let begun = Multipart::begin(store, staged.clone(), target.clone(), none);
            let mut begun = begun.await.unwrap();
            begun.send(PutPayload::from_static(b"x")).await.unwrap();
            begun.all_sent().await.unwrap();
            if is_copied {
                begun.complete(&Guard::Nothing).await.unwrap();
            } else {
                begun.put_together().await.unwrap();
            }
            begun.crash();
            let there = async |path: &Path| inner.client.head(path).await.unwrap().is_some();
            assert!(there(&staged).await);
            assert_eq!(abort(&inner.client, MAX_AGE).await, 0);
            assert!(there(&staged).await);
            assert_eq!(abort(&inner.client, Duration::ZERO).await, 1);
            assert!(!there(&staged).await);
            assert_eq!(there(&target).await, is_copied);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
    async fn what_was_put_together_stays_when_a_nameless_one_to_its_key_is_aborted() {
        let folder = tempfile::tempdir().unwrap();
        let (server, inner) = on_moto(folder.path());
        let proxy = Proxy::start(server.port()).unwrap();
        let cut_off = process_at(proxy.port());
        let staged = staging::staged("resumed");
        proxy.set(Traffic::LosesAnswersTo("POST", "uploads"));
        assert!(begin(&cut_off, &staged).await.is_err());
        let (store, none) = (Arc::clone(&inner), Attributes::new());
        let target = Path::from("app/user/large");
        let begun = Multipart::begin(store, staged.clone(), target, none);
        let mut begun = begun.await.unwrap();
        begun.send(PutPayload::from_static(b"x")).await.unwrap();
        begun.all_sent().await.unwrap();
        begun.put_together().await.unwrap();
        let named = HashSet::from([begun.crash()]);
        let place = Path::from(FOLDER).join("any");
        abort_nameless(&inner.client, &place, &staged, Duration::ZERO, &named)
            .await
            .unwrap();
        assert!(inner.client.head(&staged).await.unwrap().is_some());
        let left = inner.client.uploads_to(&staged).await.unwrap();
        assert_eq!(left.to(&staged).count(), 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
    async fn one_that_a_resumable_upload_does_not_name_is_aborted_and_the_one_that_it_names_is_not()
    {
        let folder = tempfile::tempdir().unwrap();
        let (_server, inner) = on_moto(folder.path());
        let path = Path::from("app/user/resumed");
        let id = "0".repeat(32);
        let begun = async || {
            let begun = multipart::begin_resumable(&inner.client, &path, Attributes::new(), &id);
            begun.await.unwrap().upload
        };
        let (lost, named) = (begun().await, begun().await);
        let state = format!("{{\"upload\":\"{named}\"}}");
        let (place, none) = (layout::state(&id), Attributes::new());
        let put = inner
            .client
            .put(&place, state.into(), none, &Guard::Anything);
        put.await.unwrap();
        assert_eq!(abort(&inner.client, Duration::ZERO).await, 1);
        assert!(!takes_a_part(&inner, &path, &lost).await);
        assert!(takes_a_part(&inner, &path, &named).await);
    }

    /// This server does not tell which uploads are under way, so such a one stays there.
    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs s3s-fs: `cargo xtask test` sets it up and runs this"]
    async fn where_a_store_does_not_tell_its_uploads_the_note_goes_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let (_server, inner) = on(Kind::S3sFs, folder.path());
        let path = Path::from("app/user/half");
        let told = inner.client.uploads_to(&path).await.unwrap_err();
        assert_eq!(told.to_string(), "the object store answered 501");
        let note = Note::new(&path, None);
        note.keep(&inner.client, "nameless").await.unwrap();
        assert_eq!(abort(&inner.client, Duration::ZERO).await, 0);
        let path = Path::from(FOLDER).join("nameless");
        assert!(inner.client.head(&path).await.unwrap().is_none());
    }
}
