//! `jwks inspect`: what each key of a set is worth.

use dailey_auth::KeySet;
use dailey_auth::testing::SigningKey;
use serde_json::{Value, json};

use crate::program::{Ended, House, program, run};

fn inspect(house: &House, set: &Value, more: &[&str]) -> Ended {
    let place = house.write("set.json", set.to_string().as_bytes());
    run(
        &mut program(&[&["jwks", "inspect", &place], more].concat()),
        b"",
    )
}

#[test]
fn a_long_text_of_a_key_is_cut() {
    let house = House::new();
    let set = json!({ "keys": [{ "kty": "x".repeat(30_000), "kid": "y".repeat(30_000) }] });
    for more in [&["--json"][..], &[]] {
        let ended = inspect(&house, &set, more);
        assert_eq!(ended.code, 1);
        assert!(ended.out.len() < 2_000, "{} bytes", ended.out.len());
        assert!(ended.out.contains('…'), "{}", ended.out);
    }
}

#[test]
fn each_key_is_told_with_its_fate_in_the_order_of_the_set() {
    let house = House::new();
    let spoilt = |name: &str, value: Value| {
        let mut jwk = SigningKey::generate().jwk();
        jwk[name] = value;
        jwk
    };
    let private = spoilt("d", json!("c2VjcmV0LWV4cG9uZW50"));
    let mut twin = house.key.jwk();
    twin["kid"] = "twin".into();
    let mut other_twin = SigningKey::generate().jwk();
    other_twin["kid"] = "twin".into();
    let ec = json!({"kty":"EC","crv":"P-256","kid":"ec","use":"sig","alg":"ES256",
        "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"});
    let secret = json!({"kty":"oct","kid":"oct","k":"c2VjcmV0LWtleQ"});
    let set = json!({ "keys": [
        twin, house.key.jwk(), private, other_twin, spoilt("alg", json!("RS512")), ec, secret, 7,
        spoilt("kid", json!(7)), spoilt("use", json!("enc")), spoilt("e", json!("Aw")),
        spoilt("n", json!("AQAB")), spoilt("n", json!("??")), house.key.jwk(),
    ]});
    let ended = inspect(&house, &set, &["--json"]);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    let json = ended.json();
    assert_eq!((&json["usable"], &json["error"]), (&json!(1), &json!(null)));
    let rows = json["keys"].as_array().unwrap();
    let codes: Vec<_> = rows
        .iter()
        .map(|row| row["code"].as_str().unwrap_or("used"))
        .collect();
    assert_eq!(
        codes,
        [
            "kid_ambiguous",
            "used",
            "private_key",
            "kid_ambiguous",
            "algorithm_not_allowed",
            "key_type_not_allowed",
            "private_key",
            "malformed",
            "kid_missing",
            "use_not_allowed",
            "exponent_not_allowed",
            "modulus_size",
            "malformed",
            "used",
        ]
    );
    let used = &rows[1];
    let (keys, _) = KeySet::from_json(house.key.public_jwks().as_bytes()).unwrap();
    assert_eq!(used["thumbprint"], keys.thumbprint("key-1").unwrap());
    assert_eq!(
        json!([
            used["kid"],
            used["kty"],
            used["bits"],
            used["use"],
            used["alg"],
            used["used"]
        ]),
        json!(["key-1", "RSA", 2048, "sig", "RS256", true])
    );
    assert_eq!(json!([used["reason"], used["hint"]]), json!([null, null]));
    for row in rows.iter().filter(|row| row["used"] == false) {
        assert!(
            row["reason"].is_string() && row["hint"].is_string(),
            "{row}"
        );
    }
    // RFC 7517 appendix A.1's key; the value is that of Python's hashlib.
    assert_eq!(
        rows[5]["thumbprint"],
        "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s"
    );
    assert_eq!(
        rows[6]["thumbprint"],
        json!(null),
        "of a secret there is no digest"
    );
    for ended in [ended, inspect(&house, &set, &[])] {
        for secret in ["c2VjcmV0LWV4cG9uZW50", "c2VjcmV0LWtleQ"] {
            assert!(!ended.said().contains(secret), "{ended:?}");
        }
    }
}

#[test]
fn thumbprints_are_those_of_rfc_7638() {
    let house = House::new();
    let set = json!({ "keys": [{
        "kty": "RSA", "alg": "RS256", "kid": "2011-04-29", "e": "AQAB",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    }]});
    let ended = inspect(&house, &set, &[]);
    assert_eq!(
        ended.out,
        "✓ used    2011-04-29\n    RSA 2048 bits, use -, alg RS256\n    \
         thumbprint NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs\n1 usable key\n"
    );
}

#[test]
fn a_published_private_key_is_called_out_loudly_with_its_public_twin() {
    let house = House::new();
    let mut private = house.key.jwk();
    private["d"] = "AQAB".into();
    private["kid"] = "private".into();
    let ended = inspect(&house, &json!({ "keys": [house.key.jwk(), private] }), &[]);
    assert_eq!(ended.code, 1, "no key is left: {ended:?}");
    assert_eq!(ended.out.matches("! ALARM").count(), 2, "{ended:?}");
    assert!(
        ended.out.contains("compromised") && ended.out.contains("no usable key"),
        "{ended:?}"
    );
}

#[test]
fn a_set_without_a_usable_key_exits_1_and_no_set_exits_2() {
    let house = House::new();
    assert_eq!(inspect(&house, &json!({ "keys": [] }), &[]).code, 1);
    assert_eq!(inspect(&house, &json!({ "keys": [{}] }), &[]).code, 1);
    for (set, words) in [
        (json!([]), "strict JSON"),
        (json!({ "keys": {} }), "strict JSON"),
        (json!({ "keys": vec![json!({}); 65] }), "more than 64"),
    ] {
        let ended = inspect(&house, &set, &[]);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""));
        assert!(ended.err.contains(words), "{ended:?}");
    }
    let missing = run(
        &mut program(&["jwks", "inspect", "/no/such/file", "--json"]),
        b"",
    );
    assert_eq!(missing.code, 2);
    assert_eq!(missing.json()["keys"], json!([]));
    assert!(missing.json()["error"].is_string());
}
