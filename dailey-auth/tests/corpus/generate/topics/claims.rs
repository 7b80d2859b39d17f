//! Issuer, subject, audience and the texts, under a good signature.

use super::super::forge::{APP, escaped, quoted};
use super::super::topic::Topic;

pub(super) fn fill(topic: &mut Topic<'_>) {
    types(topic);
    missing(topic);
    subjects(topic);
    issuers(topic);
    audiences(topic);
}

fn types(topic: &mut Topic<'_>) {
    for claim in ["iss", "sub", "jti", "client_id", "scope"] {
        for (name, json) in [
            ("null", "null"),
            ("true", "true"),
            ("number", "1"),
            ("empty array", "[]"),
            ("array of strings", "[\"https://core.example\",\"user-1\"]"),
            ("object", "{\"value\":\"user-1\"}"),
            ("empty object", "{}"),
            ("number 1e400", "1e400"),
        ] {
            let token = topic.good().claim(claim, json).sign();
            topic.refuse(
                &format!("claim_invalid:{claim}"),
                &format!("{claim}: {name}"),
                "a string, and a claim of the wrong type is never taken for an absent one",
                "attack: typed claims ignored when malformed",
                token,
            );
        }
    }
}

fn missing(topic: &mut Topic<'_>) {
    for (claim, stand_in) in [
        ("iss", "Iss"),
        ("sub", "SUB"),
        ("aud", "audience"),
        ("exp", "exp "),
        ("iat", "issued_at"),
    ] {
        let verdict = format!("claim_missing:{claim}");
        let token = topic.good().no_claim(claim).sign();
        topic.refuse(
            &verdict,
            &format!("{claim} absent"),
            "a token that lacks it is not ours",
            "RFC 9068 section 2.2",
            token,
        );
        let token = topic.good().rename_claim(claim, stand_in).sign();
        topic.refuse(
            &verdict,
            &format!("{stand_in:?} for {claim}"),
            "names are compared exactly",
            "RFC 7519 section 4",
            token,
        );
        let json = format!("{{\"{claim}\":1}}");
        let token = topic.good().no_claim(claim).claim("claims", json).sign();
        topic.refuse(
            &verdict,
            &format!("{claim} only in an inner object"),
            "only the outer object's members are claims",
            "RFC 7519 section 4",
            token,
        );
    }
    let token = topic.good().raw_payload("{}").sign();
    topic.refuse(
        "claim_missing:iss",
        "no claims at all",
        "iss is the first that is missing",
        "design: claims",
        token,
    );
}

fn subjects(topic: &mut Topic<'_>) {
    for (name, json) in [
        ("empty", "\"\"".to_owned()),
        ("256 bytes", quoted(&"u".repeat(256))),
        ("256 bytes in 128 characters", quoted(&"é".repeat(128))),
        ("256 bytes, each escaped", escaped(&"u".repeat(256))),
        (
            "256 bytes in 64 surrogate pairs",
            escaped(&"\u{1f511}".repeat(64)),
        ),
        ("5000 bytes", quoted(&"u".repeat(5000))),
    ] {
        let token = topic.good().claim("sub", json).sign();
        topic.refuse(
            "claim_invalid:sub",
            &format!("sub: {name}"),
            "1 to 255 bytes, counted after unescaping",
            "design: claims",
            token,
        );
    }
}

