//! The rules of a rotation, with the clock turned by hand.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "in a test, a failed step is the report")]

use std::path::Path;

use dailey_auth::Environment;
use dailey_core::keys::{
    KeyRing, KeySettings, KeyState, Kid, Retirement, RingError, Rotation, RotationError,
};
use jiff::Timestamp;

const START: i64 = 1_800_000_000;

fn settings(folder: &Path, file: &str) -> KeySettings {
    KeySettings {
        private_key_file: folder.join(file),
        active_kid: None,
        public_keys_dir: folder.join("public"),
        environment: Environment::Production,
    }
}

/// The tool, so many seconds after the start.
fn at(settings: &KeySettings, seconds: i64) -> Rotation {
    Rotation::open(settings, Timestamp::from_second(START + seconds).unwrap()).unwrap()
}

/// A first key, and a second one that took over an hour after it was published.
fn rotated(settings: &KeySettings) -> (Kid, Kid) {
    let old = at(settings, 0).first_key().unwrap().kid;
    let new = at(settings, 10).generate(None).unwrap().kid;
    at(settings, 10).publish(&new).unwrap();
    assert!(
        at(settings, 3610)
            .activate(&new)
            .unwrap()
            .warnings
            .is_empty(),
        "an hour has passed"
    );
    (old, new)
}

#[test]
fn a_replaced_key_is_retired_after_its_last_token_and_the_leeway() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), "core.pem");
    let (old, _) = rotated(&settings);
    let last = 3610 + 3600 + 30;
    let early = at(&settings, last - 1).retire(&old, Retirement::AfterLastToken);
    assert!(
        matches!(early, Err(RotationError::TooEarly { .. })),
        "{early:?}"
    );
    let retired = at(&settings, last)
        .retire(&old, Retirement::AfterLastToken)
        .unwrap();
    assert_eq!(retired.caches_refreshed_at.as_second(), START + last + 3600);
}

#[test]
fn a_key_published_less_than_an_hour_ago_signs_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), "core.pem");
    at(&settings, 0).first_key().unwrap();
    let new = at(&settings, 0).generate(None).unwrap().kid;
    at(&settings, 0).publish(&new).unwrap();
    assert_eq!(
        at(&settings, 3599).activate(&new).unwrap().warnings.len(),
        1
    );
}

#[test]
fn a_key_that_never_signed_may_go_at_once_and_never_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), "core.pem");
    at(&settings, 0).first_key().unwrap();
    let spare = at(&settings, 0).generate(None).unwrap().kid;
    at(&settings, 0).publish(&spare).unwrap();
    at(&settings, 1)
        .retire(&spare, Retirement::AfterLastToken)
        .unwrap();
    assert!(matches!(
        at(&settings, 2).publish(&spare),
        Err(RotationError::WasRetired(_))
    ));
}

#[test]
fn what_is_not_recorded_is_not_known_to_be_safe() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), "core.pem");
    let (old, _) = rotated(&settings);
    std::fs::remove_file(folder.path().join("rotation.json")).unwrap();
    let refused = at(&settings, 1_000_000).retire(&old, Retirement::AfterLastToken);
    assert!(
        matches!(refused, Err(RotationError::NotRecorded(_))),
        "{refused:?}"
    );
    at(&settings, 1_000_000)
        .retire(&old, Retirement::Now)
        .unwrap();
}

#[test]
fn a_damaged_record_is_refused_and_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), "core.pem");
    at(&settings, 0).first_key().unwrap();
    let record = folder.path().join("rotation.json");
    std::fs::write(&record, "{}").unwrap();
    let now = Timestamp::from_second(START).unwrap();
    assert!(matches!(
        Rotation::open(&settings, now),
        Err(RotationError::Record { .. })
    ));
    assert_eq!(std::fs::read(&record).unwrap(), b"{}");
}

#[test]
fn going_back_to_the_previous_key_is_a_rotation_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), "core.pem");
    let (old, new) = rotated(&settings);
    at(&settings, 3700).activate(&old).unwrap();
    let states: Vec<_> = at(&settings, 3700)
        .list()
        .unwrap()
        .into_iter()
        .map(|key| (key.kid, key.state))
        .collect();
    assert!(
        states.contains(&(old.clone(), KeyState::Active))
            && states.contains(&(new.clone(), KeyState::Published))
    );
    let early = at(&settings, 3700).retire(&new, Retirement::AfterLastToken);
    assert!(
        matches!(early, Err(RotationError::TooEarly { .. })),
        "{early:?}"
    );
    assert!(matches!(
        at(&settings, 9999).retire(&old, Retirement::Now),
        Err(RotationError::IsActive(_))
    ));
}

#[test]
fn a_file_named_after_its_key_is_not_filled_with_another() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path(), "first.pem");
    at(&settings, 0).first_key().unwrap();
    settings.active_kid = Some("first".parse().unwrap());
    let new = at(&settings, 0).generate(None).unwrap().kid;
    at(&settings, 0).publish(&new).unwrap();
    let refused = at(&settings, 9999).activate(&new);
    assert!(
        matches!(refused, Err(RotationError::FileNamedAfterKey { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_retired_key_signs_under_no_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path(), "core.pem");
    let (old, new) = rotated(&settings);
    at(&settings, 3610).retire(&old, Retirement::Now).unwrap();
    assert_eq!(KeyRing::load(&settings).unwrap().active_kid, new);
    settings.active_kid = Some(old.clone());
    let refused = KeyRing::load(&settings).unwrap_err();
    assert!(
        matches!(&refused[..], [RingError::Retired(kid)] if *kid == old),
        "{refused:?}"
    );
    settings.active_kid = None;
    settings.private_key_file = folder.path().join(format!("{old}.pem"));
    let refused = KeyRing::load(&settings).unwrap_err();
    assert!(
        matches!(&refused[..], [RingError::Retired(_)]),
        "{refused:?}"
    );
}

#[test]
fn a_replaced_key_that_is_still_named_is_not_retired_and_its_hour_begins_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path(), "core.pem");
    let (old, new) = rotated(&settings);
    settings.active_kid = Some(old.clone());
    let refused = at(&settings, 9000).retire(&old, Retirement::AfterLastToken);
    assert!(
        matches!(&refused, Err(RotationError::StillNamed { successor, .. }) if *successor == new),
        "{refused:?}"
    );
    settings.active_kid = Some(new);
    let early = at(&settings, 9000 + 3629).retire(&old, Retirement::AfterLastToken);
    assert!(
        matches!(early, Err(RotationError::TooEarly { .. })),
        "{early:?}"
    );
    at(&settings, 9000 + 3630)
        .retire(&old, Retirement::AfterLastToken)
        .unwrap();
}
