//! What holds for any input: no panic, one verdict, one text form, nothing lost on the way.

#![allow(clippy::unwrap_used)] // what fails here says so by failing

use std::sync::LazyLock;
use std::time::Duration;

use dailey_auth::testing::{ManualClock, SigningKey, TokenBuilder};
use dailey_auth::{KeySet, MAX_KEYS, MAX_TOKEN_BYTES, Verifier};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Value, json};

const ISSUER: &str = "https://core.example";
const APP: &str = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
const NOW: u64 = 1_800_000_000;

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate().with_kid("k1"));

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let (keys, _) = KeySet::from_json(KEY.public_jwks().as_bytes()).unwrap();
    Verifier::builder(ISSUER, [APP])
        .key_set(keys)
        .clock(ManualClock::at(NOW))
        .build()
        .unwrap()
});

/// A failing input is printed, and belongs into a test of its own.
fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn verdict(token: &str) -> &'static str {
    match VERIFIER.try_verify(token) {
        Ok(_) => "accepted",
        Err(error) => error.code(),
    }
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": APP, "sub": "u", "iat": NOW, "exp": NOW + 600})
}

fn sign(header: &str, payload: &str) -> String {
    TokenBuilder::sign_raw(header.as_bytes(), payload.as_bytes(), &KEY)
}

const HEADER: &str = r#"{"alg":"RS256","typ":"at+jwt","kid":"k1"}"#;

/// Bytes that come near to JSON, and any others.
fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    let near = b"{}[]:,\"\\u00aeslgRS256tykid+jw-.0123 \n";
    prop_oneof![
        vec(proptest::sample::select(&near[..]), 0..most),
        vec(any::<u8>(), 0..most),
    ]
}

/// Any value of 12 levels or fewer.
fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        any::<String>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ];
    scalar.prop_recursive(10, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            btree_map(any::<String>(), inner, 0..6)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_text_gets_a_verdict_and_the_same_one_twice(
        text in prop_oneof![
            any::<String>(),
            "[A-Za-z0-9_.-]{0,300}",
            "(eyJ[A-Za-z0-9_-]{0,60}\\.){0,5}[A-Za-z0-9_=-]{0,20}",
            vec(any::<char>(), 8_000..8_400).prop_map(String::from_iter),
        ],
    ) {
        let first = verdict(&text);
        prop_assert_ne!(first, "accepted");
        prop_assert_eq!(verdict(&text), first);
        if text.len() > MAX_TOKEN_BYTES {
            prop_assert_eq!(first, "token_too_large");
        }
    }

    #[test]
    fn any_signed_header_gets_the_same_verdict_twice(header in bytes(120)) {
        let payload = claims().to_string();
        let token = TokenBuilder::sign_raw(&header, payload.as_bytes(), &KEY);
        // A header that was seen before must not be read otherwise than a new one.
        prop_assert_eq!(verdict(&token), verdict(&token));
        prop_assert_ne!(verdict(&token), "accepted");
    }

    #[test]
    fn any_signed_payload_gets_the_same_verdict_twice(payload in bytes(200)) {
        let token = TokenBuilder::sign_raw(HEADER.as_bytes(), &payload, &KEY);
        prop_assert_eq!(verdict(&token), verdict(&token));
        prop_assert_ne!(verdict(&token), "accepted");
    }

    #[test]
    fn any_bytes_are_a_key_set_or_not(bytes in bytes(2_000), keys in vec(value(), 0..4)) {
        let _ = KeySet::from_json(&bytes);
        let document = json!({"keys": keys, "more": keys}).to_string();
        prop_assert!(KeySet::from_json(document.as_bytes()).is_err());
    }

    #[test]
    fn any_members_of_a_key_are_taken_in_or_refused(
        members in btree_map("kty|use|alg|kid|key_ops|n|e|d|k|x5c", value(), 0..8),
        times in 1..MAX_KEYS,
    ) {
        let mut keys = vec![KEY.jwk(); times];
        keys.push(KEY.jwk());
        for (name, value) in members {
            keys[0][name] = value;
        }
        let document = json!({ "keys": keys }).to_string();
        match KeySet::from_json(document.as_bytes()) {
            Ok((set, skipped)) => {
                prop_assert!(set.kids().len() + skipped.len() <= keys.len());
                prop_assert!(set.kids().all(|kid| (1..=128).contains(&kid.len())));
            }
            // The private half of one betrays the others, which are the same key.
            Err(error) => prop_assert!(keys[0].get("d").or(keys[0].get("k")).is_some(), "{}", error),
        }
    }

    #[test]
    fn claims_come_out_as_they_were_printed(
        app in btree_map("[a-z]{4,8}|\\PC{4,8}", value(), 0..5),
        subject in "\\PC{1,60}",
        scope in proptest::option::of(any::<String>()),
        not_before in proptest::option::of(0..=NOW),
    ) {
        let mut printed = claims();
        printed["sub"] = subject.clone().into();
        for (name, value) in app {
            printed[name] = value;
        }
        if let Some(scope) = &scope {
            printed["scope"] = scope.as_str().into();
        }
        if let Some(not_before) = not_before {
            printed["nbf"] = not_before.into();
        }
        for text in [printed.to_string(), serde_json::to_string_pretty(&printed).unwrap()] {
            let token = sign(HEADER, &text);
            if token.len() > MAX_TOKEN_BYTES {
                prop_assert_eq!(verdict(&token), "token_too_large");
                continue;
            }
            let verified = VERIFIER.try_verify(&token).unwrap();
            prop_assert_eq!(verified.claims().subject(), &subject);
            prop_assert_eq!(verified.claims().scope(), scope.as_deref());
            prop_assert_eq!(verified.claims().not_before().map(|date| date.as_secs()), not_before);
            prop_assert_eq!(&verified.claims_as::<Value>().unwrap(), &printed);
        }
    }
}