fn issuers(topic: &mut Topic<'_>) {
    for issuer in [
        "",
        "https://core.exampl",
        "https://core.example.attacker.example",
        "ttps://core.example",
        "http://core.example",
        "HTTPS://core.example",
        "https://CORE.example",
        "https://core.example:443",
        "https://core.example/.",
        "https://core.example?",
        "https://core.example#",
        "https://attacker.example/https://core.example",
        "https://core.example@attacker.example",
        "https://user@core.example",
        "https://core.example\n",
        " https://core.example",
        "https://core.example ",
        "https://core.example\0",
        "https://core%2Eexample",
        "https://c\u{43e}re.example",
        "https://core\u{3002}example",
        "https://\u{ff43}ore.example",
        "https://core.example\u{200b}",
        "\u{feff}https://core.example",
        "core.example",
        "//core.example",
        "https:core.example",
        "https:\\\\core.example",
        "https://core.example, https://attacker.example",
        ".*",
        "https://.*",
    ] {
        let token = topic.good().claim("iss", quoted(issuer)).sign();
        topic.refuse(
            "issuer_mismatch",
            &format!("iss {issuer:?}"),
            "one issuer, byte by byte",
            "attack: issuer by-pass",
            token,
        );
    }
    let token = topic
        .good()
        .claim("iss", r#""https:\/\/core.example\/""#)
        .sign();
    topic.refuse(
        "issuer_mismatch",
        "iss with escaped slashes and one too many",
        "compared after unescaping",
        "attack: issuer by-pass",
        token,
    );
    let token = topic
        .good()
        .claim("iss", quoted(&"https://core.example".repeat(250)))
        .sign();
    topic.refuse(
        "issuer_mismatch",
        "iss of 5000 bytes",
        "ours at its start, and at its end",
        "attack: issuer by-pass",
        token,
    );
}

fn audiences(topic: &mut Topic<'_>) {
    const SOURCE: &str = "attack: audience by-pass";
    for (claim, text, verdict) in [
        ("iss", "https://core.example/", "issuer_mismatch"),
        ("iss", "https://core.exampl\u{450}", "issuer_mismatch"),
        ("aud", "media-api2", "audience_mismatch"),
        ("aud", "media-ap\u{456}", "audience_mismatch"),
    ] {
        let token = topic.good().claim(claim, escaped(text)).sign();
        topic.refuse(
            verdict,
            &format!("{claim} {text:?}, each character escaped"),
            "compared after unescaping",
            "attack: issuer by-pass; attack: audience by-pass",
            token,
        );
    }
    let upper = APP.to_uppercase();
    for audience in [
        "",
        " ",
        "media-api ",
        " media-api",
        "media-ap",
        "edia-api",
        "media-api2",
        "media-api/",
        "MEDIA-API",
        "media-api\n",
        "media-api\0",
        "media\u{2011}api",
        "media-\u{430}pi",
        "media-api media-api",
        "media-api,other",
        "[\"media-api\"]",
        "https://media-api",
        "*",
        "m*",
        ".*",
        "media-api\u{200b}",
        upper.as_str(),
        "{6f9619ff-8b86-4d01-b42d-00cf4fc964ff}",
        "6f9619ff8b864d01b42d00cf4fc964ff",
        "urn:uuid:6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
        "https://core.example",
    ] {
        let token = topic.good().claim("aud", quoted(audience)).sign();
        topic.refuse(
            "audience_mismatch",
            &format!("aud {audience:?}"),
            "a configured audience, byte by byte",
            SOURCE,
            token,
        );
    }
    for (name, json) in [
        ("of one stranger", "[\"other\"]".to_owned()),
        ("of the empty text", "[\"\"]".to_owned()),
        (
            "of 16 strangers",
            format!("[{}\"o\"]", "\"other\",".repeat(15)),
        ),
        (
            "of near misses",
            "[\"media-api \",\"Media-api\",\"media-apis\"]".to_owned(),
        ),
        ("of ours in two halves", "[\"media\",\"-api\"]".to_owned()),
    ] {
        let token = topic.good().claim("aud", json).sign();
        topic.refuse(
            "audience_mismatch",
            &format!("aud array {name}"),
            "none of them is ours",
            SOURCE,
            token,
        );
    }
    for (name, json) in [
        ("true", "true".to_owned()),
        ("false", "false".to_owned()),
        ("zero", "0".to_owned()),
        ("1e400", "1e400".to_owned()),
        ("empty object", "{}".to_owned()),
        (
            "object with ours for a name",
            "{\"media-api\":true}".to_owned(),
        ),
        ("array of arrays", "[[\"media-api\"]]".to_owned()),
        ("array with an empty array", "[\"media-api\",[]]".to_owned()),
        ("array of null", "[null]".to_owned()),
        (
            "array with null behind ours",
            "[\"media-api\",null]".to_owned(),
        ),
        (
            "array with null before ours",
            "[null,\"media-api\"]".to_owned(),
        ),
        ("array with true", "[true,\"media-api\"]".to_owned()),
        ("array with an object", "[{},\"media-api\"]".to_owned()),
        ("array of numbers", "[1]".to_owned()),
        (
            "array of 17, ours first",
            format!("[\"media-api\"{}]", ",\"other\"".repeat(16)),
        ),
        (
            "array of 17, ours last",
            format!("[{}\"media-api\"]", "\"other\",".repeat(16)),
        ),
        (
            "array of 17 times ours",
            format!("[{}\"media-api\"]", "\"media-api\",".repeat(16)),
        ),
        (
            "array of a thousand",
            format!("[\"media-api\"{}]", ",\"o\"".repeat(999)),
        ),
    ] {
        let token = topic.good().claim("aud", json).sign();
        topic.refuse(
            "claim_invalid:aud",
            &format!("aud: {name}"),
            "a string, or an array of 1 to 16 strings and of nothing else",
            SOURCE,
            token,
        );
    }
}
