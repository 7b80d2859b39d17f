//! One token per rule: what is refused, with which code, and what is accepted all the same.

#![allow(clippy::unwrap_used)] // what fails here says so by failing

use std::time::{Duration, SystemTime};

use dailey_auth::testing::{ManualClock, SigningKey, TokenBuilder};
use dailey_auth::{KeySet, MAX_TOKEN_BYTES, Verifier, VerifyError};
use serde_json::{Value, json};

const ISSUER: &str = "https://core.example";
const APP: &str = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
const NOW: i64 = 1_800_000_000;

struct House {
    key: SigningKey,
    verifier: Verifier,
}

impl House {
    fn new() -> Self {
        let key = SigningKey::generate().with_kid("key-1");
        let (keys, skipped) = KeySet::from_json(key.public_jwks().as_bytes()).unwrap();
        assert!(skipped.is_empty());
        let verifier = Verifier::builder(ISSUER, [APP, "second audience"])
            .key_set(keys)
            .clock(ManualClock::at(u64::try_from(NOW).unwrap()))
            .build()
            .unwrap();
        Self { key, verifier }
    }

    fn code(&self, token: &str) -> &'static str {
        match self.verifier.try_verify(token) {
            Ok(_) => "accepted",
            Err(error) => {
                assert_eq!(error.http_status(), 401);
                error.code()
            }
        }
    }

    fn raw(&self, header: &str, payload: &[u8]) -> String {
        TokenBuilder::sign_raw(header.as_bytes(), payload, &self.key)
    }
}

fn good() -> TokenBuilder {
    TokenBuilder::new(ISSUER, APP)
        .issued_at(NOW)
        .expires_at(NOW + 600)
}

const HEADER: &str = r#"{"alg":"RS256","typ":"at+jwt","kid":"key-1"}"#;

fn claims(more: &str) -> String {
    format!(
        r#"{{"iss":"{ISSUER}","aud":"{APP}","sub":"u","iat":{NOW},"exp":{}{more}}}"#,
        NOW + 600
    )
}

#[test]
fn headers_are_held_to_the_allow_list() {
    let house = House::new();
    for (value, code) in [
        (json!("none"), "algorithm_not_allowed"),
        (json!("nOnE"), "algorithm_not_allowed"),
        (json!("HS256"), "algorithm_not_allowed"),
        (json!("rs256"), "algorithm_not_allowed"),
        (json!("RS256 "), "algorithm_not_allowed"),
        (json!("RS384"), "algorithm_not_allowed"),
        (json!("PS256"), "algorithm_not_allowed"),
        (json!(["RS256"]), "algorithm_not_allowed"),
        (json!(null), "algorithm_not_allowed"),
        (json!("RS256"), "accepted"),
    ] {
        assert_eq!(
            house.code(&good().header("alg", value.clone()).sign(&house.key)),
            code,
            "{value}"
        );
    }
    assert_eq!(
        house.code(&good().without_header("alg").sign(&house.key)),
        "algorithm_not_allowed"
    );
    for (value, code) in [
        (json!("JWT"), "type_not_allowed"),
        (json!("logout+jwt"), "type_not_allowed"),
        (json!("at+jwt+x"), "type_not_allowed"),
        (json!("x/at+jwt"), "type_not_allowed"),
        (json!("application/application/at+jwt"), "type_not_allowed"),
        (json!("application/x/at+jwt"), "type_not_allowed"),
        (json!("applicationxat+jwt"), "type_not_allowed"),
        (json!("application/"), "type_not_allowed"),
        (json!(""), "type_not_allowed"),
        (json!(1), "type_not_allowed"),
        (json!("AT+JWT"), "accepted"),
        (json!("application/at+jwt"), "accepted"),
        (json!("Application/AT+jwt"), "accepted"),
    ] {
        assert_eq!(
            house.code(&good().header("typ", value.clone()).sign(&house.key)),
            code,
            "{value}"
        );
    }
    assert_eq!(
        house.code(&good().without_header("typ").sign(&house.key)),
        "type_not_allowed"
    );
    for name in [
        "crit", "b64", "zip", "enc", "jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "p2c", "apu",
    ] {
        for value in [
            json!(["exp"]),
            json!([]),
            json!("x"),
            json!(null),
            json!(false),
        ] {
            let token = good().header(name, value).sign(&house.key);
            assert_eq!(house.code(&token), "header_not_allowed", "{name}");
        }
    }
    assert_eq!(
        house.code(&good().header("cty", "JWT").sign(&house.key)),
        "accepted"
    );
    for (value, code) in [
        (json!("key-2"), "kid_unknown"),
        (json!("KEY-1"), "kid_unknown"),
        (json!("key-1 "), "kid_unknown"),
        (json!("../../key-1"), "kid_unknown"),
        (json!("k".repeat(128)), "kid_unknown"),
        (json!("k".repeat(129)), "kid_invalid"),
        (json!("k".repeat(5000)), "kid_invalid"),
        (json!(""), "kid_invalid"),
        (json!("key\n1"), "kid_invalid"),
        (json!("kéy"), "kid_invalid"),
        (json!("key\u{0}1"), "kid_invalid"),
        (json!(1), "kid_invalid"),
        (json!(null), "kid_invalid"),
    ] {
        assert_eq!(
            house.code(&good().header("kid", value.clone()).sign(&house.key)),
            code,
            "{value}"
        );
    }
    assert_eq!(
        house.code(&good().without_header("kid").sign(&house.key)),
        "kid_missing"
    );
    let escaped = house.raw(
        r#"{"\u0061lg":"RS256","typ":"at\u002bjwt","kid":"\u006bey-1"}"#,
        claims("").as_bytes(),
    );
    assert_eq!(house.code(&escaped), "accepted");
}

