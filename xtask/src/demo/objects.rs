//! What a user of the app does: log in, have the token validated, store, fetch, list.

use serde_json::Value;

use super::report::Report;
use super::{Stage, USER_EMAIL};
use crate::services::text;
use crate::stop::{Outcome, Stop, failed};

/// What is uploaded: more than any single buffer on the way.
const OBJECT_BYTES: usize = 3 * 1024 * 1024;

/// Its key.
const KEY: &str = "holiday/first picture.bin";

/// The key as it stands in an address (RFC 3986 section 2.1).
const KEY_IN_URL: &str = "holiday/first%20picture.bin";

/// The steps; the token that the user has afterwards.
pub(super) fn show(stage: &Stage<'_>, report: &mut Report<'_>) -> Outcome<String> {
    let token = report.step_with("log in", |_| {
        let token = stage.log_in()?;
        Ok((
            token,
            format!("{USER_EMAIL} gets an access token for the app, signed RS256 (not shown here)"),
        ))
    })?;
    report.step("validate the token", || validate(stage, &token))?;

    let object = random_bytes(OBJECT_BYTES)?;
    let url = stage.media.at(&format!("/api/media/{KEY_IN_URL}"));
    report.step("upload 3 MiB", || {
        let stored = stage
            .client
            .put(&url, &token, "application/octet-stream", &object)?
            .json(201)?;
        let size = stored["size"].as_u64();
        if size != Some(OBJECT_BYTES as u64) {
            return Err(Stop::because(format!(
                "the stored size is {size:?} instead of {OBJECT_BYTES}"
            )));
        }
        Ok(format!(
            "random bytes, stored as `{KEY}`, sha256 {}…",
            first(&text(&stored, "sha256")?, 16)
        ))
    })?;
    report.step("download and compare", || {
        let answer = stage.client.get(&url, Some(&token))?;
        answer.expect(200)?;
        if answer.body != object {
            return Err(Stop::because("what came back is not what was uploaded"));
        }
        Ok(format!("all {OBJECT_BYTES} bytes came back the same"))
    })?;
    report.step("list", || {
        let listed = stage
            .client
            .get(&stage.media.at("/api/media?prefix=holiday/"), Some(&token))?
            .json(200)?;
        let keys: Vec<&Value> = listed["objects"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| &one["key"])
            .collect();
        if keys != [KEY] {
            return Err(Stop::because(format!(
                "{} objects are listed instead of the one",
                keys.len()
            )));
        }
        Ok("exactly the one object, found by its prefix".to_owned())
    })?;
    Ok(token)
}

fn validate(stage: &Stage<'_>, token: &str) -> Outcome<String> {
    let answer = stage
        .client
        .get(&stage.media.at("/api/auth/validate"), Some(token))?
        .json(200)?;
    let expected = [
        ("iss", stage.core.service.url()),
        ("sub", &stage.user.id),
        ("client_id", &stage.app_id),
    ];
    for (claim, value) in expected {
        if answer[claim] != value {
            return Err(Stop::because(format!(
                "the claim {claim} is not what Core was asked for"
            )));
        }
    }
    let seconds = answer["expires_in"].as_u64().unwrap_or_default();
    Ok(format!(
        "DMAPI checked it with Core's public key alone: our user, our app, {seconds} s left"
    ))
}

/// From the operating system.
fn random_bytes(count: usize) -> Outcome<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::with_capacity(count);
    std::fs::File::open("/dev/urandom")
        .and_then(|random| random.take(count as u64).read_to_end(&mut bytes))
        .map_err(|error| failed("cannot read random bytes", error))?;
    Ok(bytes)
}

fn first(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}
