//! Now and then removes what nobody goes on with: multipart uploads (see `abandoned`), records without an
//! object (see `orphans`), and objects of proofs.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use object_store::ObjectStore;
use object_store::path::Path;

use super::client::{Guard, SharedClient};
use super::found::now_ms;
use super::notes::MAX_AGE;
use super::orphans::Orphans;
use super::{PROOFS, abandoned};

const INTERVAL: Duration = Duration::from_secs(60 * 60);

/// Most objects of proofs that one sweep looks at.
const MAX_PROOFS: usize = 10_000;

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
    }
}

/// Removes the objects by which processes proved the bucket, where they ended before they removed them.
async fn remove_proofs(client: &SharedClient, age: Duration) {
    let mut proofs = client
        .lister()
        .list(Some(&Path::from(PROOFS)))
        .take(MAX_PROOFS);
    while let Ok(Some(proof)) = proofs.try_next().await {
        let stored_ms = u64::try_from(proof.last_modified.timestamp_millis()).unwrap_or(0);
        let is_old = u128::from(now_ms().saturating_sub(stored_ms)) >= age.as_millis();
        // One that stays is for the next sweep.
        if is_old
            && client
                .delete(&proof.location, &Guard::Anything)
                .await
                .is_err()
        {
            break;
        }
    }
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
}
