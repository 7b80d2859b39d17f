//! `alg`, `typ` and members that nobody asked for, under a true signature wherever there can be one.

use aws_lc_rs::hmac::{self, HMAC_SHA256, HMAC_SHA384, HMAC_SHA512};

use super::super::forge::{base64url, escaped, quoted};
use super::super::rsa::{SHA256, SHA384, SHA512};
use super::super::topic::Topic;

pub(super) fn fill(topic: &mut Topic<'_>) {
    none(topic);
    other_algorithms(topic);
    hmac_confusion(topic);
    types(topic);
    members(topic);
    crit(topic);
}

fn none(topic: &mut Topic<'_>) {
    const SOURCE: &str = "attack: alg none and spellings";
    for alg in [
        "none",
        "None",
        "NONE",
        "nOnE",
        "none ",
        " none",
        "n\u{f6}ne",
        "",
    ] {
        for (kind, signature) in [
            ("a true signature", None),
            ("one zero byte", Some(vec![0])),
            ("256 bytes of noise", Some(noise(256))),
        ] {
            let forge = topic.good().header("alg", quoted(alg));
            let token =
                signature.map_or_else(|| forge.sign(), |signature| forge.with_signature(signature));
            topic.refuse(
                "algorithm_not_allowed",
                &format!("alg {alg:?} with {kind}"),
                "RS256 and nothing else, whatever the signature",
                SOURCE,
                token,
            );
        }
        if alg.eq_ignore_ascii_case("none") {
            let token = topic
                .good()
                .header("alg", quoted(alg))
                .claim("sub", "\"admin\"")
                .with_signature_text("");
            topic.refuse(
                "token_malformed",
                &format!("alg {alg:?} without a signature"),
                "an empty segment is found first",
                SOURCE,
                token,
            );
        }
    }
    for (name, json) in [
        ("null", "null"),
        ("true", "true"),
        ("number", "256"),
        ("array", "[\"RS256\"]"),
        ("object", "{\"alg\":\"RS256\"}"),
        ("none escaped", "\"\\u006eone\""),
    ] {
        let token = topic.good().header("alg", json).sign();
        topic.refuse(
            "algorithm_not_allowed",
            &format!("alg {name}"),
            "one string and no other",
            SOURCE,
            token,
        );
    }
    let token = topic.good().no_header("alg").sign();
    topic.refuse(
        "algorithm_not_allowed",
        "alg absent",
        "a token says how it is signed",
        SOURCE,
        token,
    );
    let token = topic.good().raw_header("{}").sign();
    topic.refuse(
        "algorithm_not_allowed",
        "empty header",
        "alg is the first thing missing",
        SOURCE,
        token,
    );
}

fn other_algorithms(topic: &mut Topic<'_>) {
    const SOURCE: &str = "attack: allow list checked on one name, key uses another";
    let rsa = &topic.keys.main.rsa;
    for (alg, hash) in [("RS384", &SHA384), ("RS512", &SHA512)] {
        let forge = topic.good().header("alg", quoted(alg));
        let signature = rsa.pkcs1(hash, forge.signing_input().as_bytes());
        topic.refuse(
            "algorithm_not_allowed",
            &format!("{alg}, truly signed"),
            "a good signature of our key by an algorithm that it is not for",
            SOURCE,
            forge.with_signature(signature),
        );
    }
    for (alg, hash) in [("PS256", &SHA256), ("PS384", &SHA384), ("PS512", &SHA512)] {
        let forge = topic.good().header("alg", quoted(alg));
        let signature = rsa.pss(hash, forge.signing_input().as_bytes(), 0);
        topic.refuse(
            "algorithm_not_allowed",
            &format!("{alg}, truly signed"),
            "a good signature of our key by an algorithm that it is not for",
            SOURCE,
            forge.with_signature(signature),
        );
    }
    for alg in [
        "ES256",
        "ES384",
        "ES512",
        "ES256K",
        "EdDSA",
        "Ed25519",
        "ML-DSA-65",
        "HS1",
        "RS1",
        "RS256 ",
        " RS256",
        "RS256\u{0}",
        "Rs256",
        "rS256",
        "RS-256",
        "SHA256withRSA",
        "RS256,none",
        "\u{ff32}S256",
        "R\u{17f}256",
    ] {
        let token = topic.good().header("alg", quoted(alg)).sign();
        topic.refuse(
            "algorithm_not_allowed",
            &format!("alg {alg:?} over an RS256 signature"),
            "RS256 and nothing else, compared byte by byte",
            "RFC 8725 section 3.1",
            token,
        );
    }
    for alg in ["dir", "RSA-OAEP", "RSA1_5", "A256KW", "ECDH-ES"] {
        let token = topic
            .good()
            .header("alg", quoted(alg))
            .header("enc", "\"A256GCM\"")
            .sign();
        topic.refuse(
            "algorithm_not_allowed",
            &format!("encryption alg {alg} in a signed token"),
            "encryption is no signature",
            "attack: JWE/JWS confusion",
            token,
        );
    }
    for alg in [
        "PBES2-HS256+A128KW",
        "PBES2-HS384+A192KW",
        "PBES2-HS512+A256KW",
    ] {
        let token = topic
            .good()
            .header("alg", quoted(alg))
            .header("p2c", "2147483648")
            .header("p2s", "\"AAAA\"")
            .sign();
        topic.refuse(
            "algorithm_not_allowed",
            &format!("alg {alg}, 2^31 rounds"),
            "refused by its name, without one round",
            "attack: p2c \"billion hashes\"",
            token,
        );
    }
}

