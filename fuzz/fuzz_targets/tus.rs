//! Any texts as the fields of a resumable upload: what is accepted is what another reading of tus 1.0.0 finds in it,
//! within bounds, each name once; printed anew it is the same.

#![no_main]

use std::collections::BTreeMap;

use dailey_fuzz::texts;
use dailey_media::fuzzing::{
    LARGEST_UPLOAD, upload_checksum, upload_length, upload_metadata, upload_offset,
};
use dailey_media::{Description, MAX_KEY_BYTES, ObjectKey};
use data_encoding::BASE64;
use http::HeaderValue;
use libfuzzer_sys::fuzz_target;

/// The digests of no bytes (FIPS 180-4).
const OF_NOTHING: [&str; 2] = [
    "sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
    "sha256 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
];

fuzz_target!(|data: &[u8]| {
    let Some([metadata, length, offset, checksum]) = texts(data) else {
        return;
    };
    if is_field(metadata) {
        read_metadata(metadata);
    }
    read_numbers(length, offset);
    read_checksum(checksum);
});

/// What a header field can hold; the router refuses anything else before it is read.
fn is_field(text: &str) -> bool {
    HeaderValue::from_str(text).is_ok_and(|value| value.to_str().is_ok())
}

fn read_metadata(text: &str) {
    let Some((key, description)) = upload_metadata(text) else {
        return;
    };
    let mut pairs = BTreeMap::new();
    for pair in text.split(',') {
        let pair = pair.trim_matches(' ');
        let (name, value) = pair.split_once(' ').unwrap_or((pair, ""));
        let value = BASE64
            .decode(value.as_bytes())
            .expect("padded base64, and nothing else");
        assert!(pairs.insert(name, value).is_none(), "each name stands once");
    }
    assert!(pairs.len() <= 48);
    assert_eq!(
        pairs.get("key").map(Vec::as_slice),
        Some(key.as_str().as_bytes())
    );
    assert!((1..=MAX_KEY_BYTES).contains(&key.as_str().len()));
    // Each is a header field's value later: nothing in it may end one.
    let fields = [
        Some(&description.content_type),
        description.cache_control.as_ref(),
        description.content_disposition.as_ref(),
    ];
    assert!(fields.iter().flatten().all(|text| is_field(text)));
    let own = &description.meta;
    assert!(own.len() <= 32);
    let bytes: usize = own
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    assert!(bytes <= 2048 && own.values().all(|value| is_field(value)));
    for (name, value) in own {
        let says = |(other, given): (&&str, &Vec<u8>)| {
            other.eq_ignore_ascii_case(&format!("x-meta-{name}")) && given == value.as_bytes()
        };
        assert!(pairs.iter().any(says), "nothing is kept that was not said");
    }

    let same = Some((key.clone(), description.clone()));
    let mut turned: Vec<&str> = text.split(',').collect();
    turned.reverse();
    assert_eq!(upload_metadata(&turned.join(",")), same);
    assert_eq!(upload_metadata(&format!("{text},key YQ==")), None);
    assert_eq!(upload_metadata(&format!("{text},")), None);
    // One that was made of a file's name may be longer than one that can be said.
    if description
        .content_disposition
        .as_ref()
        .is_none_or(|text| text.len() <= 512)
    {
        assert_eq!(upload_metadata(&printed(&key, &description)), same);
    }
}

fn printed(key: &ObjectKey, description: &Description) -> String {
    let pair = |name: &str, value: &str| format!("{name} {}", BASE64.encode(value.as_bytes()));
    let mut pairs = vec![
        pair("key", key.as_str()),
        pair("content-type", &description.content_type),
    ];
    pairs.extend(
        description
            .cache_control
            .iter()
            .map(|text| pair("cache-control", text)),
    );
    let disposition = description.content_disposition.iter();
    pairs.extend(disposition.map(|text| pair("content-disposition", text)));
    let own = description.meta.iter();
    pairs.extend(own.map(|(name, value)| pair(&format!("x-meta-{name}"), value)));
    pairs.join(",")
}

fn read_numbers(length: &str, offset: &str) {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let exact = |text: &str| text.parse::<u64>().unwrap_or(u64::MAX);
    match upload_length(length) {
        Some(bytes) => {
            assert!(digits(length) && bytes == exact(length) && bytes <= LARGEST_UPLOAD);
            assert_eq!(upload_length(&bytes.to_string()), Some(bytes));
        }
        None => assert!(!digits(length) || exact(length) > LARGEST_UPLOAD),
    }
    assert_eq!(upload_offset(offset), digits(offset).then(|| exact(offset)));
}

fn read_checksum(text: &str) {
    let Some(is_it) = upload_checksum(text, b"") else {
        assert!(!OF_NOTHING.contains(&text));
        return;
    };
    let (name, value) = text.split_once(' ').expect("a name and a value");
    let length = if name == "sha1" { 20 } else { 32 };
    assert!(matches!(name, "sha1" | "sha256"));
    let digest = BASE64.decode(value.as_bytes()).expect("padded base64");
    assert_eq!(digest.len(), length);
    // One text form, and right for these bytes alone.
    assert_eq!(format!("{name} {}", BASE64.encode(&digest)), text);
    assert_eq!(is_it, OF_NOTHING.contains(&text));
    assert_eq!(
        upload_checksum(text, b"x").map(|other| other && is_it),
        Some(false)
    );
}
