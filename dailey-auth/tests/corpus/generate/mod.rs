//! Makes every file of the corpus from raw bytes and the committed test keys: the same each time.
//!
//! The verdicts stand here, written by whoever wrote the row and decided from the rules in
//! `README.md` beside this folder. No verifier is asked.

mod forge;
mod keys;
mod rsa;
mod topic;
mod topics;

use crate::loader::{Policy, TOPICS};
use forge::{APP, ISSUER, NOW, SECOND_AUDIENCE};
use keys::Keys;
use topic::Topic;

/// Names and contents of the generated files.
pub(crate) fn files() -> Vec<(String, String)> {
    let keys = Keys::read();
    let policy = Policy {
        issuer: ISSUER.to_owned(),
        audiences: vec![APP.to_owned(), SECOND_AUDIENCE.to_owned()],
        now: NOW,
        leeway_seconds: 30,
        max_lifetime_seconds: 24 * 60 * 60,
    };
    let policy = serde_json::to_string_pretty(&policy).expect("a policy is plain data") + "\n";
    let mut files = vec![
        ("policy.json".to_owned(), policy),
        ("jwks.json".to_owned(), keys.jwks()),
    ];
    files.extend(TOPICS.into_iter().map(|name| {
        let mut topic = Topic::new(&keys);
        topics::fill(name, &mut topic);
        (format!("{name}.jsonl"), topic.lines())
    }));
    files
}
