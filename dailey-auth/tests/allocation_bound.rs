//! What a token may cost in memory, whoever wrote it.
//!
//! A binary of its own: the counter takes the place of the program's allocator. It counts the Rust
//! side; what aws-lc needs for a signature depends on the key alone.

#![allow(clippy::unwrap_used)] // what fails here says so by failing

use std::sync::LazyLock;

use allocation_counter::measure;
use dailey_auth::testing::{ManualClock, SigningKey, TokenBuilder};
use dailey_auth::{KeySet, MAX_TOKEN_BYTES, Verifier};
use data_encoding::BASE64URL_NOPAD;
use proptest::collection::vec;
use proptest::prelude::*;

const ISSUER: &str = "https://core.example";
const NOW: u64 = 1_800_000_000;

/// Most bytes that one verification allocates in all, those included that it gives back.
/// The decoded texts are at most 6 KiB each; the rest is the list of names, for 256 of them.
const MOST_BYTES: u64 = 64 * 1024;

fn bound(token: &str) -> u64 {
    if token.len() > MAX_TOKEN_BYTES {
        0
    } else {
        MOST_BYTES
    }
}

/// Twice the largest token.
const LONGEST_INPUT: usize = 16 * 1024;

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate().with_kid("k1"));

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let (keys, _) = KeySet::from_json(KEY.public_jwks().as_bytes()).unwrap();
    let verifier = Verifier::builder(ISSUER, ["a"])
        .key_set(keys)
        .clock(ManualClock::at(NOW))
        .build()
        .unwrap();
    // The first good token of a key leaves its header behind, once.
    let first = TokenBuilder::sign_raw(HEADER.as_bytes(), payload("").as_bytes(), &KEY);
    verifier.try_verify(&first).unwrap();
    verifier
});

/// A failing input is printed, and belongs into a test of its own.
fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// The bytes that a verification of `token` allocates, and its verdict.
fn cost(token: &str) -> (u64, &'static str) {
    let verifier = &*VERIFIER;
    let mut verdict = "accepted";
    let info = measure(|| {
        if let Err(error) = verifier.try_verify(token) {
            verdict = error.code();
        }
    });
    assert_eq!(info.bytes_current, 0, "{verdict} left something behind");
    (info.bytes_total, verdict)
}

const HEADER: &str = r#"{"alg":"RS256","typ":"at+jwt","kid":"k1"}"#;

/// The right claims with `more` behind them.
fn payload(more: &str) -> String {
    format!(
        r#"{{"iss":"{ISSUER}","aud":"a","sub":"u","iat":{NOW},"exp":{}{more}}}"#,
        NOW + 600
    )
}

fn members(count: usize, value: &str) -> String {
    let members: Vec<_> = (0..count)
        .map(|index| format!(",\"\\u0061{index}\":{value}"))
        .collect();
    members.concat()
}

#[test]
fn the_costliest_tokens_stay_under_the_bound() {
    let sign = |header: &str, payload: &str| {
        TokenBuilder::sign_raw(header.as_bytes(), payload.as_bytes(), &KEY)
    };
    let objects = |count| members(count, "{}");
    let wide = |count: usize| HEADER.replace('}', &format!("{}}}", members(count, "1")));
    let spaces = " ".repeat(5_000);
    let mut most = 0;
    for (token, expected) in [
        (sign(HEADER, &payload("")), "accepted"),
        (sign(HEADER, &payload(&members(251, "1"))), "accepted"),
        (sign(HEADER, &payload(&members(252, "1"))), "json_invalid"),
        (sign(HEADER, &payload(&objects(251))), "accepted"),
        (
            sign(HEADER, &payload(&format!("{}{spaces}", members(10, "1")))),
            "accepted",
        ),
        (
            sign(
                HEADER,
                &payload(&format!(r#","scope":"{}""#, "\\u0061".repeat(850))),
            ),
            "accepted",
        ),
        (sign(&format!("{HEADER}{spaces}"), &payload("")), "accepted"),
        (
            sign(
                &HEADER.replace("k1", &"\\u006b".repeat(128)),
                &payload(&format!(r#","jti":"\u0061{}""#, "é".repeat(1_000))),
            ),
            "kid_unknown",
        ),
        (sign(&wide(253), &payload("")), "header_not_allowed"),
        (sign(&wide(254), &payload("")), "json_invalid"),
        (
            sign(&format!("{}{}", "{\"a\":".repeat(900), "["), &payload("")),
            "json_too_deep",
        ),
    ] {
        assert!(token.len() <= MAX_TOKEN_BYTES, "{}", token.len());
        // A second time as well, for what may be kept of the first.
        for _ in 0..2 {
            let (bytes, verdict) = cost(&token);
            assert_eq!(verdict, expected, "{} bytes", token.len());
            assert!(bytes <= MOST_BYTES, "{bytes} bytes for {expected}");
            most = most.max(bytes);
        }
    }
    // Within a factor of four, so that the constant says something.
    println!("at most {most} bytes");
    assert!(most >= MOST_BYTES / 4, "{most}");
}

#[test]
fn nothing_is_allocated_for_what_is_too_large() {
    for length in [MAX_TOKEN_BYTES + 1, LONGEST_INPUT, 1 << 20] {
        for piece in ["A", ".", "é", "AAAA.", "\0"] {
            let token = piece.repeat(length.div_ceil(piece.len()));
            assert_eq!(cost(&token), (0, "token_too_large"));
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_text_costs_more_than_the_bound(
        text in prop_oneof![
            any::<String>(),
            "[A-Za-z0-9_.-]{0,300}",
            vec(any::<char>(), 0..LONGEST_INPUT / 4).prop_map(String::from_iter),
            ("[A-Za-z0-9_-]{0,99}", 1..160_usize).prop_map(|(piece, times)| piece.repeat(times)),
        ],
    ) {
        let (bytes, verdict) = cost(&text);
        prop_assert_ne!(verdict, "accepted");
        prop_assert!(bytes <= bound(&text), "{} bytes", bytes);
    }

    #[test]
    fn no_segments_cost_more_than_the_bound(
        header in vec(any::<u8>(), 0..6_000),
        payload in vec(proptest::sample::select(&b"{}[]:,\"\\u0a1 "[..]), 0..6_000),
        right_header in any::<bool>(),
    ) {
        let header = if right_header { HEADER.as_bytes() } else { &header };
        let signed = [header, &payload].map(|bytes| BASE64URL_NOPAD.encode(bytes)).join(".");
        let token = format!("{signed}.{}", KEY.signature(signed.as_bytes()));
        let (bytes, verdict) = cost(&token);
        prop_assert_ne!(verdict, "accepted");
        prop_assert!(bytes <= bound(&token), "{} bytes", bytes);
    }
}