fn hmac_confusion(topic: &mut Topic<'_>) {
    const SOURCE: &str = "attack: RS→HS confusion";
    let main = &topic.keys.main;
    let algorithms = [
        ("HS256", HMAC_SHA256),
        ("HS384", HMAC_SHA384),
        ("HS512", HMAC_SHA512),
    ];
    let secrets: [(&str, Vec<u8>); 12] = [
        ("SPKI PEM", main.rsa.spki_pem().into()),
        (
            "SPKI PEM without its last line feed",
            main.rsa.spki_pem().trim_end().into(),
        ),
        (
            "SPKI PEM with CR LF",
            main.rsa.spki_pem().replace('\n', "\r\n").into(),
        ),
        (
            "SPKI PEM after a line feed",
            format!("\n{}", main.rsa.spki_pem()).into(),
        ),
        ("PKCS#1 PEM", main.rsa.pkcs1_pem().into()),
        ("SPKI DER", main.rsa.spki_der()),
        ("PKCS#1 DER", main.rsa.pkcs1_der()),
        ("raw n", main.rsa.n()),
        ("n as text", main.rsa.n_base64url().into()),
        ("JWK JSON", main.jwk().to_string().into()),
        ("JWKS JSON", topic.keys.jwks().into()),
        ("nothing", Vec::new()),
    ];
    for (name, secret) in &secrets {
        for (alg, algorithm) in algorithms {
            let token = topic
                .good()
                .header("alg", quoted(alg))
                .hmac(algorithm, secret);
            topic.refuse(
                "algorithm_not_allowed",
                &format!("{alg} keyed by {name}"),
                "what everybody knows is no secret",
                SOURCE,
                token,
            );
        }
        // With the right name in the header, the wrong length gives it away.
        let token = topic.good().hmac(HMAC_SHA256, secret);
        topic.refuse(
            "signature_invalid",
            &format!("RS256 by name, HMAC keyed by {name}"),
            "an HMAC is no RSA signature",
            SOURCE,
            token,
        );
    }
    let forge = topic.good().header("alg", "\"HS256\"");
    let key = hmac::Key::new(HMAC_SHA256, b"");
    let tag = hmac::sign(&key, forge.signing_input().as_bytes());
    let token = forge.kid("bad-oct-empty").with_signature(tag);
    topic.refuse(
        "algorithm_not_allowed",
        "HS256 keyed by the published empty oct key",
        "an empty key is no key",
        "attack: empty or missing key",
        token,
    );
    for kid in ["bad-oct", "bad-oct-empty", "bad-n-empty"] {
        let token = topic.good().kid(kid).hmac(HMAC_SHA256, b"");
        topic.refuse(
            "kid_unknown",
            &format!("empty HMAC under RS256 and {kid}"),
            "such an entry is never taken in, so there is no key of that id",
            "attack: empty or missing key",
            token,
        );
    }
}

