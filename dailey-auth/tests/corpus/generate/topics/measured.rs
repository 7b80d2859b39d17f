//! The 59 tokens with which nine published verifiers were compared, by their numbers. None of the
//! nine gave the strict verdict on all of them.

use aws_lc_rs::hmac::HMAC_SHA256;

use super::super::forge::{Forge, quoted};
use super::super::topic::Topic;

pub(super) fn fill(topic: &mut Topic<'_>) {
    let mut rows = Rows { topic, number: 0 };
    plain(&mut rows);
    times(&mut rows);
    headers(&mut rows);
    spelling(&mut rows);
    json(&mut rows);
    sizes_and_keys(&mut rows);
}

/// Numbers the rows as they come.
struct Rows<'t, 'k> {
    topic: &'t mut Topic<'k>,
    number: usize,
}

impl<'k> Rows<'_, 'k> {
    /// A good token that differs from those of the other rows.
    fn good(&self) -> Forge<'k> {
        self.topic
            .good()
            .claim("sub", quoted(&format!("row-{:02}", self.number)))
    }

    fn row(&mut self, verdict: &str, what: &str, why: &str, token: impl Into<Vec<u8>>) {
        let name = format!("{:02} {what}", self.number);
        let source = format!("measured row {:02}", self.number);
        self.topic.row(verdict, &name, why, &source, token.into());
        self.number += 1;
    }

    /// A good token with one claim set to a JSON text.
    fn claim(&mut self, verdict: &str, what: &str, why: &str, claim: &str, json: &str) {
        let token = self.good().claim(claim, json).sign();
        self.row(verdict, what, why, token);
    }

    /// A good token with one header member set to a JSON text.
    fn header(&mut self, verdict: &str, what: &str, why: &str, member: &str, json: &str) {
        let token = self.good().header(member, json).sign();
        self.row(verdict, what, why, token);
    }
}

fn plain(rows: &mut Rows<'_, '_>) {
    let token = rows.good().sign();
    rows.row("accepted", "good", "nothing is wrong with it", token);
    let token = rows.good().no_claim("aud").sign();
    rows.row(
        "claim_missing:aud",
        "aud missing",
        "a token for nobody is not for us",
        token,
    );
    for (verdict, what, json, why) in [
        (
            "claim_invalid:aud",
            "aud number 123",
            "123",
            "an audience is a string",
        ),
        (
            "claim_invalid:aud",
            "aud object",
            "{\"a\":\"media-api\"}",
            "an audience is a string or an array of them",
        ),
        (
            "claim_invalid:aud",
            "aud null",
            "null",
            "null is not absence, and absence would be refused too",
        ),
        (
            "claim_invalid:aud",
            "aud empty array",
            "[]",
            "an array of audiences has 1 to 16",
        ),
        (
            "claim_invalid:aud",
            "aud array with non-string",
            "[\"media-api\",7]",
            "one wrong entry spoils the claim, even beside ours",
        ),
        (
            "audience_mismatch",
            "aud other",
            "\"another-api\"",
            "it is for another service",
        ),
        (
            "audience_mismatch",
            "aud case differs",
            "\"Media-API\"",
            "audiences are compared byte by byte",
        ),
    ] {
        rows.claim(verdict, what, why, "aud", json);
    }
    let token = rows.good().no_claim("iss").sign();
    rows.row(
        "claim_missing:iss",
        "iss missing",
        "nobody says who issued it",
        token,
    );
    for (verdict, what, json, why) in [
        (
            "claim_invalid:iss",
            "iss array containing ours",
            "[\"https://core.example\",\"https://attacker.example\"]",
            "an issuer is one string",
        ),
        (
            "issuer_mismatch",
            "iss trailing slash",
            "\"https://core.example/\"",
            "issuers are compared byte by byte",
        ),
        (
            "claim_invalid:iss",
            "iss number",
            "7",
            "an issuer is a string",
        ),
    ] {
        rows.claim(verdict, what, why, "iss", json);
    }
}

