//! Now and then removes what nobody goes on with: multipart uploads (see `abandoned`), records without an
//! object (see `orphans`), rests of resumable uploads, and objects of proofs.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use object_store::ObjectStore;
use object_store::path::Path;

use super::client::{Guard, SharedClient};
use super::found::now_ms;
use super::notes::MAX_AGE;
use super::orphans::Orphans;
use super::resumable::FOLDER as RESTS;
use super::{PROOFS, abandoned, layout};

const INTERVAL: Duration = Duration::from_secs(60 * 60);

/// Most objects of a folder that one sweep looks at.
const MAX_OBJECTS: usize = 10_000;

/// Most digests that one sweep looks at, each with two requests; the next one goes on behind them.
const MAX_RECORDS_OF_DIGESTS: usize = 1000;

pub(super) async fn forever(client: SharedClient) {
    let mut turns = tokio::time::interval(INTERVAL);
    let mut orphans = Orphans::default();
    loop {
        turns.tick().await;
        let swept = abandoned::abort(&client, MAX_AGE).await;
        if swept > 0 {
            tracing::info!(swept, "aborted uploads that nobody goes on with");
        }
        let swept = orphans
            .sweep(&client, MAX_AGE, MAX_RECORDS_OF_DIGESTS)
            .await;
        if swept > 0 {
            tracing::info!(swept, "removed digests of objects that are gone");
        }
        remove_proofs(&client, MAX_AGE).await;
        remove_rests(&client, MAX_AGE).await;
    }
}

/// Removes the objects by which processes proved the bucket, where they ended before they removed them.
async fn remove_proofs(client: &SharedClient, age: Duration) {
    for proof in old(client, PROOFS, age).await {
        // What stays is for the next sweep.
        if client.delete(&proof, &Guard::Anything).await.is_err() {
            break;
        }
    }
}

/// Removes rests of resumable uploads of which nothing is known any more: one was written while another
/// process ended the upload.
async fn remove_rests(client: &SharedClient, age: Duration) {
    for rest in old(client, RESTS, age).await {
        let Some(id) = rest.parts().rev().nth(1) else {
            continue;
        };
        match client.head(&layout::state(id.as_ref())).await {
            Ok(Some(_)) => continue,
            Ok(None) => {}
            Err(_) => break,
        }
        if client.delete(&rest, &Guard::Anything).await.is_err() {
            break;
        }
    }
}

/// The objects of a folder that are older than `age`.
async fn old(client: &SharedClient, folder: &str, age: Duration) -> Vec<Path> {
    let mut objects = client
        .lister()
        .list(Some(&Path::from(folder)))
        .take(MAX_OBJECTS);
    let mut old = Vec::new();
    while let Ok(Some(object)) = objects.try_next().await {
        let stored_ms = u64::try_from(object.last_modified.timestamp_millis()).unwrap_or(0);
        if u128::from(now_ms().saturating_sub(stored_ms)) >= age.as_millis() {
            old.push(object.location);
        }
    }
    old
}

#[cfg(test)]
mod tests {
    use object_store::Attributes;

    use super::super::ground::on_moto;
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
    async fn a_proof_that_a_crash_left_is_removed_when_it_is_old_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let (_server, inner) = on_moto(folder.path());
        let path = Path::from(format!("{PROOFS}/left"));
        let put = inner
            .client
            .put(&path, "x".into(), Attributes::new(), &Guard::Anything);
        put.await.unwrap();
        for (age, is_there) in [(MAX_AGE, true), (Duration::ZERO, false)] {
            remove_proofs(&inner.client, age).await;
            let found = inner.client.head(&path).await.unwrap();
            assert_eq!(found.is_some(), is_there, "{age:?}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
    async fn a_rest_without_an_upload_is_removed_when_it_is_old_and_that_of_an_upload_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (_server, inner) = on_moto(folder.path());
        let put = async |path: &Path| {
            let (none, anything) = (Attributes::new(), Guard::Anything);
            let put = inner.client.put(path, "x".into(), none, &anything);
            put.await.unwrap();
        };
        let [kept, lost] = ["0", "1"].map(|digit| digit.repeat(32));
        let rest = |id: &str| Path::from(format!("{RESTS}/{id}/rest"));
        put(&layout::state(&kept)).await;
        put(&rest(&kept)).await;
        put(&rest(&lost)).await;
        for (age, is_there) in [(MAX_AGE, true), (Duration::ZERO, false)] {
            remove_rests(&inner.client, age).await;
            let is_kept = inner.client.head(&rest(&kept)).await.unwrap().is_some();
            let is_left = inner.client.head(&rest(&lost)).await.unwrap().is_some();
            assert_eq!((is_kept, is_left), (true, is_there), "{age:?}");
        }
    }
}
