//! Any bytes as a decoded payload: what is accepted has the required claims with their types, and
//! they are what another library reads; written anew they read the same.

#![no_main]

use dailey_auth::{Claims, MAX_AUDIENCES, MAX_SUBJECT_BYTES, NumericDate, fuzzing};
use dailey_fuzz::Members;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let Ok(claims) = fuzzing::read_claims(data) else {
        return;
    };
    let members = Members::of_accepted(data);
    are_the_same(&claims, &members);
    let anew = members.print();
    // Escapes may make it longer than a token can be.
    if anew.len() <= data.len() {
        let claims =
            fuzzing::read_claims(anew.as_bytes()).expect("accepted as it was written first");
        are_the_same(&claims, &members);
    }
});

fn are_the_same(claims: &Claims, members: &Members) {
    assert_eq!(members.text("iss").as_deref(), Some(claims.issuer()));
    assert_eq!(members.text("sub").as_deref(), Some(claims.subject()));
    assert!((1..=MAX_SUBJECT_BYTES).contains(&claims.subject().len()));
    let audiences: Vec<&str> = claims.audiences().collect();
    match &members.get("aud").expect("aud is required") {
        Value::String(one) => assert_eq!(audiences, [one]),
        Value::Array(several) => {
            assert_eq!(audiences, several.iter().map(text).collect::<Vec<_>>())
        }
        other => panic!("aud is {other}"),
    }
    assert!((1..=MAX_AUDIENCES).contains(&audiences.len()));
    let date = |name: &str| {
        members
            .get(name)
            .map(|value| value.as_f64().expect("a number"))
    };
    let seconds = |date: NumericDate| date.as_secs_f64();
    assert_eq!(date("exp"), Some(seconds(claims.expires_at())));
    assert_eq!(date("iat"), Some(seconds(claims.issued_at())));
    assert_eq!(date("nbf"), claims.not_before().map(seconds));
    for date in [date("exp"), date("iat"), date("nbf")]
        .into_iter()
        .flatten()
    {
        assert!((0.0..=9_007_199_254_740_992.0).contains(&date));
    }
    assert_eq!(members.text("jti").as_deref(), claims.token_id());
    assert_eq!(members.text("client_id").as_deref(), claims.client_id());
    assert_eq!(members.text("scope").as_deref(), claims.scope());
}

fn text(value: &Value) -> &str {
    value.as_str().expect("an audience is a text")
}