fn times(rows: &mut Rows<'_, '_>) {
    let token = rows.good().no_claim("exp").sign();
    rows.row(
        "claim_missing:exp",
        "exp missing",
        "it would never end",
        token,
    );
    for (verdict, what, json, why) in [
        (
            "claim_invalid:exp",
            "exp string",
            "\"1800000300\"",
            "a time is a number",
        ),
        (
            "accepted",
            "exp float .5 (legal)",
            "1800000300.5",
            "RFC 7519 section 2 lets a NumericDate have a fraction",
        ),
        (
            "claim_invalid:exp",
            "exp 1e400",
            "1e400",
            "more than an f64 holds: read as infinity, it would never end",
        ),
        (
            "claim_invalid:exp",
            "exp 1e300",
            "1e300",
            "above 2^53, and a panic in whoever makes a duration of it",
        ),
        (
            "claim_invalid:exp",
            "exp negative",
            "-1800000300",
            "times start at 0",
        ),
        (
            "claim_invalid:exp",
            "exp null",
            "null",
            "null is not absence",
        ),
        (
            "expired",
            "exp 30 s ago",
            "1799999970",
            "leeway 30 s: refused on or after exp + 30 s (RFC 7519 section 4.1.4)",
        ),
        (
            "expired",
            "exp 10 min ago",
            "1799999400",
            "long past any leeway",
        ),
    ] {
        // The last one still has to end after it was issued.
        let token = rows
            .good()
            .claim("iat", "1799999000")
            .claim("exp", json)
            .sign();
        rows.row(verdict, what, why, token);
    }
    let token = rows
        .good()
        .claim("exp", "1800007200")
        .claim("nbf", "1800003600")
        .sign();
    rows.row("not_yet_valid", "nbf +1 h", "it begins in an hour", token);
    let token = rows.good().times(3600, 7200).sign();
    rows.row(
        "issued_in_future",
        "iat +1 h",
        "nobody has issued it yet",
        token,
    );
    rows.claim(
        "claim_invalid:nbf",
        "nbf string",
        "an optional claim of the wrong type is refused, not ignored",
        "nbf",
        "\"1799999700\"",
    );
}

fn headers(rows: &mut Rows<'_, '_>) {
    for (what, alg) in [
        ("alg none, empty sig", "none"),
        ("alg nOnE, empty sig", "nOnE"),
    ] {
        let token = rows
            .good()
            .header("alg", quoted(alg))
            .with_signature_text("");
        rows.row(
            "token_malformed",
            what,
            "the third segment is empty: found before the header is read",
            token,
        );
    }
    let pem = rows.topic.keys.main.rsa.spki_pem();
    let token = rows
        .good()
        .header("alg", "\"HS256\"")
        .hmac(HMAC_SHA256, pem.as_bytes());
    rows.row(
        "algorithm_not_allowed",
        "HS256 keyed by public PEM",
        "the public key is nobody's secret",
        token,
    );
    rows.header(
        "algorithm_not_allowed",
        "alg rs256 (lower case)",
        "algorithms are compared case-sensitively (RFC 7515 section 4.1.1)",
        "alg",
        "\"rs256\"",
    );
    let token = rows
        .good()
        .header("crit", "[\"exp2\"]")
        .header("exp2", "1")
        .sign();
    rows.row(
        "header_not_allowed",
        "crit unknown ext",
        "an extension that is not understood (RFC 7515 section 4.1.11)",
        token,
    );
    for (what, member, json, why) in [
        (
            "crit empty array",
            "crit",
            "[]",
            "crit must not be empty, and is not allowed at all",
        ),
        (
            "crit string",
            "crit",
            "\"exp\"",
            "crit is an array, and is not allowed at all",
        ),
        (
            "b64:false without crit",
            "b64",
            "false",
            "RFC 7797: what is signed would be another text",
        ),
        (
            "zip header",
            "zip",
            "\"DEF\"",
            "RFC 8725 section 3.6: no compression",
        ),
    ] {
        rows.header("header_not_allowed", what, why, member, json);
    }
    let jwk = rows.topic.keys.attacker.jwk().to_string();
    let token = rows
        .good()
        .header("jku", "\"https://attacker.example/jwks.json\"")
        .header("x5u", "\"https://attacker.example/cert.pem\"")
        .header("jwk", jwk)
        .sign();
    rows.row(
        "header_not_allowed",
        "jku/x5u/jwk present",
        "no key is taken from a token, and nothing is fetched for one",
        token,
    );
    let token = rows.good().sign();
    rows.row(
        "accepted",
        "typ at+jwt when JWT expected(no opt)",
        "at+jwt is the type that this policy expects",
        token,
    );
    rows.header(
        "type_not_allowed",
        "typ logout+jwt",
        "a logout token is no access token (RFC 8725 section 2.8)",
        "typ",
        "\"logout+jwt\"",
    );
    let token = rows.good().no_header("kid").sign();
    rows.row(
        "kid_missing",
        "kid missing",
        "a token says which key signed it; nothing is tried out",
        token,
    );
    rows.header(
        "kid_invalid",
        "kid number",
        "a key id is a string",
        "kid",
        "2048",
    );
    rows.header(
        "kid_invalid",
        "kid empty string",
        "a key id has 1 to 128 characters",
        "kid",
        "\"\"",
    );
    rows.header(
        "kid_unknown",
        "kid unknown",
        "the issuer publishes no such key",
        "kid",
        "\"rsa-2048-unknown\"",
    );
}