/// Every position, every character: replaced, put in, taken out. Some ninety thousand texts.
#[test]
fn an_accepted_token_is_refused_after_any_change_of_one_character() {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    assert_eq!(ALPHABET.len(), 65);
    // Of the rest, what other decoders are known to skip or to take for something else.
    let strangers = "=+/ \t\n\r\0%~,é";

    // White space at the ends, so that changes that JSON would not mind are among them.
    let payload = claims();
    let token = sign(&format!(" {HEADER}\n"), &format!("\n{payload} "));
    assert_eq!(verdict(&token), "accepted");

    let mut tried = 0;
    let mut refused = |text: &str, told: (&str, usize)| {
        tried += 1;
        assert_ne!(verdict(text), "accepted", "{told:?}");
    };
    let mut text = String::with_capacity(token.len() + 2);
    for at in 0..=token.len() {
        let (before, behind) = token.split_at(at);
        let own = behind.chars().next();
        if own.is_some() {
            text.clear();
            text.push_str(before);
            text.push_str(&behind[1..]);
            refused(&text, ("taken out", at));
        }
        for character in ALPHABET.chars().chain(strangers.chars()) {
            text.clear();
            text.push_str(before);
            text.push(character);
            text.push_str(behind);
            refused(&text, ("put in", at));
            if own.is_some_and(|own| own != character) {
                text.clear();
                text.push_str(before);
                text.push(character);
                text.push_str(&behind[1..]);
                refused(&text, ("replaced", at));
            }
        }
    }
    let characters = 65 + strangers.chars().count();
    let length = token.len();
    assert_eq!(
        tried,
        length + (length + 1) * characters + length * (characters - 1)
    );
    assert_eq!(verdict(&token), "accepted", "the verdict has no memory");
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn times_decide_at_their_very_second(
        leeway in 0..=300_u64,
        life in 1..=86_400_u64,
        seconds_off in -2..=2_i64,
        about_the_end in any::<bool>(),
    ) {
        let (keys, _) = KeySet::from_json(KEY.public_jwks().as_bytes()).unwrap();
        let verifier = Verifier::builder(ISSUER, [APP])
            .key_set(keys)
            .leeway(Duration::from_secs(leeway))
            .clock(ManualClock::at(NOW))
            .build()
            .unwrap();
        let edge = if about_the_end {
            NOW - leeway - life
        } else {
            NOW + leeway
        };
        let issued = edge.checked_add_signed(seconds_off).unwrap();
        let mut claims = claims();
        claims["iat"] = issued.into();
        claims["exp"] = (issued + life).into();
        let code = match verifier.try_verify(&sign(HEADER, &claims.to_string())) {
            Ok(_) => "accepted",
            Err(error) => error.code(),
        };
        let expected = if NOW >= issued + life + leeway {
            "expired"
        } else if issued > NOW + leeway {
            "issued_in_future"
        } else {
            "accepted"
        };
        prop_assert_eq!(code, expected);
    }
}
