//! Tokens with two defects: the first in the order size, alphabet, segments, header, kid,
//! signature, claims is the one that is told, and only an authentic token hears about its claims.

use super::super::forge::{Forge, base64url, quoted};
use super::super::topic::Topic;

pub(super) fn fill(topic: &mut Topic<'_>) {
    text_first(topic);
    within_the_header(topic);
    key_and_signature(topic);
    within_the_claims(topic);
    every_stage(topic);
}

const SOURCE: &str = "design: order";
const CONFUSION: &str = "attack: error-order confusion";

fn text_first(topic: &mut Topic<'_>) {
    let [header, payload, signature] = topic.good().segments();
    let expired = topic.good().times(-600, -300).sign();
    for (verdict, name, token) in [
        (
            "token_too_large",
            "too large, then a stranger",
            "=".repeat(9000),
        ),
        (
            "token_too_large",
            "too large, then five segments",
            vec!["A".repeat(2000); 5].join("."),
        ),
        (
            "token_too_large",
            "too large, then alg none",
            topic
                .good()
                .header("alg", "\"none\"")
                .padded_to(8300)
                .sign(),
        ),
        (
            "token_too_large",
            "too large, then expired",
            topic.good().times(-600, -300).padded_to(8300).sign(),
        ),
        (
            "token_malformed",
            "a stranger, then five segments",
            "AAAA.AAAA.AAAA.AAAA.AA=A".to_owned(),
        ),
        (
            "token_malformed",
            "a stranger, then alg none",
            format!("{}.{payload}.{signature}=", base64url(r#"{"alg":"none"}"#)),
        ),
        (
            "token_malformed",
            "a stranger, then expired",
            format!("{expired}="),
        ),
        (
            "token_malformed",
            "a space behind, then expired",
            format!("{expired} "),
        ),
        (
            "token_malformed",
            "four segments, then expired",
            format!("{expired}.AAAA"),
        ),
        (
            "token_malformed",
            "unused bits in the signature, then alg none",
            format!("{}.{payload}.AB", base64url(r#"{"alg":"none"}"#)),
        ),
        (
            "token_malformed",
            "empty signature, then header no JSON",
            format!("{}.{payload}.", base64url("x")),
        ),
        (
            "token_malformed",
            "payload no base64url, then header no JSON",
            format!("{}.AAAAA.{signature}", base64url("x")),
        ),
        (
            "token_malformed",
            "signature no base64url, then kid unknown",
            format!(
                "{}.{payload}.AAAAA",
                topic.good().kid("unknown").segments()[0]
            ),
        ),
        (
            "token_encrypted",
            "five segments, then header no JSON",
            format!("AAAA.{header}.AAAA.AAAA.AAAA"),
        ),
        (
            "token_encrypted",
            "five segments, then alg none",
            format!("{}.AAAA.AAAA.AAAA.AAAA", base64url(r#"{"alg":"none"}"#)),
        ),
        (
            "json_invalid",
            "header no JSON, then claims no JSON",
            format!("{}.{}.{signature}", base64url("{"), base64url("{")),
        ),
    ] {
        topic.refuse(
            verdict,
            name,
            "the text form comes before what it says",
            SOURCE,
            token,
        );
    }
}

fn none(forge: Forge<'_>) -> Forge<'_> {
    forge.header("alg", "\"none\"")
}

fn wrong_type(forge: Forge<'_>) -> Forge<'_> {
    forge.header("typ", "\"JWT\"")
}

fn within_the_header(topic: &mut Topic<'_>) {
    let good = || topic.good();
    let rows = [
        (
            "json_invalid",
            "header not JSON at its end, alg none at its start",
            good().header("alg", "\"none\"").header_within("", "}"),
        ),
        (
            "json_duplicate_member",
            "header member twice, then alg none",
            none(good()).add_header("kid", "\"rsa-2048\""),
        ),
        (
            "json_too_deep",
            "header too deep, then alg none",
            none(good()).header("cty", format!("{}{}", "[".repeat(16), "]".repeat(16))),
        ),
        (
            "json_duplicate_member",
            "crit twice",
            good().header("crit", "[]").add_header("crit", "[]"),
        ),
        (
            "algorithm_not_allowed",
            "alg none, then typ JWT",
            wrong_type(none(good())),
        ),
        (
            "algorithm_not_allowed",
            "alg none, then crit",
            none(good()).header("crit", "[\"exp\"]"),
        ),
        (
            "algorithm_not_allowed",
            "crit first in the text, then alg none",
            none(
                Forge::new(&topic.keys.main)
                    .header("crit", "[\"exp\"]")
                    .reversed(),
            ),
        ),
        (
            "algorithm_not_allowed",
            "alg none, then kid missing",
            none(good()).no_header("kid"),
        ),
        (
            "algorithm_not_allowed",
            "alg none, then kid a number",
            none(good()).header("kid", "1"),
        ),
        (
            "algorithm_not_allowed",
            "alg absent, then typ absent and kid absent",
            good().raw_header("{\"cty\":1}"),
        ),
        (
            "type_not_allowed",
            "typ JWT, then jku",
            wrong_type(good()).header("jku", "\"https://attacker.example/\""),
        ),
        (
            "type_not_allowed",
            "typ JWT, then kid missing",
            wrong_type(good()).no_header("kid"),
        ),
        (
            "type_not_allowed",
            "typ absent, then crit",
            good().no_header("typ").header("crit", "[]"),
        ),
        (
            "type_not_allowed",
            "typ JWT, then kid with a line feed",
            wrong_type(good()).kid("a\nb"),
        ),
        (
            "header_not_allowed",
            "jku, then kid missing",
            good().header("jku", "\"x\"").no_header("kid"),
        ),
        (
            "header_not_allowed",
            "crit, then kid empty",
            good().header("crit", "[]").kid(""),
        ),
        (
            "header_not_allowed",
            "jwk, then kid unknown",
            good().header("jwk", "{}").kid("unknown"),
        ),
        (
            "header_not_allowed",
            "zip, then kid of 129 characters",
            good().header("zip", "\"DEF\"").kid(&"k".repeat(129)),
        ),
    ];
    let tokens: Vec<_> = rows
        .into_iter()
        .map(|(verdict, name, forge)| (verdict, name, forge.sign()))
        .collect();
    for (verdict, name, token) in tokens {
        topic.refuse(
            verdict,
            name,
            "JSON, then alg, typ, strangers, kid, wherever they stand",
            SOURCE,
            token,
        );
    }
}

fn key_and_signature(topic: &mut Topic<'_>) {
    let attacker = &topic.keys.attacker;
    let forged = || Forge::new(attacker).kid("rsa-2048");
    for (verdict, name, token) in [
        (
            "kid_missing",
            "kid missing, then a wrong signature",
            topic.good().no_header("kid").signed_by(attacker).sign(),
        ),
        (
            "kid_invalid",
            "kid with a line feed, then a wrong signature",
            topic.good().kid("a\n").signed_by(attacker).sign(),
        ),
        (
            "kid_unknown",
            "kid unknown, then a wrong signature",
            topic.good().kid("unknown-1").signed_by(attacker).sign(),
        ),
        (
            "kid_unknown",
            "kid unknown, then claims no JSON",
            topic.good().kid("unknown-2").raw_payload("{").sign(),
        ),
        (
            "kid_unknown",
            "kid unknown, then expired",
            topic.good().kid("unknown-3").times(-600, -300).sign(),
        ),
        (
            "kid_unknown",
            "kid unknown, then another audience",
            topic
                .good()
                .kid("unknown-4")
                .claim("aud", "\"other\"")
                .sign(),
        ),
        (
            "kid_unknown",
            "kid unknown, then another issuer",
            topic
                .good()
                .kid("unknown-5")
                .claim("iss", "\"other\"")
                .sign(),
        ),
        (
            "kid_unknown",
            "kid unknown, then aud missing",
            topic.good().kid("unknown-6").no_claim("aud").sign(),
        ),
        (
            "signature_invalid",
            "wrong signature, then claims no JSON",
            forged().raw_payload("{").sign(),
        ),
        (
            "signature_invalid",
            "wrong signature, then claims in bad UTF-8",
            forged().raw_payload(b"\xff".to_vec()).sign(),
        ),
        (
            "signature_invalid",
            "wrong signature, then a duplicate claim",
            forged().add_claim("exp", "1").sign(),
        ),
        (
            "signature_invalid",
            "wrong signature, then claims too deep",
            forged().claim("x", "[".repeat(20) + &"]".repeat(20)).sign(),
        ),
        (
            "signature_invalid",
            "wrong signature, then aud missing",
            forged().no_claim("aud").sign(),
        ),
        (
            "signature_invalid",
            "wrong signature, then exp a string",
            forged().claim("exp", "\"1\"").sign(),
        ),
        (
            "signature_invalid",
            "wrong signature, then another issuer",
            forged().claim("iss", "\"other\"").sign(),
        ),
        (
            "signature_invalid",
            "wrong signature, then another audience",
            forged().claim("aud", "\"other\"").sign(),
        ),
        (
            "signature_invalid",
            "wrong signature, then expired",
            forged().times(-600, -300).sign(),
        ),
        (
            "signature_invalid",
            "wrong signature, then not yet valid",
            forged().claim("nbf", "1800001000").sign(),
        ),
        (
            "signature_invalid",
            "wrong signature, then issued in the future",
            forged().times(3600, 7200).sign(),
        ),
        (
            "signature_invalid",
            "wrong signature, then a lifetime of a week",
            forged().times(0, 604_800).sign(),
        ),
        (
            "signature_invalid",
            "signature of one byte, then expired",
            topic.good().times(-600, -300).with_signature([0]),
        ),
    ] {
        topic.refuse(
            verdict,
            name,
            "what is not authentic hears nothing about its claims (RFC 8725 section 3.3)",
            CONFUSION,
            token,
        );
    }
}

fn within_the_claims(topic: &mut Topic<'_>) {
    for (verdict, name, forge) in [
        (
            "json_duplicate_member",
            "sub twice, then iss missing",
            topic.good().no_claim("iss").add_claim("sub", "1"),
        ),
        (
            "json_too_deep",
            "too deep, then expired",
            topic
                .good()
                .times(-600, -300)
                .claim("x", "[".repeat(16) + &"]".repeat(16)),
        ),
        (
            "json_invalid",
            "garbage behind, then expired",
            topic.good().times(-600, -300).payload_within("", "x"),
        ),
        (
            "claim_missing:iss",
            "iss missing, then sub missing",
            topic.good().no_claim("iss").no_claim("sub"),
        ),
        (
            "claim_invalid:iss",
            "iss a number, then sub missing",
            topic.good().claim("iss", "1").no_claim("sub"),
        ),
        (
            "claim_missing:sub",
            "sub missing, then aud missing",
            topic.good().no_claim("sub").no_claim("aud"),
        ),
        (
            "claim_invalid:sub",
            "sub empty, then aud missing",
            topic.good().claim("sub", "\"\"").no_claim("aud"),
        ),
        (
            "claim_missing:aud",
            "aud missing, then exp missing",
            topic.good().no_claim("aud").no_claim("exp"),
        ),
        (
            "claim_invalid:aud",
            "aud a number, then exp missing",
            topic.good().claim("aud", "1").no_claim("exp"),
        ),
        (
            "claim_missing:exp",
            "exp missing, then iat missing",
            topic.good().no_claim("exp").no_claim("iat"),
        ),
        (
            "claim_invalid:exp",
            "exp a string, then iat missing",
            topic.good().claim("exp", "\"1\"").no_claim("iat"),
        ),
        (
            "claim_missing:iat",
            "iat missing, then nbf a string",
            topic.good().no_claim("iat").claim("nbf", "\"1\""),
        ),
        (
            "claim_invalid:nbf",
            "nbf a string, then jti a number",
            topic.good().claim("jti", "1").claim("nbf", "\"1\""),
        ),
        (
            "claim_invalid:jti",
            "jti a number, then client_id a number",
            topic.good().claim("client_id", "1").claim("jti", "1"),
        ),
        (
            "claim_invalid:client_id",
            "client_id a number, then scope an array",
            topic.good().claim("scope", "[]").claim("client_id", "1"),
        ),
        (
            "claim_invalid:scope",
            "scope an array, then another issuer",
            topic.good().claim("iss", "\"other\"").claim("scope", "[]"),
        ),
        (
            "claim_missing:iat",
            "iat missing, then expired",
            topic.good().claim("exp", "1").no_claim("iat"),
        ),
        (
            "claim_invalid:scope",
            "scope an array, then expired",
            topic
                .good()
                .times(-600, -300)
                .claim("scope", "[\"media:read\"]"),
        ),
        (
            "issuer_mismatch",
            "another issuer, then another audience",
            topic
                .good()
                .claim("iss", "\"other\"")
                .claim("aud", "\"other\""),
        ),
        (
            "issuer_mismatch",
            "another issuer, then expired",
            topic.good().claim("iss", "\"other\"").times(-600, -300),
        ),
        (
            "audience_mismatch",
            "another audience, then expired",
            topic.good().claim("aud", "\"other\"").times(-600, -300),
        ),
        (
            "audience_mismatch",
            "another audience, then not yet valid",
            topic
                .good()
                .claim("aud", "\"other\"")
                .claim("nbf", "1800001000"),
        ),
        (
            "expired",
            "expired, then not yet valid",
            topic.good().times(-600, -300).claim("nbf", "1800001000"),
        ),
        (
            "expired",
            "expired, then issued in the future",
            topic.good().times(3600, -300),
        ),
        (
            "expired",
            "expired, then a lifetime of a week",
            topic.good().times(-604_900, -100),
        ),
        (
            "expired",
            "expired, then exp before iat",
            topic.good().times(-300, -600),
        ),
        (
            "not_yet_valid",
            "not yet valid, then issued in the future",
            topic.good().times(3600, 7200).claim("nbf", "1800003600"),
        ),
        (
            "not_yet_valid",
            "not yet valid, then a lifetime of a week",
            topic.good().times(0, 604_800).claim("nbf", "1800003600"),
        ),
        (
            "issued_in_future",
            "issued in the future, then exp before iat",
            topic.good().times(3600, 1800),
        ),
        (
            "issued_in_future",
            "issued in the future, then a lifetime of a week",
            topic.good().times(3600, 700_000),
        ),
    ] {
        topic.refuse(
            verdict,
            name,
            "claims are typed one after another, then ours, then of this hour",
            SOURCE,
            forge.sign(),
        );
    }
}

/// One token with everything wrong, mended from the front, step by step.
fn every_stage(topic: &mut Topic<'_>) {
    let attacker = &topic.keys.attacker;
    let worst = topic
        .good()
        .signed_by(attacker)
        .times(3600, 604_800)
        .claim("nbf", "1800003600")
        .claim("aud", "\"other\"")
        .claim("iss", "\"other\"");
    let bad_claims = worst.clone().claim("scope", "[]");
    let unsigned = bad_claims.clone().payload_within("", "x");
    let unknown = unsigned.clone().kid("unknown-7");
    let bad_kid = unsigned.clone().header("kid", "7");
    let stranger = bad_kid.clone().header("crit", "[]");
    let bad_type = stranger.clone().header("typ", quoted("JWT"));
    let bad_alg = bad_type.clone().header("alg", quoted("none"));
    let bad_json = bad_alg.clone().header_within("x", "");
    let authentic = |forge: &Forge<'_>| forge.clone().signed_by(&topic.keys.main).sign();
    let steps = [
        (
            "token_too_large",
            format!("{}=.{}", bad_json.sign(), "A".repeat(9000)),
        ),
        ("token_malformed", format!("{}=", bad_json.sign())),
        ("token_encrypted", format!("{}.AAAA.AAAA", bad_json.sign())),
        ("json_invalid", bad_json.sign()),
        ("algorithm_not_allowed", bad_alg.sign()),
        ("type_not_allowed", bad_type.sign()),
        ("header_not_allowed", stranger.sign()),
        ("kid_invalid", bad_kid.sign()),
        ("kid_unknown", unknown.sign()),
        ("signature_invalid", unsigned.sign()),
        ("json_invalid", authentic(&unsigned)),
        ("claim_invalid:scope", authentic(&bad_claims)),
        ("issuer_mismatch", authentic(&worst)),
        (
            "audience_mismatch",
            authentic(&worst.clone().claim("iss", "\"https://core.example\"")),
        ),
        (
            "not_yet_valid",
            authentic(&topic.good().times(3600, 604_800).claim("nbf", "1800003600")),
        ),
        (
            "issued_in_future",
            authentic(&topic.good().times(3600, 604_800)),
        ),
        (
            "lifetime_too_long",
            authentic(&topic.good().times(0, 604_800)),
        ),
        ("accepted", authentic(&topic.good().times(0, 3600))),
    ];
    for (at, (verdict, token)) in steps.into_iter().enumerate() {
        topic.row(
            verdict,
            &format!("everything wrong, {at:02} mended"),
            "one defect after another is taken away from the front",
            SOURCE,
            token.into(),
        );
    }
}