fn spelling(rows: &mut Rows<'_, '_>) {
    let token = format!("{}==", rows.good().sign());
    rows.row(
        "token_malformed",
        "signature padded ==",
        "RFC 7515 section 2: no padding",
        token,
    );
    // 256 bytes leave four unused bits in the last character.
    let mut token = rows.good().sign().into_bytes();
    let last = token.last_mut().expect("a token");
    *last = next_in_alphabet(*last);
    rows.row(
        "token_malformed",
        "signature trailing bits flipped",
        "RFC 4648 section 3.5: unused bits are zero, one text form per token",
        token,
    );
    let token = format!("{}\n", rows.good().sign());
    rows.row(
        "token_malformed",
        "newline after token",
        "a newline is not of the alphabet",
        token,
    );
    let [header, payload, signature] = rows.good().segments();
    let (start, end) = payload.split_at(8);
    let token = format!("{header}.{start} {end}.{signature}");
    rows.row(
        "token_malformed",
        "space in payload segment",
        "a space is not of the alphabet",
        token,
    );
    let token = format!("{}.AAAA", rows.good().sign());
    rows.row(
        "token_malformed",
        "four segments",
        "a signed token has three",
        token,
    );
}

/// The character of the base64url alphabet after this one, for characters with an even value.
fn next_in_alphabet(character: u8) -> u8 {
    match character {
        b'-' => b'_',
        b'Z' | b'z' | b'9' | b'_' => unreachable!("their values are odd or the last"),
        other => other + 1,
    }
}

fn json(rows: &mut Rows<'_, '_>) {
    let token = rows.good().add_header("alg", "\"RS256\"").sign();
    rows.row(
        "json_duplicate_member",
        "dup member alg in header",
        "which one counts differs from reader to reader",
        token,
    );
    let token = rows.good().add_claim("aud", "\"another-api\"").sign();
    rows.row(
        "json_duplicate_member",
        "dup member aud in payload",
        "RFC 7519 section 4: names are unique",
        token,
    );
    let token = rows
        .good()
        .claim("exp", "1799990000")
        .add_claim("exp", "1800000300")
        .sign();
    rows.row(
        "json_duplicate_member",
        "dup member exp (old first)",
        "expired for one reader, good for another",
        token,
    );
    let good = rows.good().payload_bytes();
    let token = rows
        .good()
        .raw_payload([b"[", &good[..], b"]"].concat())
        .sign();
    rows.row(
        "json_invalid",
        "payload is array",
        "claims are an object (RFC 7519 section 7.2)",
        token,
    );
    let token = rows
        .good()
        .raw_payload([&good[..good.len() - 1], b",\"x\":\"\xff\"}"].concat())
        .sign();
    rows.row(
        "json_invalid",
        "invalid UTF-8 in payload",
        "RFC 8725 section 3.7: UTF-8 and nothing else",
        token,
    );
    let token = rows.good().payload_within("\u{feff}", "").sign();
    rows.row(
        "json_invalid",
        "BOM before payload",
        "RFC 8259 section 8.1: no byte order mark",
        token,
    );
}

fn sizes_and_keys(rows: &mut Rows<'_, '_>) {
    let token = rows.good().padded_to(2 * 1024 * 1024).sign();
    rows.row(
        "token_too_large",
        "2 MB token (valid sig)",
        "8192 bytes at most, whoever signed it",
        token,
    );
    let nested = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let token = rows.good().header("x", nested).sign();
    rows.row(
        "token_too_large",
        "header nested 5000 deep",
        "so deep a header does not fit into 8192 bytes, which are counted first",
        token,
    );
    let [header, payload, signature] = rows.good().segments();
    let standard = signature.replace('-', "+").replace('_', "/");
    assert_ne!(standard, signature, "take another subject");
    let token = format!("{header}.{payload}.{standard}");
    rows.row(
        "token_malformed",
        "sig std base64 alphabet",
        "RFC 4648 section 5: base64url is another alphabet",
        token,
    );
    let weak = Forge::new(&rows.topic.keys.rsa_1024).claim("sub", "\"row-55\"");
    rows.row(
        "kid_unknown",
        "signed by 1024-bit RSA (kid w)",
        "published and properly signed, but a key under 2048 bits is never taken in",
        weak.sign(),
    );
    let token = rows.good().signed_by(&rows.topic.keys.attacker).sign();
    rows.row(
        "signature_invalid",
        "wrong signature",
        "signed by another key than the one it names",
        token,
    );
    let forge = rows.good().header("alg", "\"PS256\"");
    let signature = rows.topic.keys.main.rsa.pss(
        &super::super::rsa::SHA256,
        forge.signing_input().as_bytes(),
        0x5a,
    );
    rows.row(
        "algorithm_not_allowed",
        "PS256 header, key alg RS256",
        "a true PS256 signature of our own key, but the key is for RS256",
        forge.with_signature(signature),
    );
    let token = rows.good().payload_within("", "{\"admin\":true}").sign();
    rows.row(
        "json_invalid",
        "trailing garbage after payload JSON",
        "nothing stands after the object",
        token,
    );
}
