//! Any bytes as a snapshot file: only what has its checksum, issuer and address is used; the age is
//! what the document says; what is used has one text form, and its keys are held to their rules.

#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use dailey_auth::fuzzing::{read_snapshot, snapshot_text};
use dailey_auth::testing::ManualClock;
use dailey_auth::{Clock, KeySet};
use dailey_fuzz::Members;
use libfuzzer_sys::fuzz_target;

const ISSUER: &str = "https://core.example";
const SOURCE: &str = "https://core.example/.well-known/jwks.json";
const NOW: u64 = 1_800_000_000;

static CLOCK: LazyLock<Arc<dyn Clock>> = LazyLock::new(|| Arc::new(ManualClock::at(NOW)));

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let read = |text: &str| read_snapshot(text, ISSUER, SOURCE, CLOCK.clone());
    if read(text).is_some() {
        let (_, document) = text.split_once('\n').expect("two lines");
        assert_eq!(snapshot_text(document), text);
    }
    let whole = snapshot_text(text);
    let Some((document, age)) = read(&whole) else {
        return;
    };
    assert_eq!(document, data);
    let members = Members::of_accepted(data);
    assert_eq!(members.text("issuer").as_deref(), Some(ISSUER));
    assert_eq!(members.text("source").as_deref(), Some(SOURCE));
    let fetched_at = members
        .get("fetched_at")
        .and_then(|time| time.as_u64())
        .expect("a time");
    assert!(fetched_at <= NOW + 60);
    assert_eq!(age, Duration::from_secs(NOW.saturating_sub(fetched_at)));
    let _ = KeySet::from_json(&document);
    // One bit elsewhere is damage.
    let damaged = whole.replacen("dailey-jwks-snapshot 1 ", "dailey-jwks-snapshot 1  ", 1);
    assert!(read(&damaged).is_none() && read(&format!("{whole} ")).is_none());
});