fn types(topic: &mut Topic<'_>) {
    const SOURCE: &str = "attack: token kind confusion";
    for typ in [
        "JWT",
        "jwt",
        "application/jwt",
        "",
        "at",
        "jwt+at",
        "at+jwt+x",
        "x+at+jwt",
        "at+jwt ",
        " at+jwt",
        "at +jwt",
        "at+jwt\n",
        "at%2Bjwt",
        "at-jwt",
        "at+jw",
        "at+jwt;charset=utf-8",
        "application/",
        "application/at",
        "text/at+jwt",
        "application//at+jwt",
        "application/application/at+jwt",
        "application/ at+jwt",
        "/at+jwt",
        "id+jwt",
        "dpop+jwt",
        "refresh+jwt",
        "secevent+jwt",
        "JOSE",
        "JOSE+JSON",
        "token-introspection+jwt",
        "oauth-authz-req+jwt",
        "at+sd-jwt",
        "\u{e1}t+jwt",
        "at+jw\u{ff54}",
        "at+jwt\u{0}",
        "at\u{207a}jwt",
    ] {
        let token = topic.good().header("typ", quoted(typ)).sign();
        topic.refuse("type_not_allowed", &format!("typ {typ:?}"), "at+jwt, without case and perhaps with application/ before it; all else is another kind of token", SOURCE, token);
    }
    for (name, json) in [
        ("null", "null"),
        ("number", "1"),
        ("array", "[\"at+jwt\"]"),
        ("object", "{}"),
        ("false", "false"),
    ] {
        let token = topic.good().header("typ", json).sign();
        topic.refuse(
            "type_not_allowed",
            &format!("typ {name}"),
            "a type is a string",
            SOURCE,
            token,
        );
    }
    for typ in ["JWT", "at+jwt ", "at+jwt\u{0}", "application/jwt"] {
        let token = topic.good().header("typ", escaped(typ)).sign();
        topic.refuse(
            "type_not_allowed",
            &format!("typ {typ:?}, each character escaped"),
            "an escaped spelling means the same text",
            SOURCE,
            token,
        );
    }
    let token = topic.good().no_header("typ").sign();
    topic.refuse(
        "type_not_allowed",
        "typ absent",
        "RFC 9068 section 2.1 requires it",
        SOURCE,
        token,
    );
    let token = topic
        .good()
        .no_header("typ")
        .header("TYP", "\"at+jwt\"")
        .sign();
    topic.refuse(
        "type_not_allowed",
        "TYP for typ",
        "names are compared with their case, and typ is looked at before strangers",
        SOURCE,
        token,
    );
}

fn members(topic: &mut Topic<'_>) {
    let attacker = topic.keys.attacker.jwk().to_string();
    let nested = format!("\"{}\"", base64url(topic.good().sign()));
    for (name, member, json, source) in [
        (
            "jwk of the attacker",
            "jwk",
            attacker.as_str(),
            "attack: key in the header",
        ),
        ("jwk null", "jwk", "null", "attack: key in the header"),
        (
            "jku",
            "jku",
            "\"https://attacker.example/jwks.json\"",
            "attack: key in the header",
        ),
        (
            "jku of our issuer",
            "jku",
            "\"https://core.example/.well-known/jwks.json\"",
            "attack: key in the header",
        ),
        (
            "jku file",
            "jku",
            "\"file:///etc/passwd\"",
            "attack: URL scheme / SSRF",
        ),
        (
            "jku data",
            "jku",
            "\"data:application/json,{}\"",
            "attack: URL scheme / SSRF",
        ),
        (
            "jku ftp",
            "jku",
            "\"ftp://attacker.example/jwks.json\"",
            "attack: URL scheme / SSRF",
        ),
        (
            "jku http",
            "jku",
            "\"http://core.example/jwks.json\"",
            "attack: URL scheme / SSRF",
        ),
        (
            "jku link-local",
            "jku",
            "\"http://169.254.169.254/latest/meta-data/\"",
            "attack: URL scheme / SSRF",
        ),
        (
            "jku loopback",
            "jku",
            "\"http://127.0.0.1:4000/\"",
            "attack: URL scheme / SSRF",
        ),
        (
            "x5u",
            "x5u",
            "\"https://attacker.example/cert.pem\"",
            "attack: key in the header",
        ),
        (
            "x5u file",
            "x5u",
            "\"file:///etc/passwd\"",
            "attack: URL scheme / SSRF",
        ),
        (
            "x5c",
            "x5c",
            "[\"bm90IGEgY2VydGlmaWNhdGU=\"]",
            "attack: key in the header",
        ),
        ("x5c empty", "x5c", "[]", "attack: key in the header"),
        (
            "x5t",
            "x5t",
            "\"AAAAAAAAAAAAAAAAAAAAAAAAAAA\"",
            "attack: key in the header",
        ),
        (
            "x5t#S256",
            "x5t#S256",
            "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"",
            "attack: key in the header",
        ),
        ("enc", "enc", "\"A256GCM\"", "attack: JWE/JWS confusion"),
        (
            "epk",
            "epk",
            "{\"kty\":\"EC\"}",
            "attack: JWE/JWS confusion",
        ),
        (
            "a nested token",
            "jwt",
            nested.as_str(),
            "attack: JWE/JWS confusion",
        ),
        ("zip", "zip", "\"DEF\"", "attack: decompression bomb"),
        ("zip empty", "zip", "\"\"", "attack: decompression bomb"),
        ("zip null", "zip", "null", "attack: decompression bomb"),
        ("zip GZ", "zip", "\"GZ\"", "attack: decompression bomb"),
        ("p2c", "p2c", "2147483648", "attack: p2c \"billion hashes\""),
        ("p2s", "p2s", "\"AAAA\"", "attack: p2c \"billion hashes\""),
        ("b64 true", "b64", "true", "RFC 7797"),
        ("b64 false", "b64", "false", "RFC 7797"),
        ("b64 null", "b64", "null", "RFC 7797"),
        (
            "a claim in the header",
            "iss",
            "\"https://core.example\"",
            "design: header",
        ),
        ("exp in the header", "exp", "1800000300", "design: header"),
        ("an unknown member", "x", "1", "design: header"),
        ("an empty name", "", "1", "design: header"),
        ("ALG beside alg", "ALG", "\"none\"", "design: header"),
        (
            "kid with a space behind",
            "kid ",
            "\"rsa-2048\"",
            "design: header",
        ),
        (
            "crit by an escaped name",
            "\\u0063rit",
            "[\"exp\"]",
            "attack: crit ignored",
        ),
        (
            "jku by an escaped name",
            "jk\\u0075",
            "\"https://attacker.example/\"",
            "attack: key in the header",
        ),
        (
            "__proto__",
            "__proto__",
            "{\"alg\":\"none\"}",
            "design: header",
        ),
        ("nonce", "nonce", "\"n\"", "design: header"),
        (
            "a member of 4 kB",
            "x",
            &quoted(&"x".repeat(4000)),
            "attack: size and structure DoS",
        ),
    ] {
        let token = topic.good().header(member, json).sign();
        topic.refuse(
            "header_not_allowed",
            &format!("header member: {name}"),
            "alg, kid, typ and cty are all that a token needs: a stranger is not ignored",
            source,
            token,
        );
    }
    // Signed by the very key that it brings along.
    let forge = topic
        .good_of(&topic.keys.attacker)
        .kid("rsa-2048")
        .header("jwk", attacker);
    topic.refuse(
        "header_not_allowed",
        "jwk of the attacker, who signed",
        "no key is ever taken from a token",
        "attack: key in the header",
        forge.sign(),
    );
    for (member, value) in [
        ("jku", "https://attacker.example/jwks.json"),
        ("x5u", "https://attacker.example/cert.pem"),
    ] {
        let forge = topic
            .good_of(&topic.keys.attacker)
            .header(member, quoted(value));
        topic.refuse(
            "header_not_allowed",
            &format!("{member} of the attacker, who signed, under a kid of his own"),
            "nothing is fetched for a token",
            "attack: key in the header",
            forge.sign(),
        );
    }
    // Unencoded payload, as RFC 7797 would sign it.
    let forge = topic
        .good()
        .header("b64", "false")
        .header("crit", "[\"b64\"]");
    let input = [
        base64url(forge.header_bytes()).as_bytes(),
        b".",
        &forge.payload_bytes(),
    ]
    .concat();
    let signature = topic.keys.main.rs256(&input);
    topic.refuse(
        "header_not_allowed",
        "b64 false, signed over the bare payload",
        "what is signed would be another text",
        "RFC 7797; attack: crit ignored",
        forge.with_signature(signature),
    );
}

