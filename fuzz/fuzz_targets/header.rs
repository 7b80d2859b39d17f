//! Any bytes as a decoded header: what is accepted names RS256, a key and a type, and nothing that
//! is not understood; another library reads the same in it; written anew it reads the same.

#![no_main]

use dailey_auth::{MAX_KID_BYTES, fuzzing};
use dailey_fuzz::Members;
use libfuzzer_sys::fuzz_target;
use serde_json::json;

fuzz_target!(|data: &[u8]| {
    let Ok((kid, typ)) = fuzzing::read_header(data) else {
        return;
    };
    let members = Members::of_accepted(data);
    assert_eq!(members.text("alg"), Some("RS256".to_owned()));
    assert_eq!(members.text("kid"), Some(kid.clone()));
    assert_eq!(members.text("typ"), Some(typ.clone()));
    assert!(
        members
            .0
            .iter()
            .all(|(name, _)| matches!(name.as_str(), "alg" | "kid" | "typ" | "cty"))
    );
    assert!((1..=MAX_KID_BYTES).contains(&kid.len()));
    assert!(kid.bytes().all(|byte| matches!(byte, b' '..=b'~')));
    let anew = json!({ "alg": "RS256", "kid": kid, "typ": typ }).to_string();
    assert_eq!(fuzzing::read_header(anew.as_bytes()), Ok((kid, typ)));
});
