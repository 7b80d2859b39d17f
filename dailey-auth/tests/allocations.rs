//! How often a verification allocates, exactly. The counter takes the place of the program's
//! allocator and counts the Rust side, so this is a binary of its own.

#![allow(clippy::unwrap_used)] // what fails here says so by failing

use allocation_counter::measure;
use dailey_auth::testing::{ManualClock, SigningKey, TokenBuilder};
use dailey_auth::{KeySet, MAX_TOKEN_BYTES, Verifier};
use data_encoding::BASE64URL_NOPAD;

const ISSUER: &str = "https://core.example";
const NOW: i64 = 1_800_000_000;

fn good() -> TokenBuilder {
    TokenBuilder::new(ISSUER, "a")
        .issued_at(NOW)
        .expires_at(NOW + 600)
}

struct House {
    key: SigningKey,
    verifier: Verifier,
}

impl House {
    fn new() -> Self {
        let key = SigningKey::generate();
        let (keys, _) = KeySet::from_json(key.public_jwks().as_bytes()).unwrap();
        let verifier = Verifier::builder(ISSUER, ["a"])
            .key_set(keys)
            .clock(ManualClock::at(NOW.unsigned_abs()))
            .build()
            .unwrap();
        Self { key, verifier }
    }

    /// Allocations of one verification, dropping its result included, and its verdict.
    fn allocations(&self, token: &str) -> (u64, &'static str) {
        let mut verdict = "accepted";
        let info = measure(|| {
            if let Err(error) = self.verifier.try_verify(token) {
                verdict = error.code();
            }
        });
        (info.count_total, verdict)
    }
}

#[test]
fn an_accepted_token_costs_one_allocation_and_at_most_two() {
    let house = House::new();
    let plain = good()
        .claim("scope", "media:read media:write")
        .claim("client_id", "c")
        .claim("jti", "j")
        .claim("nbf", NOW)
        .sign(&house.key);
    // The first one leaves the key's header behind.
    assert_eq!(house.allocations(&plain), (2, "accepted"));
    assert_eq!(house.allocations(&plain), (1, "accepted"));
    // Another header than the one that is remembered is read again.
    let typed = good().header("typ", "application/at+jwt");
    assert_eq!(house.allocations(&typed.sign(&house.key)), (1, "accepted"));
    let many = good().claim("aud", vec!["a"; 16]).sign(&house.key);
    assert_eq!(house.allocations(&many), (1, "accepted"));
    // Texts with escapes share one more.
    let escaped = format!(
        r#"{{"iss":"https:\/\/core.example","aud":["x","\u0061"],"sub":"\u0075\ud83d\ude00","iat":{NOW},"exp":{},"scope":"\u006d","jti":"\n","client_id":"\"","\u0078":1}}"#,
        NOW + 600
    );
    let header = format!(
        r#"{{"alg":"RS256","typ":"at+jwt","kid":"{}"}}"#,
        house.key.kid()
    );
    let escaped = TokenBuilder::sign_raw(header.as_bytes(), escaped.as_bytes(), &house.key);
    assert_eq!(house.allocations(&escaped), (2, "accepted"));
}

#[test]
fn a_remembered_token_costs_one_allocation() {
    let house = House::new();
    let (keys, _) = KeySet::from_json(house.key.public_jwks().as_bytes()).unwrap();
    let builder = Verifier::builder(ISSUER, ["a"]).key_set(keys);
    let builder = builder.clock(ManualClock::at(NOW.unsigned_abs()));
    let verifier = builder.token_cache(8).build().unwrap();
    let token = good().claim("scope", "\u{1f600}\n").sign(&house.key);
    verifier.try_verify(&token).unwrap();
    let info = measure(|| drop(verifier.try_verify(&token)));
    assert_eq!(info.count_total, 1);
    assert_eq!(verifier.health().token_cache_misses, 1);
}

#[test]
fn what_is_kept_of_a_token_is_its_payload_and_two_members_of_its_header() {
    let house = House::new();
    let token = good().sign(&house.key);
    house.verifier.try_verify(&token).unwrap();
    let payload = token.split('.').nth(1).unwrap();
    let kept = BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap().len()
        + house.key.kid().len()
        + "at+jwt".len();
    let info = measure(|| drop(house.verifier.try_verify(&token)));
    assert_eq!(info.bytes_total, kept as u64);
}

#[test]
fn a_refusal_by_shape_algorithm_key_id_or_signature_costs_none() {
    let house = House::new();
    let stranger = SigningKey::generate();
    let token = good().sign(&house.key);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    let long = "a".repeat(MAX_TOKEN_BYTES);
    let spoilt = good().header("kid", house.key.kid()).sign(&stranger);
    for warm in [false, true] {
        if warm {
            assert_eq!(house.allocations(&token).1, "accepted");
        }
        for (token, code) in [
            (String::new(), "token_missing"),
            (format!("{long}a"), "token_too_large"),
            (long.clone(), "token_malformed"),
            (".".repeat(MAX_TOKEN_BYTES), "token_malformed"),
            (format!("{token}="), "token_malformed"),
            (
                format!("{header}=.{payload}.{signature}"),
                "token_malformed",
            ),
            (
                format!("{header}.{payload}=.{signature}"),
                "token_malformed",
            ),
            (
                format!("{signed}.{}.{}", &long[..8], &long[..8]),
                "token_malformed",
            ),
            (
                format!("{}.{}.a", &long[..4000], &long[..4000]),
                "token_malformed",
            ),
            (
                format!("{}.{}.aa", &long[..4000], &long[..4000]),
                "token_malformed",
            ),
            (
                format!("{}.{}.aaa", &long[..4000], &long[..4000]),
                "token_malformed",
            ),
            (
                format!("{}.{}.aaaa", &long[..4000], &long[..4000]),
                "json_invalid",
            ),
            (format!("{token}.a.a"), "token_encrypted"),
            (
                good().header("alg", "HS256").sign(&stranger),
                "algorithm_not_allowed",
            ),
            (
                good().header("alg", "none").sign(&stranger),
                "algorithm_not_allowed",
            ),
            (
                good().header("typ", "JWT").sign(&stranger),
                "type_not_allowed",
            ),
            (
                good()
                    .header("jku", "https://evil.example/")
                    .sign(&stranger),
                "header_not_allowed",
            ),
            (good().without_header("kid").sign(&stranger), "kid_missing"),
            (
                good().header("kid", "k".repeat(129)).sign(&stranger),
                "kid_invalid",
            ),
            (good().sign(&stranger), "kid_unknown"),
            (spoilt.clone(), "signature_invalid"),
            (format!("{signed}.{}", &signature[4..]), "signature_invalid"),
        ] {
            assert_eq!(house.allocations(&token), (0, code));
        }
    }
}
