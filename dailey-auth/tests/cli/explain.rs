//! `explain`: the same verdict as `verify`, with every check in order.

use dailey_auth::testing::{SigningKey, TokenBuilder};
use serde_json::{Value, json};

use crate::program::{APP, HEADER, House, ISSUER, NOW, good};

const CHECKS: [&str; 18] = [
    "size",
    "text",
    "header_json",
    "algorithm",
    "type",
    "header_members",
    "key_id",
    "key_set",
    "key",
    "signature",
    "claims_json",
    "claims",
    "issuer",
    "audience",
    "expiry",
    "not_before",
    "issued_at",
    "lifetime",
];

fn header(more: &str) -> String {
    format!("{}{more}}}", &HEADER[..HEADER.len() - 1])
}

/// A token for every way to be refused, with its code and the check that fails.
fn refusals(house: &House) -> Vec<(String, &'static str, &'static str)> {
    let key = &house.key;
    let deep = format!("{}1{}", "[".repeat(16), "]".repeat(16));
    let claims = format!(r#"{{"iss":"{ISSUER}","iss":"x"}}"#);
    let stranger = SigningKey::generate().with_kid("stranger");
    let twin = SigningKey::generate().with_kid("key-1");
    vec![
        (String::new(), "token_missing", "size"),
        ("a".repeat(8193), "token_too_large", "size"),
        ("a.b".to_owned(), "token_malformed", "text"),
        ("AA.AA.AA.AA.AA".to_owned(), "token_encrypted", "text"),
        (house.raw("[]", b"{}"), "json_invalid", "header_json"),
        (
            house.raw(&header(r#","kid":"x""#), b"{}"),
            "json_duplicate_member",
            "header_json",
        ),
        (
            house.raw(&header(&format!(",\"x\":{deep}")), b"{}"),
            "json_too_deep",
            "header_json",
        ),
        (
            good().header("alg", "HS256").sign(key),
            "algorithm_not_allowed",
            "algorithm",
        ),
        (
            good().header("typ", "JWT").sign(key),
            "type_not_allowed",
            "type",
        ),
        (
            good().header("jku", "x").sign(key),
            "header_not_allowed",
            "header_members",
        ),
        (
            good().without_header("kid").sign(key),
            "kid_missing",
            "key_id",
        ),
        (
            good().header("kid", "\u{1b}").sign(key),
            "kid_invalid",
            "key_id",
        ),
        (good().sign(&stranger), "kid_unknown", "key"),
        (good().sign(&twin), "signature_invalid", "signature"),
        (house.raw(HEADER, b"[]"), "json_invalid", "claims_json"),
        (
            house.raw(HEADER, claims.as_bytes()),
            "json_duplicate_member",
            "claims_json",
        ),
        (
            house.raw(HEADER, format!("{{\"x\":{deep}}}").as_bytes()),
            "json_too_deep",
            "claims_json",
        ),
        (
            good().without_claim("aud").sign(key),
            "claim_missing",
            "claims",
        ),
        (
            good().claim("exp", "soon").sign(key),
            "claim_invalid",
            "claims",
        ),
        (
            good().claim("iss", "https://x.example").sign(key),
            "issuer_mismatch",
            "issuer",
        ),
        (
            good().claim("aud", "x").sign(key),
            "audience_mismatch",
            "audience",
        ),
        (good().expires_at(NOW - 30).sign(key), "expired", "expiry"),
        (
            good().claim("nbf", NOW + 31).sign(key),
            "not_yet_valid",
            "not_before",
        ),
        (
            good().issued_at(NOW + 31).sign(key),
            "issued_in_future",
            "issued_at",
        ),
        (
            good().issued_at(NOW + 9).expires_at(NOW + 9).sign(key),
            "claim_invalid",
            "lifetime",
        ),
        (
            good().expires_at(NOW + 86_400).sign(key),
            "lifetime_too_long",
            "lifetime",
        ),
    ]
}

fn statuses(json: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    json["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (text(&row["check"]), text(&row["status"])))
        .collect()
}

#[test]
fn the_first_failure_is_what_verify_says_and_the_rest_is_not_reached() {
    let house = House::new();
    for (token, code, check) in refusals(&house) {
        let verified = house.run("verify", &["--json"], &token);
        let explained = house.run("explain", &["--json"], &token);
        assert_eq!((verified.code, explained.code), (1, 1), "{code}");
        let mut json = explained.json();
        let statuses = statuses(&json);
        json.as_object_mut().unwrap().remove("checks");
        assert_eq!(json, verified.json());
        assert_eq!(json["code"], code);
        let failed = CHECKS.iter().position(|one| *one == check).unwrap();
        for (at, (name, status)) in statuses.iter().enumerate() {
            assert_eq!(name, CHECKS[at]);
            let expected = match at.cmp(&failed) {
                std::cmp::Ordering::Less => "passed",
                std::cmp::Ordering::Equal => "failed",
                std::cmp::Ordering::Greater => "not_reached",
            };
            assert_eq!(status, expected, "{code}: {name}");
        }
        assert_eq!(statuses.len(), CHECKS.len());
        let said = house.run("explain", &[], &token).out;
        assert_eq!(
            said.matches('✗').count(),
            2,
            "the check and the verdict: {said}"
        );
        assert!(said.contains(&format!("refused: {code}")), "{said}");
    }
}

#[test]
fn every_code_of_a_refusal_has_its_check() {
    let mut codes: Vec<_> = refusals(&House::new())
        .iter()
        .map(|(_, code, _)| *code)
        .collect();
    codes.sort_unstable();
    codes.dedup();
    let mut all = "token_missing token_too_large token_malformed token_encrypted json_invalid \
        json_duplicate_member json_too_deep algorithm_not_allowed type_not_allowed \
        header_not_allowed kid_missing kid_invalid kid_unknown signature_invalid claim_missing \
        claim_invalid issuer_mismatch audience_mismatch expired not_yet_valid issued_in_future \
        lifetime_too_long"
        .split(' ')
        .filter(|code| !code.is_empty())
        .collect::<Vec<_>>();
    all.sort_unstable();
    assert_eq!(codes, all);
}

#[test]
fn of_two_faults_the_earlier_check_is_the_one_that_fails() {
    // What is set in the header or the claims, in the order of the checks.
    type Fault = (&'static str, fn(TokenBuilder) -> TokenBuilder);
    let faults: [Fault; 12] = [
        ("algorithm", |token| token.header("alg", "none")),
        ("type", |token| token.header("typ", "JWT")),
        ("header_members", |token| token.header("jku", "x")),
        ("key_id", |token| token.header("kid", "")),
        ("claims", |token| token.without_claim("sub")),
        ("issuer", |token| token.claim("iss", "x")),
        ("audience", |token| token.claim("aud", "x")),
        ("expiry", |token| token.claim("exp", NOW - 31)),
        ("not_before", |token| token.claim("nbf", NOW + 31)),
        ("issued_at", |token| token.claim("iat", NOW + 31)),
        ("lifetime", |token| {
            token.claim("iat", NOW + 9).claim("exp", NOW + 9)
        }),
        ("lifetime", |token| token.claim("iat", 1)),
    ];
    let house = House::new();
    for (at, (first, spoil)) in faults.iter().enumerate() {
        // Each with its neighbour: the order of all follows.
        let Some((_, spoil_more)) = faults.get(at + 1).filter(|(_, _)| *first != "issued_at")
        else {
            continue;
        };
        let token = spoil(spoil_more(good())).sign(&house.key);
        let json = house.run("explain", &["--json"], &token).json();
        let failed: Vec<_> = statuses(&json)
            .into_iter()
            .filter(|(_, status)| status == "failed")
            .map(|(check, _)| check)
            .collect();
        assert_eq!(failed, [*first]);
    }
}

#[test]
fn times_are_told_as_differences() {
    let house = House::new();
    let said = |token: &TokenBuilder| house.run("explain", &[], &token.sign(&house.key)).out;
    let accepted = said(&good().claim("nbf", NOW - 7_325));
    for words in [
        "issued 3 min 2 s ago",
        "expires in 6 min 58 s",
        "2 h 2 min ago",
        "(10 min)",
        "(key-1)",
        "✓ accepted",
    ] {
        assert!(accepted.contains(words), "{words}: {accepted}");
    }
    let leeway = said(&good().expires_at(NOW - 12));
    assert!(
        leeway.contains("expired 12 s ago, within the leeway"),
        "{leeway}"
    );
    for (token, words) in [
        (
            good().expires_at(NOW - 723).issued_at(NOW - 900),
            "expired 12 min 3 s ago (leeway 30 s)",
        ),
        (
            good().claim("nbf", NOW + 90_000),
            "becomes valid in 1 d 1 h (leeway 30 s)",
        ),
        (good().issued_at(NOW + 60), "issued in 1 min (leeway 30 s)"),
        (
            good().expires_at(NOW + 172_800).issued_at(NOW),
            "lives for 2 d",
        ),
        (
            good().expires_at(NOW).issued_at(NOW + 1),
            "ends before it begins",
        ),
        (good().claim("aud", "x"), APP),
        (good().claim("iss", "x"), ISSUER),
    ] {
        let said = said(&token);
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn claims_are_shown_on_request_and_of_authentic_tokens_alone() {
    let house = House::new();
    let builder = good().claim("sub", "someone-private");
    let tokens = [
        (builder.sign(&house.key), true),
        (
            builder
                .clone()
                .expires_at(NOW - 900)
                .issued_at(NOW - 990)
                .sign(&house.key),
            true,
        ),
        (builder.clone().claim("aud", 1).sign(&house.key), true),
        (
            builder.sign(&SigningKey::generate().with_kid("key-1")),
            false,
        ),
        (builder.sign(&SigningKey::generate()), false),
        (builder.clone().header("typ", "JWT").sign(&house.key), false),
    ];
    for (token, authentic) in tokens {
        for json in [&[][..], &["--json"]] {
            let silent = house.run("explain", json, &token);
            assert!(!silent.said().contains("someone-private"), "{silent:?}");
            let asked = house.run("explain", &[json, &["--show-claims"]].concat(), &token);
            assert_eq!(
                asked.out.contains("someone-private"),
                authentic,
                "{asked:?}"
            );
            assert_eq!(asked.code, silent.code);
            for ended in [silent, asked] {
                for piece in token.split('.') {
                    assert!(!ended.said().contains(&piece[..16]), "{ended:?}");
                }
            }
        }
    }
    let (good, spoilt) = (
        builder.sign(&house.key),
        builder.header("typ", "x").sign(&house.key),
    );
    let claims = |more: &[&str], token: &str| {
        house
            .run("explain", &[&["--json"], more].concat(), token)
            .json()
            .get("claims")
            .cloned()
    };
    assert_eq!(claims(&[], &good), Some(json!(null)));
    assert_eq!(claims(&["--show-claims"], &good).unwrap()["aud"], APP);
    assert_eq!(claims(&[], &spoilt), None);
    assert_eq!(claims(&["--show-claims"], &spoilt), Some(json!(null)));
}

#[test]
fn an_unknown_key_is_compared_with_those_of_the_set() {
    let house = House::new();
    let stranger = SigningKey::generate().with_kid("stranger");
    let said = house.run("explain", &[], &good().sign(&stranger)).out;
    assert!(
        said.contains("asks for the key stranger; usable keys of the set: key-1"),
        "{said}"
    );
    let mut refused = stranger.jwk();
    refused["use"] = "enc".into();
    let set = json!({ "keys": [house.key.jwk(), refused] }).to_string();
    house.write("keys.json", set.as_bytes());
    let said = house.run("verify", &[], &good().sign(&stranger)).out;
    assert!(said.contains("but it is refused: its `use`"), "{said}");
}
