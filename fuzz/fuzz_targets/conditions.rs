//! Any bytes as a request's conditions, against any state: a condition that cannot be read is
//! refused, one that is read holds only for a state that it names.

#![no_main]

use dailey_fuzz::pieces;
use dailey_media::fuzzing::{if_range_holds, read_verdict};
use dailey_media::{Preconditions, Validators};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use libfuzzer_sys::fuzz_target;

const FIELDS: [HeaderName; 5] = [
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::IF_RANGE,
];

fuzz_target!(|data: &[u8]| {
    let [tag, rest @ ..]: [&[u8]; 6] = pieces(data);
    let headers: HeaderMap = FIELDS
        .into_iter()
        .zip(rest)
        .filter(|(_, value)| !value.is_empty())
        .filter_map(|(name, value)| Some((name, HeaderValue::from_bytes(value).ok()?)))
        .collect();
    let state = Validators {
        etag: format!("\"{}\"", String::from_utf8_lossy(tag).replace('"', "")),
        modified_seconds: 1_800_000_000,
    };
    let field = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if field(&header::IF_RANGE).is_some_and(|range| range.contains('"')) {
        let exact = field(&header::IF_RANGE) == Some(&state.etag);
        assert_eq!(if_range_holds(&headers, &state, u64::MAX), exact);
    }
    let Ok(conditions) = Preconditions::read(&headers) else {
        assert!(
            headers.contains_key(header::IF_MATCH) || headers.contains_key(header::IF_NONE_MATCH)
        );
        return;
    };
    let names_it = |name: &HeaderName| {
        field(name)
            .is_some_and(|text| text.trim_matches([' ', '\t']) == "*" || text.contains(&state.etag))
    };
    let (if_match, if_none) = (field(&header::IF_MATCH), field(&header::IF_NONE_MATCH));
    if conditions.allow_change(Some(&state)) {
        assert!(if_match.is_none() || names_it(&header::IF_MATCH));
        assert!(!conditions.wants_absence());
    }
    if conditions.allow_change(None) {
        assert!(if_match.is_none(), "what is not there matches nothing");
    }
    match read_verdict(&conditions, &state) {
        None => assert!(if_match.is_none() || names_it(&header::IF_MATCH)),
        Some(304) => assert!(
            names_it(&header::IF_NONE_MATCH) || headers.contains_key(header::IF_MODIFIED_SINCE)
        ),
        Some(_) => assert!(if_match.is_some() || headers.contains_key(header::IF_UNMODIFIED_SINCE)),
    }
    // Exactly its own tag is always let through, and known.
    if if_match == Some(&state.etag) {
        assert!(read_verdict(&conditions, &state) != Some(412));
    }
    if if_none == Some(&state.etag) {
        assert!(read_verdict(&conditions, &state).is_some());
        assert!(!conditions.allow_change(Some(&state)));
    }
});
