//! Properly signed by keys that the issuer publishes and nobody may use: entries that are never
//! taken in, while the good ones beside them are.

use super::super::topic::Topic;

pub(super) fn fill(topic: &mut Topic<'_>) {
    const SIDE: &str = "attack: JWKS side";
    let keys = topic.keys;
    for (kid, key, why, source) in [
        (
            "rsa-1024",
            &keys.rsa_1024,
            "1024 bits are too few (RFC 7518 section 3.3)",
            "attack: JWKS side",
        ),
        (
            "rsa-2047",
            &keys.rsa_2047,
            "2047 bits are one too few",
            "RFC 7518 section 3.3",
        ),
        (
            "exponent-3-2048",
            &keys.exponent_3,
            "exponent 3, the friend of loose padding checks",
            "attack: RSA forgery at low exponent / loose PKCS#1 parsing",
        ),
        (
            "bad-exposed",
            &keys.exposed,
            "published with its private half",
            SIDE,
        ),
        (
            "bad-exposed-twin",
            &keys.exposed,
            "its private half stands in another entry",
            SIDE,
        ),
        (
            "bad-ambiguous",
            &keys.other,
            "two different keys have this id, this one first",
            SIDE,
        ),
        (
            "bad-ambiguous",
            &keys.main,
            "two different keys have this id, this one second",
            SIDE,
        ),
        (
            "bad-n-16384-bits",
            &keys.other,
            "16384 bits would make each verification a burden",
            "attack: huge RSA key",
        ),
        (
            "bad-e-1",
            &keys.other,
            "exponent 1: every padded digest is its own signature",
            "attack: RSA forgery at low exponent / loose PKCS#1 parsing",
        ),
        (
            "bad-e-even",
            &keys.other,
            "an even exponent is no RSA exponent",
            "attack: RSA forgery at low exponent / loose PKCS#1 parsing",
        ),
        (
            "bad-e-leading-zero",
            &keys.other,
            "65537 in another spelling (RFC 7518 section 6.3.1.2)",
            SIDE,
        ),
        ("bad-e-missing", &keys.other, "no exponent is guessed", SIDE),
        (
            "bad-n-empty",
            &keys.other,
            "no modulus at all",
            "attack: empty or missing key",
        ),
        (
            "bad-n-missing",
            &keys.other,
            "no modulus at all",
            "attack: empty or missing key",
        ),
        (
            "bad-n-even",
            &keys.other,
            "an even modulus is a product of no two odd primes",
            SIDE,
        ),
        (
            "bad-n-leading-zero",
            &keys.other,
            "the modulus in another spelling (RFC 7518 section 6.3.1.1)",
            SIDE,
        ),
        (
            "bad-n-padded",
            &keys.other,
            "base64url has no padding",
            SIDE,
        ),
        (
            "bad-alg-rs384",
            &keys.other,
            "the key is for another algorithm",
            "attack: allow list checked on one name, key uses another",
        ),
        (
            "bad-alg-rs512",
            &keys.other,
            "the key is for another algorithm",
            "attack: allow list checked on one name, key uses another",
        ),
        (
            "bad-alg-ps256",
            &keys.other,
            "the key is for another algorithm",
            "attack: allow list checked on one name, key uses another",
        ),
        (
            "bad-alg-hs256",
            &keys.other,
            "the key is for another algorithm",
            "attack: allow list checked on one name, key uses another",
        ),
        (
            "bad-alg-none",
            &keys.other,
            "the key is for no algorithm",
            SIDE,
        ),
        (
            "bad-alg-lower",
            &keys.other,
            "algorithms are compared case-sensitively",
            SIDE,
        ),
        (
            "bad-alg-number",
            &keys.other,
            "an algorithm is a string",
            SIDE,
        ),
        (
            "bad-use-enc",
            &keys.other,
            "the key is for encryption",
            SIDE,
        ),
        (
            "bad-use-upper",
            &keys.other,
            "uses are compared case-sensitively (RFC 7517 section 4.2)",
            SIDE,
        ),
        (
            "bad-ops-sign",
            &keys.other,
            "the key is not for verifying",
            SIDE,
        ),
        ("bad-ops-empty", &keys.other, "the key is for nothing", SIDE),
        (
            "bad-ops-twice",
            &keys.other,
            "RFC 7517 section 4.3: no operation twice",
            SIDE,
        ),
        (
            "bad-ops-string",
            &keys.other,
            "operations are an array",
            SIDE,
        ),
        (
            "bad-kty-lower",
            &keys.other,
            "key types are compared case-sensitively",
            SIDE,
        ),
        (
            "bad-kty-missing",
            &keys.other,
            "no key type is guessed",
            SIDE,
        ),
        (
            "bad-oct",
            &keys.other,
            "a symmetric key has no business here",
            SIDE,
        ),
        (
            "bad-ec",
            &keys.other,
            "an elliptic key verifies no RS256",
            SIDE,
        ),
    ] {
        let token = topic.good_of(key).kid(kid).sign();
        let signer = key.kid;
        topic.refuse(
            "kid_unknown",
            &format!("published as {kid}, signed by {signer}"),
            why,
            source,
            token,
        );
    }
    for (kid, key) in [
        ("7", &keys.other),
        ("other-2048", &keys.other),
        ("exposed-2048", &keys.exposed),
    ] {
        let token = topic.good_of(key).kid(kid).sign();
        topic.refuse(
            "kid_unknown",
            &format!("entry without a usable id, asked for as {kid}"),
            "an entry without an id of its own is not found under any",
            SIDE,
            token,
        );
    }
    // The good key of one id never vouches for another.
    for (kid, key) in [
        ("rsa-3072", &keys.main),
        ("rsa-2048", &keys.rsa_3072),
        ("rsa-2048", &keys.rsa_2056),
        ("rsa-2048", &keys.rsa_2049),
        ("rsa-8192", &keys.rsa_4096),
        ("good-no-alg", &keys.other),
        ("rsa-2048", &keys.exposed),
        ("rsa-2048", &keys.other),
    ] {
        let token = topic.good_of(key).kid(kid).sign();
        let signer = key.kid;
        topic.refuse(
            "signature_invalid",
            &format!("names {kid}, signed by {signer}"),
            "the key of the id, and no other key of the set",
            "RFC 8725 section 3.1",
            token,
        );
    }
}
