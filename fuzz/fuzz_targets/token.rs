//! Any text as a token, and any two byte strings as a signed token's header and claims.
//!
//! Beside "no panic": what is accepted says what the policy demands, has one text form, and is
//! accepted by jsonwebtoken with the same claims.

#![no_main]

use std::sync::LazyLock;

use dailey_auth::testing::{ManualClock, SigningKey, TokenBuilder};
use dailey_auth::{KeySet, Verified, Verifier, fuzzing};
use dailey_fuzz::pieces;
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;

const ISSUER: &str = "https://core.example";
const AUDIENCE: &str = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
const NOW: u64 = 1_800_000_000;

/// What the peer hands out.
#[derive(Deserialize)]
struct Read {
    sub: String,
    exp: f64,
}

struct House {
    key: SigningKey,
    verifier: Verifier,
    peer: DecodingKey,
}

static HOUSE: LazyLock<House> = LazyLock::new(|| {
    let key = SigningKey::generate().with_kid("k");
    let (keys, _) = KeySet::from_json(key.public_jwks().as_bytes()).expect("its own key set");
    let clock = ManualClock::at(NOW);
    let verifier = Verifier::builder(ISSUER, [AUDIENCE])
        .key_set(keys)
        .clock(clock)
        .build();
    let n = key.jwk()["n"].as_str().expect("a modulus").to_owned();
    House {
        key,
        verifier: verifier.expect("a right policy"),
        peer: DecodingKey::from_rsa_components(&n, "AQAB").expect("a right key"),
    }
});

fuzz_target!(|data: &[u8]| {
    let house = &*HOUSE;
    if let Ok(text) = std::str::from_utf8(data) {
        assert!(
            house.verifier.try_verify(text).is_err(),
            "nobody signed this"
        );
    }
    let [header, payload] = pieces(data);
    // A signature costs a thousand times what reading costs: only where reading does not end it.
    if fuzzing::read_header(header).is_err() || fuzzing::read_claims(payload).is_err() {
        return;
    }
    let token = TokenBuilder::sign_raw(header, payload, &house.key);
    if let Ok(verified) = house.verifier.try_verify(&token) {
        is_what_the_policy_demands(&verified);
        has_one_text_form(house, &token);
        a_peer_reads_the_same(house, &token, &verified);
    }
});

fn is_what_the_policy_demands(verified: &Verified) {
    let claims = verified.claims();
    assert_eq!(claims.issuer(), ISSUER);
    assert!(claims.audiences().any(|audience| audience == AUDIENCE));
    assert!((1..=255).contains(&claims.subject().len()));
    let (issued, expires) = (
        claims.issued_at().as_secs_f64(),
        claims.expires_at().as_secs_f64(),
    );
    assert!(expires + 30.0 > NOW as f64 && issued <= NOW as f64 + 30.0);
    assert!(expires > issued && expires - issued <= 86_400.0);
    assert_eq!(verified.header().kid(), "k");
}

fn has_one_text_form(house: &House, token: &str) {
    for segment in token.split('.') {
        let bytes = BASE64URL_NOPAD
            .decode(segment.as_bytes())
            .expect("base64url");
        assert_eq!(BASE64URL_NOPAD.encode(&bytes), segment);
    }
    for other in [
        format!("{token}="),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{token}."),
    ] {
        assert!(house.verifier.try_verify(&other).is_err());
    }
}

fn a_peer_reads_the_same(house: &House, token: &str, verified: &Verified) {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    // Its clock cannot be set.
    (validation.validate_exp, validation.validate_nbf) = (false, false);
    validation.required_spec_claims = ["iss", "aud", "exp", "sub"].map(str::to_owned).into();
    let read = jsonwebtoken::decode::<Read>(token, &house.peer, &validation);
    let read = read.expect("a peer accepts it").claims;
    let claims = verified.claims();
    assert_eq!(read.sub, claims.subject());
    assert_eq!(read.exp, claims.expires_at().as_secs_f64());
}
