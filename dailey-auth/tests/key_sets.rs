//! What of an issuer's key set is taken in.

#![allow(clippy::unwrap_used)] // what fails here says so by failing

use std::sync::LazyLock;

use dailey_auth::testing::SigningKey;
use dailey_auth::{KeySet, KeySetError, SkipReason, SkippedKey};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

static GOOD: LazyLock<SigningKey> = LazyLock::new(SigningKey::generate);

/// A good key, too, for tests to spoil.
static SUBJECT: LazyLock<SigningKey> = LazyLock::new(SigningKey::generate);

fn take_in(keys: &[Value]) -> (KeySet, Vec<SkippedKey>) {
    KeySet::from_json(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

/// Takes in one good key and `jwk`, and says why `jwk` was skipped.
fn fate(jwk: &Value) -> Option<SkipReason> {
    let (keys, skipped) = take_in(&[GOOD.jwk(), jwk.clone()]);
    assert!(
        keys.kids().any(|kid| kid == GOOD.kid()),
        "a bad key never takes a good one with it"
    );
    assert!(skipped.len() <= 1);
    assert_eq!(keys.kids().len() + skipped.len(), 2);
    skipped.first().map(SkippedKey::reason)
}

fn with(name: &str, value: impl Into<Value>) -> Value {
    let mut jwk = SUBJECT.jwk();
    jwk[name] = value.into();
    jwk
}

fn without(name: &str) -> Value {
    let mut jwk = SUBJECT.jwk();
    jwk.as_object_mut().unwrap().remove(name);
    jwk
}

#[test]
fn each_key_is_taken_in_as_an_rs256_key_or_not_at_all() {
    let fates = [
        (without("alg"), None),
        (without("use"), None),
        (with("key_ops", json!(["verify"])), None),
        (with("x5c", json!(["MIIB"])), None),
        (with("kid", "k".repeat(128)), None),
        (with("kid", "k".repeat(129)), Some(SkipReason::KidMissing)),
        (with("kid", ""), Some(SkipReason::KidMissing)),
        (with("kid", 1), Some(SkipReason::KidMissing)),
        (without("kid"), Some(SkipReason::KidMissing)),
        (with("kty", "EC"), Some(SkipReason::KeyTypeNotAllowed)),
        (with("kty", "oct"), Some(SkipReason::KeyTypeNotAllowed)),
        (without("kty"), Some(SkipReason::KeyTypeNotAllowed)),
        (with("alg", "RS512"), Some(SkipReason::AlgorithmNotAllowed)),
        (with("alg", "HS256"), Some(SkipReason::AlgorithmNotAllowed)),
        (
            with("alg", json!(null)),
            Some(SkipReason::AlgorithmNotAllowed),
        ),
        (with("use", "enc"), Some(SkipReason::UseNotAllowed)),
        (
            with("key_ops", json!(["sign"])),
            Some(SkipReason::UseNotAllowed),
        ),
        (
            with("key_ops", json!(["verify", "verify"])),
            Some(SkipReason::UseNotAllowed),
        ),
        (with("key_ops", "verify"), Some(SkipReason::UseNotAllowed)),
        (with("e", "Aw"), Some(SkipReason::ExponentNotAllowed)),
        (with("e", "AAEAAQ"), Some(SkipReason::ExponentNotAllowed)),
        (without("e"), Some(SkipReason::Malformed)),
        (without("n"), Some(SkipReason::Malformed)),
        (with("n", "AQAB"), Some(SkipReason::ModulusSize)),
        (with("n", "_".repeat(1368)), Some(SkipReason::ModulusSize)),
        (with("n", "A".repeat(342)), Some(SkipReason::Malformed)),
        (
            with("n", format!("{}+", "_".repeat(341))),
            Some(SkipReason::Malformed),
        ),
        (
            with("n", format!("{}=", "_".repeat(342))),
            Some(SkipReason::Malformed),
        ),
    ];
    for (jwk, expected) in fates {
        assert_eq!(fate(&jwk), expected, "{jwk}");
    }
    for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        assert_eq!(
            fate(&with(private, "AQAB")),
            Some(SkipReason::PrivateKey),
            "{private}"
        );
    }
    let even = {
        let mut jwk = SigningKey::generate().jwk();
        let n = jwk["n"].as_str().unwrap().to_owned();
        jwk["n"] = format!("{}A", &n[..341]).into();
        jwk
    };
    assert_eq!(fate(&even), Some(SkipReason::Malformed));
}

#[test]
fn two_keys_with_one_id_are_both_refused_unless_they_are_the_same() {
    let [a, b, c] = [(); 3].map(|()| SigningKey::generate());
    let b_as_a = SigningKey::jwk(&b.with_kid(a.kid()));
    let set = json!({ "keys": [a.jwk(), b_as_a, c.jwk(), c.jwk()] }).to_string();
    let (keys, skipped) = KeySet::from_json(set.as_bytes()).unwrap();
    assert_eq!(keys.kids().collect::<Vec<_>>(), [c.kid()]);
    let reasons: Vec<_> = skipped
        .iter()
        .map(|key| (key.kid().unwrap(), key.reason()))
        .collect();
    assert_eq!(reasons, [(a.kid(), SkipReason::KidAmbiguous); 2]);
}

#[test]
fn a_private_half_is_recognised_however_carelessly_its_modulus_is_written() {
    let (betrayed, good) = (SigningKey::generate(), SigningKey::generate());
    let n = betrayed.jwk()["n"].as_str().unwrap().to_owned();
    let bytes = BASE64URL_NOPAD.decode(n.as_bytes()).unwrap();
    let led_by_zero = BASE64URL_NOPAD.encode(&[&[0, 0], &bytes[..]].concat());
    let other_alphabet = n.replace('-', "+").replace('_', "/");
    for written in [led_by_zero, format!("{n}=="), format!("{other_alphabet}==")] {
        let mut private = betrayed.jwk();
        private["d"] = "AQAB".into();
        private["kid"] = "another".into();
        private["n"] = written.as_str().into();
        let (keys, skipped) = take_in(&[betrayed.jwk(), private, good.jwk()]);
        assert_eq!(keys.kids().collect::<Vec<_>>(), [good.kid()], "{written}");
        assert_eq!(skipped.len(), 2);
    }
    // Without a modulus, the key id tells which key it is.
    let mut private = betrayed.jwk();
    let members = private.as_object_mut().unwrap();
    members.remove("n");
    members.insert("p".to_owned(), "AQAB".into());
    let (keys, _) = take_in(&[betrayed.jwk(), private, good.jwk()]);
    assert_eq!(keys.kids().collect::<Vec<_>>(), [good.kid()]);
}

#[test]
fn a_key_whose_private_half_is_published_is_refused_with_its_public_twin() {
    let (betrayed, good) = (SigningKey::generate(), SigningKey::generate());
    let mut private = betrayed.jwk();
    private["d"] = "AQAB".into();
    for kid in [betrayed.kid(), "another"] {
        private["kid"] = kid.into();
        for keys in [
            [betrayed.jwk(), private.clone(), good.jwk()],
            [private.clone(), good.jwk(), betrayed.jwk()],
        ] {
            let set = json!({ "keys": keys }).to_string();
            let (keys, skipped) = KeySet::from_json(set.as_bytes()).unwrap();
            assert_eq!(keys.kids().collect::<Vec<_>>(), [good.kid()]);
            let alarmed = |key: &SkippedKey| key.reason() == SkipReason::PrivateKey;
            assert!(skipped.len() == 2 && skipped.iter().all(alarmed));
        }
    }
}

#[test]
fn an_entry_that_is_no_object_does_not_spoil_the_good_keys() {
    let good = SigningKey::generate();
    for odd in [json!(null), json!(1), json!("x"), json!([])] {
        let set = json!({ "keys": [odd, good.jwk()] }).to_string();
        let (keys, skipped) = KeySet::from_json(set.as_bytes()).unwrap();
        assert_eq!(keys.kids().collect::<Vec<_>>(), [good.kid()]);
        assert_eq!(skipped[0].reason(), SkipReason::Malformed);
    }
}

#[test]
fn documents_that_are_no_key_set_are_refused() {
    let verdict = |text: &str| KeySet::from_json(text.as_bytes()).map(|_| ()).unwrap_err();
    for text in [
        "",
        "[]",
        "{}",
        "null",
        r#"{"keys":{}}"#,
        r#"{"keys":null}"#,
        r#"{"keys":[],"keys":[]}"#,
        "<html></html>",
        r#"{"keys":[{"kid":"a","kid":"b"}]}"#,
    ] {
        assert_eq!(verdict(text), KeySetError::Malformed, "{text}");
    }
    assert_eq!(verdict(r#"{"keys":[]}"#), KeySetError::NoUsableKey);
    assert_eq!(verdict(r#"{"keys":[{}]}"#), KeySetError::NoUsableKey);
    let many = |count: usize| format!(r#"{{"keys":[{}]}}"#, vec!["{}"; count].join(","));
    assert_eq!(verdict(&many(64)), KeySetError::NoUsableKey);
    assert_eq!(verdict(&many(65)), KeySetError::TooManyKeys);
    assert_eq!(verdict(&" ".repeat(65_537)), KeySetError::TooLarge);
}

#[test]
fn the_thumbprint_is_that_of_rfc_7638() {
    // The example of RFC 7638 section 3.1.
    let set = json!({ "keys": [{
        "kty": "RSA", "alg": "RS256", "kid": "2011-04-29", "e": "AQAB",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    }]});
    let (keys, _) = KeySet::from_json(set.to_string().as_bytes()).unwrap();
    assert_eq!(
        keys.thumbprint("2011-04-29").unwrap(),
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    );
}