#[test]
fn claims_are_held_to_their_types() {
    let house = House::new();
    let odd = [
        json!(null),
        json!(true),
        json!({}),
        json!([]),
        json!([["x"]]),
    ];
    for name in ["iss", "sub", "aud", "exp", "iat"] {
        let token = good().without_claim(name).sign(&house.key);
        let error = house.verifier.try_verify(&token).unwrap_err();
        assert_eq!((error.code(), error.claim()), ("claim_missing", Some(name)));
    }
    for name in [
        "iss",
        "sub",
        "aud",
        "exp",
        "iat",
        "nbf",
        "jti",
        "client_id",
        "scope",
    ] {
        for value in &odd {
            let token = good().claim(name, value.clone()).sign(&house.key);
            let error = house.verifier.try_verify(&token).unwrap_err();
            assert_eq!(
                (error.code(), error.claim()),
                ("claim_invalid", Some(name)),
                "{value}"
            );
        }
    }
    for name in ["iss", "sub", "aud", "jti", "client_id", "scope"] {
        let token = good().claim(name, 7).sign(&house.key);
        assert_eq!(house.code(&token), "claim_invalid", "{name}");
    }
    for name in ["exp", "iat", "nbf"] {
        for raw in [
            "\"1800000000\"",
            "-1",
            "-0",
            "1e300",
            "1e400",
            "-1e400",
            "9007199254740993",
            "9007199254740992.5",
            "18446744073709551616",
        ] {
            let payload = claims("").replace(&format!("\"{name}\":"), "\"x\":");
            let payload = payload.replacen('{', &format!("{{\"{name}\":{raw},"), 1);
            assert_eq!(
                house.code(&house.raw(HEADER, payload.as_bytes())),
                "claim_invalid",
                "{name} {raw}"
            );
        }
    }
    for (value, code) in [
        (json!("another"), "audience_mismatch"),
        (json!(""), "audience_mismatch"),
        (json!(APP.to_uppercase()), "audience_mismatch"),
        (json!(&APP[1..]), "audience_mismatch"),
        (json!(format!("{APP} ")), "audience_mismatch"),
        (json!(["another"]), "audience_mismatch"),
        (json!(["another", 5]), "claim_invalid"),
        (json!(vec!["x"; 17]), "claim_invalid"),
        (json!(["another", APP]), "accepted"),
        (json!("second audience"), "accepted"),
    ] {
        assert_eq!(
            house.code(&good().claim("aud", value.clone()).sign(&house.key)),
            code,
            "{value}"
        );
    }
    for (value, code) in [
        (json!(format!("{ISSUER}/")), "issuer_mismatch"),
        (json!("https://core.example.evil"), "issuer_mismatch"),
        (json!("https://core.exampl"), "issuer_mismatch"),
        (json!("HTTPS://core.example"), "issuer_mismatch"),
        (json!([ISSUER]), "claim_invalid"),
        (json!(ISSUER), "accepted"),
    ] {
        assert_eq!(
            house.code(&good().claim("iss", value.clone()).sign(&house.key)),
            code,
            "{value}"
        );
    }
    for (value, code) in [
        (json!(""), "claim_invalid"),
        (json!("s".repeat(255)), "accepted"),
        (json!("é".repeat(128)), "claim_invalid"),
        (json!("s".repeat(256)), "claim_invalid"),
    ] {
        assert_eq!(
            house.code(&good().claim("sub", value).sign(&house.key)),
            code
        );
    }
}

