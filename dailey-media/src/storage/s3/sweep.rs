//! Now and then removes what nobody goes on with. Here: multipart uploads that a crash left, of which nobody
//! sees the parts, but they are paid for; and objects of proofs. Records without an object are the business of
//! `orphans`.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use object_store::ObjectStore;
use object_store::path::Path;

use super::client::{Guard, SharedClient};
use super::fault::Failure;
use super::found::now_ms;
use super::multipart::{FOLDER, MAX_AGE, Record};
use super::orphans::Orphans;
use super::{PROOFS, layout};
use crate::storage::resumable::{state_key, states};

const INTERVAL: Duration = Duration::from_secs(60 * 60);

/// Largest record.
const MAX_RECORD_BYTES: u64 = 8 * 1024;

/// Most records that one sweep looks at.
const MAX_RECORDS: usize = 10_000;

/// Most digests that one sweep looks at, each with two requests; the next one goes on behind them.
const MAX_RECORDS_OF_DIGESTS: usize = 1000;

pub(super) async fn forever(client: SharedClient) {
    let mut turns = tokio::time::interval(INTERVAL);
    let mut orphans = Orphans::default();
    loop {
        turns.tick().await;
        let swept = sweep(&client, MAX_AGE).await;
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

/// Aborts those that are older than `age`; how many.
async fn sweep(client: &SharedClient, age: Duration) -> usize {
    let mut records = client
        .lister()
        .list(Some(&Path::from(FOLDER)))
        .take(MAX_RECORDS);
    let mut swept = 0;
    while let Ok(Some(record)) = records.try_next().await {
        match abort(client, &record.location, age).await {
            Ok(true) => swept += 1,
            Ok(false) => {}
            // The store is away: another time.
            Err(_) => break,
        }
    }
    swept
}

/// Removes the objects by which processes proved the bucket, where they ended before they removed them.
async fn remove_proofs(client: &SharedClient, age: Duration) {
    let mut proofs = client
        .lister()
        .list(Some(&Path::from(PROOFS)))
        .take(MAX_RECORDS);
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

async fn abort(client: &SharedClient, path: &Path, age: Duration) -> Result<bool, Failure> {
    let bytes = match client.get_start(path, MAX_RECORD_BYTES).await {
        Ok(got) => got.bytes().await.map_err(super::fault::failure)?,
        // Completed meanwhile, or empty.
        Err(Failure::Absent | Failure::Range) => return Ok(false),
        Err(other) => return Err(other),
    };
    let Ok(record) = serde_json::from_slice::<Record>(&bytes) else {
        return Ok(false);
    };
    if u128::from(now_ms().saturating_sub(record.begun_ms)) < age.as_millis() {
        return Ok(false);
    }
    if let Some(id) = &record.resumable
        && client
            .head(&state_of(id))
            .await
            .map_err(Failure::Other)?
            .is_some()
    {
        // Whoever has its state ends it.
        return Ok(false);
    }
    let Ok(key) = Path::parse(&record.key) else {
        return Ok(false);
    };
    match client.abort(&key, &record.upload).await {
        Ok(()) | Err(Failure::Absent) => {}
        Err(other) => return Err(other),
    }
    client.delete(path, &Guard::Anything).await?;
    Ok(true)
}

/// Where the state of a resumable upload is.
fn state_of(id: &str) -> Path {
    Path::from(layout::prefix(&states()) + &state_key(id))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::Attributes;

    use super::super::ground::on_moto;
    use super::super::multipart::Multipart;
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
    async fn an_upload_that_a_crash_left_is_aborted_when_it_is_old_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let (_server, inner) = on_moto(folder.path());
        let path = Path::from("app/user/half");
        let id = "0123456789abcdef0123456789abcdef";
        let left = Multipart::begin(
            Arc::clone(&inner),
            path.clone(),
            id.into(),
            Attributes::new(),
        )
        .await
        .unwrap();
        let upload = left.crash();
        let part = || {
            let payload = object_store::PutPayload::from_static(b"x");
            inner.client.put_part(&path, &upload, 0, payload)
        };
        assert_eq!(sweep(&inner.client, MAX_AGE).await, 0);
        part().await.unwrap();
        assert_eq!(sweep(&inner.client, Duration::ZERO).await, 1);
        let gone = part().await;
        assert!(gone.is_err(), "{gone:?}");
        assert_eq!(sweep(&inner.client, Duration::ZERO).await, 0);
    }

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
