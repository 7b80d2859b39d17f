//! Any app, subject and path: a key has one text, its file lies in its own space and nowhere else,
//! and can be read backwards to what it was.

#![no_main]

use std::path::{Component, Path};

use dailey_fuzz::pieces;
use dailey_media::fuzzing::{local_path, local_texts};
use dailey_media::storage::Location;
use dailey_media::{MAX_KEY_BYTES, MAX_SEGMENT_BYTES, ObjectKey, Space};
use libfuzzer_sys::fuzz_target;

const ROOT: &str = "/root";

fuzz_target!(|data: &[u8]| {
    let [app, subject, raw] = pieces(data).map(std::str::from_utf8);
    let (Ok(app), Ok(subject), Ok(raw)) = (app, subject, raw) else {
        return;
    };
    let Ok(key) = ObjectKey::from_path(raw) else {
        return;
    };
    assert!(key.as_str().len() <= MAX_KEY_BYTES);
    assert!(key.segments().all(|segment| {
        (1..=MAX_SEGMENT_BYTES).contains(&segment.len()) && segment != "." && segment != ".."
    }));
    let encoded: String = key
        .as_str()
        .bytes()
        .map(|byte| format!("%{byte:02X}"))
        .collect();
    assert_eq!(ObjectKey::from_path(&encoded).as_ref(), Ok(&key));
    assert_eq!(ObjectKey::parse(key.as_str()).as_ref(), Ok(&key));

    let at = |subject: &str| Location {
        space: Space::new(app, subject),
        key: key.clone(),
    };
    let path = local_path(Path::new(ROOT), &at(subject));
    let below = path
        .strip_prefix("/root/objects")
        .expect("below the objects");
    for component in below.components() {
        let Component::Normal(name) = component else {
            panic!("{component:?} climbs");
        };
        assert!((1..=255).contains(&name.len()) && !name.as_encoded_bytes().contains(&0));
    }
    // All of app, subject and key are in it, each where it belongs: no two places share a path.
    let texts = local_texts(below).expect("names of ours");
    let expected: Vec<&[u8]> = [app, subject]
        .into_iter()
        .chain(key.segments())
        .map(str::as_bytes)
        .collect();
    assert_eq!(texts, expected);
    let other = local_path(Path::new(ROOT), &at(&format!("{subject}/x")));
    assert_ne!(other, path);
});