#[test]
fn times_are_held_to_the_clock_with_thirty_seconds_of_leeway() {
    let house = House::new();
    let at = |iat: Value, exp: Value| {
        house.code(&good().claim("iat", iat).claim("exp", exp).sign(&house.key))
    };
    assert_eq!(at(json!(NOW - 600), json!(NOW - 29)), "accepted");
    assert_eq!(at(json!(NOW - 600), json!(NOW - 30)), "expired");
    assert_eq!(
        at(json!(NOW - 600), json!(f64::from(1_800_000_000 - 30) + 0.5)),
        "accepted"
    );
    assert_eq!(at(json!(NOW + 30), json!(NOW + 600)), "accepted");
    assert_eq!(at(json!(NOW + 31), json!(NOW + 600)), "issued_in_future");
    assert_eq!(at(json!(NOW), json!(NOW + 86_400)), "accepted");
    assert_eq!(at(json!(NOW), json!(NOW + 86_401)), "lifetime_too_long");
    assert_eq!(at(json!(0), json!(NOW + 600)), "lifetime_too_long");
    assert_eq!(at(json!(NOW + 10), json!(NOW + 10)), "claim_invalid");
    assert_eq!(at(json!(NOW + 20), json!(NOW + 10)), "claim_invalid");
    assert_eq!(at(json!(NOW), json!(1.8e9 + 600.5)), "accepted");
    let nbf = |nbf: i64| house.code(&good().claim("nbf", nbf).sign(&house.key));
    assert_eq!(
        (nbf(NOW + 30), nbf(NOW + 31)),
        ("accepted", "not_yet_valid")
    );
}

