//! Any text as a token, and any two byte strings as a signed token's header and claims.
//!
//! Beside "no panic": what is accepted says what the policy demands, and only in one spelling.

#![no_main]

use std::sync::LazyLock;

use dailey_auth::testing::{ManualClock, SigningKey, TokenBuilder};
use dailey_auth::{KeySet, Verifier};
use libfuzzer_sys::fuzz_target;

const ISSUER: &str = "https://core.example";
const NOW: u64 = 1_800_000_000;

static HOUSE: LazyLock<(SigningKey, Verifier)> = LazyLock::new(|| {
    let key = SigningKey::generate().with_kid("k");
    let (keys, _) = KeySet::from_json(key.public_jwks().as_bytes()).expect("its own key set");
    let clock = ManualClock::at(NOW);
    let verifier = Verifier::builder(ISSUER, ["a"]).key_set(keys).clock(clock).build();
    (key, verifier.expect("a right policy"))
});

fuzz_target!(|data: &[u8]| {
    let (key, verifier) = &*HOUSE;
    if let Ok(text) = std::str::from_utf8(data) {
        assert!(verifier.try_verify(text).is_err(), "nobody signed this");
    }
    let cut = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let (header, payload) = data.split_at(cut);
    let token = TokenBuilder::sign_raw(header, payload.get(1..).unwrap_or_default(), key);
    if let Ok(verified) = verifier.try_verify(&token) {
        let claims = verified.claims();
        assert_eq!(claims.issuer(), ISSUER);
        assert!(claims.audiences().any(|audience| audience == "a"));
        assert!((1..=255).contains(&claims.subject().len()));
        assert!(claims.expires_at().as_secs() + 30 >= NOW);
        assert_eq!(verified.header().kid(), "k");
    }
});
