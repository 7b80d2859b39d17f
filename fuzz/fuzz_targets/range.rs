//! Any bytes as a `Range` of an object of any size: a part is never empty, lies within the object,
//! and asked for by its own numbers is the same part.

#![no_main]

use dailey_media::fuzzing::{Ranges, ranges};
use http::{HeaderMap, HeaderValue, header};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((size, field)) = data.split_first_chunk::<8>() else {
        return;
    };
    // Small objects as often as large ones.
    let size = u64::from_be_bytes(*size) >> (size[7] % 64);
    let Ok(value) = HeaderValue::from_bytes(field) else {
        return;
    };
    match of(value.clone(), size) {
        Ranges::Whole => {}
        Ranges::Unsatisfiable => assert!(field.to_ascii_lowercase().starts_with(b"bytes")),
        Ranges::Parts(parts) => {
            assert!(!parts.is_empty());
            for part in parts {
                assert!(
                    part.start < part.end && part.end <= size,
                    "{part:?} of {size}"
                );
                let (first, last) = (part.start, part.end - 1);
                for anew in [
                    format!("bytes={first}-{last}"),
                    format!("Bytes= {first}-{last}\t"),
                ] {
                    let anew = HeaderValue::try_from(anew).expect("a field");
                    assert_eq!(of(anew, size), Ranges::Parts(vec![part.clone()]));
                }
            }
        }
    }
    // Two fields are two opinions.
    let mut twice = HeaderMap::new();
    twice.append(header::RANGE, value.clone());
    twice.append(header::RANGE, value);
    assert_eq!(ranges(&twice, size), Ranges::Whole);
});

fn of(value: HeaderValue, size: u64) -> Ranges {
    ranges(&HeaderMap::from_iter([(header::RANGE, value)]), size)
}