#[test]
fn json_is_read_strictly() {
    let house = House::new();
    let payload = |payload: &[u8]| house.code(&house.raw(HEADER, payload));
    assert_eq!(payload(claims("").as_bytes()), "accepted");
    assert_eq!(
        payload(format!(" \n{}\t", claims("")).as_bytes()),
        "accepted"
    );
    assert_eq!(payload(b"7"), "json_invalid");
    assert_eq!(payload(b"[]"), "json_invalid");
    assert_eq!(
        payload(format!("\u{feff}{}", claims("")).as_bytes()),
        "json_invalid"
    );
    assert_eq!(
        payload(format!("{}x", claims("")).as_bytes()),
        "json_invalid"
    );
    assert_eq!(
        payload(&[claims(",\"x\":\"").as_bytes(), b"\xff\"}"].concat()),
        "json_invalid"
    );
    assert_eq!(
        payload(claims(r#","x":"\ud800""#).as_bytes()),
        "json_invalid"
    );
    for twice in [
        claims(r#","exp":1"#),
        claims(r#","aud":"x""#),
        claims(r#","\u0061ud":"x""#),
        claims(r#","role":"user","role":"admin""#),
        claims(r#","x":{"y":{"z":1,"z":2}}"#),
    ] {
        assert_eq!(
            payload(twice.as_bytes()),
            "json_duplicate_member",
            "{twice}"
        );
    }
    let deep = |levels: usize| {
        claims(&format!(
            ",\"x\":{}{}",
            "[".repeat(levels),
            "]".repeat(levels)
        ))
    };
    assert_eq!(payload(deep(15).as_bytes()), "accepted");
    assert_eq!(payload(deep(16).as_bytes()), "json_too_deep");
    let header = |header: &str| house.code(&house.raw(header, claims("").as_bytes()));
    assert_eq!(
        header(r#"{"alg":"none","alg":"RS256","typ":"at+jwt","kid":"key-1"}"#),
        "json_duplicate_member"
    );
    assert_eq!(header("7"), "json_invalid");
    assert_eq!(header("{}"), "algorithm_not_allowed");
    assert_eq!(
        header(&format!("{}1{}", "{\"a\":".repeat(500), "}".repeat(500))),
        "json_too_deep"
    );
}

#[test]
fn there_is_one_text_form_of_a_token() {
    let house = House::new();
    let token = good().sign(&house.key);
    assert_eq!(house.code(&token), "accepted");
    assert_eq!(house.code(""), "token_missing");
    for other in [
        format!("{token}="),
        format!("{token}=="),
        format!("{token}\n"),
        format!(" {token}"),
        format!("{token}.x"),
        token.replace('.', ". "),
        format!("Bearer {token}"),
    ] {
        assert_eq!(house.code(&other), "token_malformed");
    }
    assert_eq!(house.code(&format!("{token}.AAAA.AAAA")), "token_encrypted");
    assert_eq!(
        house.code(&"a".repeat(MAX_TOKEN_BYTES + 1)),
        "token_too_large"
    );
    // Every change of a single character spoils the token.
    for at in 0..token.len() {
        for other in ["A", "B", "-", ".", "="] {
            let mut changed = token.clone();
            changed.replace_range(at..=at, other);
            if changed != token {
                assert_ne!(house.code(&changed), "accepted", "at {at}");
            }
        }
    }
}

#[test]
fn signatures_are_held_to_the_key() {
    let house = House::new();
    let token = good().sign(&house.key);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let foreign = SigningKey::generate().with_kid("key-1");
    assert_eq!(house.code(&good().sign(&foreign)), "signature_invalid");
    for wrong in [
        &signature[4..],
        "AAAA",
        &format!("AAAA{signature}"),
        &"A".repeat(signature.len()),
    ] {
        assert_eq!(
            house.code(&format!("{signed}.{wrong}")),
            "signature_invalid"
        );
    }
    // Only an authentic token hears about its claims.
    let expired = good().expires_at(1).sign(&foreign);
    assert_eq!(house.code(&expired), "signature_invalid");
}

#[derive(serde::Deserialize)]
struct Own {
    role: String,
}

#[test]
fn an_accepted_token_says_what_it_was_given() {
    let house = House::new();
    let payload = format!(
        r#"{{"sub":"us\u0065r \ud83d\ude00","aud":["x","{APP}"],"iss":"{ISSUER}","iat":{NOW}.25,"exp":{},"nbf":{NOW},"scope":"media:read media:write","client_id":"c","jti":"j","role":"admin"}}"#,
        NOW + 600
    );
    let token = house
        .verifier
        .try_verify(&house.raw(HEADER, payload.as_bytes()))
        .unwrap();
    let claims = token.claims();
    assert_eq!(claims.subject(), "user 😀");
    assert_eq!(claims.issuer(), ISSUER);
    assert_eq!(claims.audiences().collect::<Vec<_>>(), ["x", APP]);
    assert_eq!(claims.audiences().len(), 2);
    assert!((claims.issued_at().as_secs_f64() - 1_800_000_000.25).abs() < 1e-6);
    assert_eq!(claims.expires_at().as_secs(), 1_800_000_600);
    assert_eq!(claims.not_before().unwrap().as_secs(), 1_800_000_000);
    assert_eq!(
        claims.issued_at().to_system_time(),
        Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_800_000_000_250))
    );
    assert_eq!(
        (claims.token_id(), claims.client_id()),
        (Some("j"), Some("c"))
    );
    assert_eq!(token.expires_in(), Duration::from_secs(600));
    assert_eq!(
        (token.header().kid(), token.header().typ()),
        ("key-1", "at+jwt")
    );
    assert!(token.has_scope("media:read") && token.has_scope("media:write"));
    for absent in ["media", "", " ", "media:read media:write", "MEDIA:READ"] {
        assert!(!token.has_scope(absent), "{absent:?}");
    }
    assert_eq!(token.claims_as::<Own>().unwrap().role, "admin");
    assert!(token.claims_as::<Vec<u8>>().is_err());
    let debug = format!("{token:?} {claims:?} {:?}", token.header());
    assert!(
        !debug.contains("admin") && !debug.contains("key-1"),
        "{debug}"
    );
}

#[test]
fn errors_say_what_to_do_and_hold_nothing_of_the_token() {
    let house = House::new();
    let marker = "x5kq-marker";
    let tokens = [
        good().claim("iss", marker).sign(&house.key),
        good().claim("aud", marker).sign(&house.key),
        good().claim("exp", marker).sign(&house.key),
        good().header("kid", marker).sign(&house.key),
        good().header("typ", marker).sign(&house.key),
        good().header(marker, 1).sign(&house.key),
        marker.to_owned(),
    ];
    for token in tokens {
        let error = house.verifier.try_verify(&token).unwrap_err();
        let text = format!(
            "{error} {error:?} {} {:?}",
            error.hint(),
            error.www_authenticate()
        );
        assert!(!text.contains(marker), "{text}");
        assert!(error.to_string().contains(error.hint()));
        let challenge = error.www_authenticate().unwrap();
        assert!(
            challenge.starts_with("Bearer error=\"invalid_token\""),
            "{challenge}"
        );
    }
    let missing = house.verifier.try_verify("").unwrap_err();
    assert_eq!(missing.www_authenticate().as_deref(), Some("Bearer"));
    let unavailable = VerifyError::from(dailey_auth::Unavailable::KeysUnavailable);
    assert_eq!(
        (unavailable.http_status(), unavailable.www_authenticate()),
        (503, None)
    );
}

#[test]
fn a_verifier_cannot_be_built_half_configured() {
    let (keys, _) = KeySet::from_json(SigningKey::generate().public_jwks().as_bytes()).unwrap();
    let setting = |builder: dailey_auth::VerifierBuilder| {
        builder
            .key_set(keys.clone())
            .build()
            .map(|_| ())
            .map_err(|error| error.setting())
    };
    let day = Duration::from_secs(86_400);
    assert_eq!(setting(Verifier::builder(ISSUER, [APP])), Ok(()));
    assert_eq!(setting(Verifier::builder("", [APP])), Err("issuer"));
    assert_eq!(setting(Verifier::builder(" x", [APP])), Err("issuer"));
    assert_eq!(setting(Verifier::builder("x\u{7}x", [APP])), Err("issuer"));
    assert_eq!(setting(Verifier::builder("x".repeat(512), [APP])), Ok(()));
    assert_eq!(
        setting(Verifier::builder("x".repeat(513), [APP])),
        Err("issuer")
    );
    assert_eq!(
        setting(Verifier::builder(ISSUER, [""; 0])),
        Err("audiences")
    );
    assert_eq!(setting(Verifier::builder(ISSUER, [""])), Err("audiences"));
    assert_eq!(
        setting(Verifier::builder(ISSUER, [APP; 17])),
        Err("audiences")
    );
    assert_eq!(
        setting(Verifier::builder(ISSUER, [APP]).leeway(day)),
        Err("leeway")
    );
    assert_eq!(
        setting(Verifier::builder(ISSUER, [APP]).leeway(Duration::from_secs(300))),
        Ok(())
    );
    assert_eq!(
        setting(Verifier::builder(ISSUER, [APP]).max_lifetime(day * 366)),
        Ok(())
    );
    assert_eq!(
        setting(Verifier::builder(ISSUER, [APP]).max_lifetime(Duration::ZERO)),
        Err("max_lifetime")
    );
    assert_eq!(
        setting(Verifier::builder(ISSUER, [APP]).max_lifetime(day * 367)),
        Err("max_lifetime")
    );
    assert_eq!(
        setting(Verifier::builder(ISSUER, [APP]).accepted_types([""; 0])),
        Err("accepted_types")
    );
    let base = || Verifier::builder(ISSUER, [APP]);
    assert_eq!(
        setting(base().accepted_types(["application/"])),
        Err("accepted_types")
    );
    let nearly_nothing = Duration::from_nanos(1);
    assert_eq!(
        setting(base().max_lifetime(nearly_nothing)),
        Err("max_lifetime")
    );
    // What concerns a fetched key set is never quietly ignored.
    assert_eq!(
        setting(base().jwks_url("https://x.example/")),
        Err("jwks_url")
    );
    assert_eq!(
        setting(base().pin_thumbprints(["x"])),
        Err("pin_thumbprints")
    );
    assert_eq!(setting(base().trust_for(Duration::ZERO)), Err("trust_for"));
    assert_eq!(setting(base().snapshot_path("x")), Err("snapshot_path"));
}

#[test]
fn other_types_are_accepted_when_asked_for() {
    let key = SigningKey::generate();
    let (keys, _) = KeySet::from_json(key.public_jwks().as_bytes()).unwrap();
    let verifier = Verifier::builder(ISSUER, [APP])
        .key_set(keys)
        .accepted_types(["application/JWT"])
        .clock(ManualClock::at(u64::try_from(NOW).unwrap()))
        .build()
        .unwrap();
    assert!(
        verifier
            .try_verify(&good().header("typ", "jwt").sign(&key))
            .is_ok()
    );
    let error = verifier.try_verify(&good().sign(&key)).unwrap_err();
    assert_eq!(error.code(), "type_not_allowed");
}