fn crit(topic: &mut Topic<'_>) {
    for (name, json) in [
        ("unknown", "[\"http://example.com/UNDEFINED\"]"),
        ("empty", "[]"),
        ("string", "\"exp\""),
        ("null", "null"),
        ("false", "false"),
        ("number", "0"),
        ("object", "{}"),
        ("duplicate entries", "[\"x\",\"x\"]"),
        ("registered name alg", "[\"alg\"]"),
        ("registered name kid", "[\"kid\"]"),
        ("listed but absent", "[\"exp\"]"),
        ("number inside", "[1]"),
        ("empty name inside", "[\"\"]"),
        ("b64 without b64", "[\"b64\"]"),
        ("itself", "[\"crit\"]"),
    ] {
        let token = topic.good().header("crit", json).sign();
        topic.refuse(
            "header_not_allowed",
            &format!("crit {name}"),
            "no extension is understood here, so none is critical and let through",
            "RFC 7515 section 4.1.11; attack: crit ignored",
            token,
        );
    }
    let token = topic
        .good()
        .header("crit", "[\"b64\"]")
        .header("b64", "true")
        .sign();
    topic.refuse(
        "header_not_allowed",
        "crit with b64 true",
        "what RFC 7797 allows, nobody needs here",
        "attack: crit ignored",
        token,
    );
    let token = topic
        .good()
        .header("crit", "[\"exp\"]")
        .header("exp", "1800000300")
        .sign();
    topic.refuse(
        "header_not_allowed",
        "crit with a claim's name, present",
        "a header member of a claim's name is a stranger too",
        "attack: crit ignored",
        token,
    );
}

/// Bytes without a pattern, the same each time.
pub(super) fn noise(length: usize) -> Vec<u8> {
    (0_u32..)
        .flat_map(|counter| SHA256.digest(&counter.to_be_bytes()))
        .take(length)
        .collect()
}
