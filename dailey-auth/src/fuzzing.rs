//! Doors to inner rooms, for the targets in `fuzz/`: each hands its arguments on and adds no rule.
//! Behind the feature `fuzzing`; not an API.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::error::Rejection;
use crate::jwks::{self, SnapshotFile};
use crate::keys::KeySet;
use crate::text::{base64url, json::Text};
use crate::token::{Claims, Payload, TokenHeader};

/// The key id and the type of a decoded header, whatever its type is.
pub fn read_header(bytes: &[u8]) -> Result<(String, String), Rejection> {
    let header = TokenHeader::read(bytes, |_| true)?;
    let text = |text: Text<'_>| text.unescaped().into_owned();
    Ok((text(header.kid()), text(header.typ())))
}

/// The claims of a decoded payload, before any of them is held against a policy.
pub fn read_claims(bytes: &[u8]) -> Result<Claims, Rejection> {
    let header = TokenHeader::known("k", "at+jwt");
    Claims::read(Payload::decode(&base64url::encode(bytes), header)?, header)
}

/// A key set as a document.
pub fn write_key_set(keys: &KeySet) -> String {
    serde_json::json!({ "keys": keys.to_jwks() }).to_string()
}

/// How long an answer with these header fields stays fresh.
pub fn fresh_for(cache_control: Option<&str>, age: Option<&str>) -> Option<Duration> {
    jwks::fresh_for(cache_control, age)
}

/// The document in a snapshot's text and its age, for this issuer and address.
pub fn read_snapshot(
    text: &str,
    issuer: &str,
    source: &str,
    clock: Arc<dyn Clock>,
) -> Option<(Vec<u8>, Duration)> {
    SnapshotFile::new("/nowhere".into(), issuer, source.to_owned(), clock).parsed(text)
}

/// A document with the checksum that a snapshot has.
pub fn snapshot_text(document: &str) -> String {
    jwks::checked_snapshot(document)
}
