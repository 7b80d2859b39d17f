//! Tokens that must be let in: unusual, and right.

use super::super::forge::{APP, Forge, ISSUER, NOW, escaped, quoted, seconds};
use super::super::keys::{LONGEST_KID, PRINTABLE_KID, STRANGE_KIDS};
use super::super::topic::Topic;

pub(super) fn fill(topic: &mut Topic<'_>) {
    keys(topic);
    kids(topic);
    headers(topic);
    spelling(topic);
    audiences(topic);
    texts(topic);
    other_claims(topic);
    bounds(topic);
}

fn keys(topic: &mut Topic<'_>) {
    let keys = topic.keys;
    for (name, key) in [
        ("RSA 2048", &keys.main),
        (
            "RSA 2049, whose signature has a byte of one bit",
            &keys.rsa_2049,
        ),
        ("RSA 2056", &keys.rsa_2056),
        ("RSA 3072", &keys.rsa_3072),
        ("RSA 4096", &keys.rsa_4096),
        ("RSA 8192", &keys.rsa_8192),
    ] {
        let token = topic.good_of(key).sign();
        topic.accept(
            name,
            "2048 to 8192 bits are good keys",
            "design: keys",
            token,
        );
    }
    for (kid, why) in [
        (
            "good-no-alg",
            "alg of a JWK may be absent (RFC 7517 section 4.4)",
        ),
        (
            "good-no-use",
            "use of a JWK may be absent (RFC 7517 section 4.2)",
        ),
        ("good-verify", "key_ops allows verifying"),
        ("good-sign-verify", "key_ops allows verifying among others"),
        (
            "good-more-members",
            "a certificate in a JWK is nothing that we need, and no harm",
        ),
        ("good-twice", "the same key twice is one key"),
    ] {
        let token = topic.good().kid(kid).sign();
        topic.accept(
            &format!("published as {kid}"),
            why,
            "RFC 7517; attack: JWKS side",
            token,
        );
    }
}

fn kids(topic: &mut Topic<'_>) {
    let token = topic.good().kid(LONGEST_KID).sign();
    topic.accept(
        "kid of 128 characters",
        "the most that is allowed",
        "design: header",
        token,
    );
    let token = topic.good().header("kid", escaped(LONGEST_KID)).sign();
    topic.accept(
        "kid of 128 characters, each escaped",
        "768 bytes of text that mean 128 characters",
        "RFC 8259 section 7",
        token,
    );
    let token = topic.good().kid(PRINTABLE_KID).sign();
    topic.accept(
        "kid of every printable character",
        "space to tilde, quotes and backslash escaped",
        "design: header",
        token,
    );
    let token = topic.good().header("kid", escaped(PRINTABLE_KID)).sign();
    topic.accept(
        "kid of every printable character, each escaped",
        "the same id in another spelling",
        "RFC 8259 section 7",
        token,
    );
    let token = topic.good().header("kid", escaped("rsa-2048")).sign();
    topic.accept(
        "kid all escaped",
        "the same id in another spelling",
        "RFC 8259 section 7",
        token,
    );
    let token = topic.good().header("kid", r#""rsa\u002D2048""#).sign();
    topic.accept(
        "kid with one upper-case escape",
        "hexadecimal digits of either case",
        "RFC 8259 section 7",
        token,
    );
    for kid in STRANGE_KIDS {
        let token = topic.good().kid(kid).sign();
        topic.accept(
            &format!("strange kid that the issuer publishes: {kid:?}"),
            "an id is compared and never used for anything, so any text will do",
            "attack: kid injection",
            token,
        );
    }
}

fn headers(topic: &mut Topic<'_>) {
    for typ in [
        "AT+JWT",
        "At+Jwt",
        "application/at+jwt",
        "APPLICATION/AT+JWT",
        "Application/aT+jwT",
    ] {
        let token = topic.good().header("typ", quoted(typ)).sign();
        topic.accept(
            &format!("typ {typ}"),
            "media types are compared without case, application/ is implied",
            "RFC 7515 section 4.1.9; attack: token kind confusion",
            token,
        );
    }
    for (name, json) in [
        ("typ all escaped", escaped("at+jwt")),
        (
            "typ in upper case, all escaped",
            escaped("APPLICATION/AT+JWT"),
        ),
        (
            "typ with an escaped slash",
            r#""application\/at+jwt""#.to_owned(),
        ),
    ] {
        let token = topic.good().header("typ", json).sign();
        topic.accept(
            name,
            "an escaped spelling means the same text",
            "RFC 8259 section 7",
            token,
        );
    }
    let token = topic.good().header("alg", escaped("RS256")).sign();
    topic.accept(
        "alg all escaped",
        "an escaped spelling means the same text",
        "RFC 8259 section 7",
        token,
    );
    let token = topic
        .good()
        .raw_header(r#"{"\u0061lg":"RS256","\u0074\u0079\u0070":"at+jwt","k\u0069d":"rsa-2048"}"#)
        .sign();
    topic.accept(
        "header with escaped names",
        "an escaped name means the same name",
        "RFC 8259 section 7",
        token,
    );
    for (name, json) in [
        ("cty JWT", "\"JWT\""),
        ("cty json", "\"json\""),
        ("cty empty", "\"\""),
        ("cty number", "7"),
        ("cty null", "null"),
        ("cty object", "{\"a\":[1,{\"b\":null}]}"),
    ] {
        let token = topic.good().header("cty", json).sign();
        topic.accept(
            name,
            "cty is ignored, whatever it says: claims are read as claims",
            "design: header; attack: JWE/JWS confusion",
            token,
        );
    }
    let token = topic.good().reversed().sign();
    topic.accept(
        "members in reverse",
        "the order of members means nothing",
        "RFC 8259 section 4",
        token,
    );
    let token = topic
        .good()
        .raw_header(r#"{"kid":"rsa-2048","alg":"RS256","typ":"at+jwt"}"#)
        .sign();
    topic.accept(
        "header begins with kid",
        "the order of members means nothing",
        "RFC 8259 section 4",
        token,
    );
}

fn spelling(topic: &mut Topic<'_>) {
    let spaced =
        "\r\n\t { \"alg\" :\t\"RS256\" ,\n \"typ\":\r\"at+jwt\"\t,\"kid\" : \"rsa-2048\" } \n";
    let token = topic.good().raw_header(spaced).sign();
    topic.accept(
        "white space in and around the header",
        "the four characters of RFC 8259 section 2",
        "RFC 8259 section 2",
        token,
    );
    let payload = String::from_utf8(topic.good().payload_bytes()).expect("it is JSON");
    let spaced = format!(
        "\t\r\n {} \n\r\t",
        payload.replace(',', " ,\n").replace("\":", "\"\t:\r\n ")
    );
    let token = topic.good().raw_payload(spaced).sign();
    topic.accept(
        "white space in and around the claims",
        "the four characters of RFC 8259 section 2",
        "RFC 8259 section 2",
        token,
    );
    let token = topic
        .good()
        .payload_within(" ".repeat(3000), " ".repeat(1500))
        .sign();
    topic.accept(
        "thousands of spaces around the claims",
        "white space has no bound of its own",
        "RFC 8259 section 2",
        token,
    );
    let token = topic.good().header_within(" ".repeat(2000), "").sign();
    topic.accept(
        "thousands of spaces before the header",
        "a header longer than any that fits a small buffer",
        "RFC 8259 section 2",
        token,
    );
    for length in 0..3 {
        let token = topic
            .good()
            .claim("pad", quoted(&"x".repeat(length)))
            .sign();
        topic.accept(
            &format!("payload of {length} bytes more"),
            "every length modulo three",
            "RFC 4648 section 5",
            token,
        );
    }
    let mut forge = topic.good();
    for claim in ["iss", "sub", "aud", "iat", "exp"] {
        let name = escaped(claim);
        forge = forge.rename_claim(claim, name.trim_matches('"'));
    }
    topic.accept(
        "claims with all names escaped",
        "an escaped name means the same name",
        "RFC 8259 section 7; attack: duplicate members",
        forge.sign(),
    );
    let token = topic
        .good()
        .claim("iss", escaped(ISSUER))
        .claim("aud", escaped(APP))
        .claim("sub", escaped("user-1"))
        .sign();
    topic.accept(
        "claims with all texts escaped",
        "an escaped text means the same text",
        "RFC 8259 section 7",
        token,
    );
    let token = topic
        .good()
        .claim("iss", r#""https:\/\/core.example""#)
        .sign();
    topic.accept(
        "iss with escaped slashes",
        "\\/ is a slash",
        "RFC 8259 section 7",
        token,
    );
    let token = topic.good().claim("sub", quoted("row-43")).sign();
    topic.accept(
        "row 43 without its newline",
        "what a sender of the 59 meant, and what HTTP makes of row 43",
        "RFC 9112 section 2.2",
        token,
    );
    let token = topic.good().reversed().payload_within(" ", "").sign();
    topic.accept(
        "members in reverse after a space",
        "order and white space mean nothing",
        "RFC 8259",
        token,
    );
}

fn audiences(topic: &mut Topic<'_>) {
    let others = |count: usize| {
        (0..count)
            .map(|at| format!("\"other-{at}\""))
            .collect::<Vec<_>>()
    };
    let list = |entries: &[String]| format!("[{}]", entries.join(","));
    let ours = quoted(APP);
    for (name, json) in [
        ("aud in an array alone", list(std::slice::from_ref(&ours))),
        (
            "aud the second audience of the service",
            "\"media-api\"".to_owned(),
        ),
        ("aud both of ours", format!("[{ours},\"media-api\"]")),
        (
            "aud ours first of 16",
            list(&[std::slice::from_ref(&ours), &others(15)[..]].concat()),
        ),
        (
            "aud ours last of 16",
            list(&[&others(15)[..], std::slice::from_ref(&ours)].concat()),
        ),
        ("aud 16 times ours", list(&vec![ours.clone(); 16])),
        ("aud ours beside the empty text", format!("[\"\",{ours}]")),
        (
            "aud ours escaped in an array",
            format!("[\"other\", {} ]", escaped(APP)),
        ),
        (
            "aud ours after a text of brackets",
            format!("[\"],[\\\"\",{ours}]"),
        ),
        (
            "aud array with white space",
            format!(" [ \n{ours}\t,\r\"other\" ] "),
        ),
        (
            "aud beside texts of every script",
            format!("[\"приложение\",\"アプリ\",\"\u{1f511}\",{ours}]"),
        ),
    ] {
        let token = topic.good().claim("aud", json).sign();
        topic.accept(
            name,
            "1 to 16 strings, one of them ours byte by byte",
            "design: claims; attack: audience by-pass",
            token,
        );
    }
}

fn texts(topic: &mut Topic<'_>) {
    for (name, json) in [
        ("sub of one byte", quoted("u")),
        ("sub of 255 bytes", quoted(&"u".repeat(255))),
        ("sub of 255 bytes in 85 characters", quoted(&"€".repeat(85))),
        ("sub of 255 bytes, each escaped", escaped(&"u".repeat(255))),
        (
            "sub of 252 bytes in 63 surrogate pairs",
            escaped(&"\u{1f511}".repeat(63)),
        ),
        ("sub with spaces around", quoted("  user 1  ")),
        (
            "sub with every short escape",
            r#""\"\\\/\b\f\n\r\t""#.to_owned(),
        ),
        ("sub with an escaped NUL", r#""user\u0000admin""#.to_owned()),
        ("sub beyond the basic plane", quoted("\u{1f600}\u{10ffff}")),
        (
            "sub with a surrogate pair of either case",
            r#""\uD83D\uDE00\ud83d\ude00""#.to_owned(),
        ),
        (
            "sub with noncharacters",
            "\"\u{ffff}\u{fffe}\u{fdd0}\"".to_owned(),
        ),
        (
            "sub with line separators and DEL",
            "\"\u{2028}\u{2029}\u{7f}\u{85}\"".to_owned(),
        ),
        (
            "sub with a byte order mark inside",
            "\"a\u{feff}b\"".to_owned(),
        ),
        (
            "sub that looks like JSON",
            quoted(r#"{"sub":"admin"},"sub":"admin""#),
        ),
        ("sub with combining marks", quoted("e\u{301}\u{301}")),
    ] {
        let token = topic.good().claim("sub", json).sign();
        topic.accept(
            name,
            "1 to 255 bytes of any text, counted after unescaping",
            "design: claims",
            token,
        );
    }
    for (claim, json) in [
        ("jti", "\"id-1\""),
        ("jti", "\"\""),
        ("client_id", "\"client-1\""),
        ("client_id", "\"\""),
        ("scope", "\"media:read media:write\""),
        ("scope", "\"\""),
        ("scope", "\"  \""),
        ("scope", r#""\u006dedia:read""#),
    ] {
        let token = topic.good().claim(claim, json).sign();
        topic.accept(
            &format!("{claim} {json}"),
            "a string when present, of any content",
            "RFC 9068 section 2.2",
            token,
        );
    }
    let token = topic
        .good()
        .claim("nbf", seconds(-60))
        .claim("jti", "\"id-1\"")
        .claim("client_id", "\"client-1\"")
        .claim("scope", "\"media:read\"")
        .sign();
    topic.accept(
        "every claim that is read",
        "what Core issues",
        "RFC 9068 section 2.2",
        token,
    );
}

fn other_claims(topic: &mut Topic<'_>) {
    for (name, json) in [
        ("string", "\"x\""),
        ("empty string", "\"\""),
        ("true", "true"),
        ("false", "false"),
        ("null", "null"),
        ("zero", "0"),
        ("minus zero", "-0"),
        ("negative", "-17"),
        ("fraction", "-0.125"),
        ("exponent", "6.02E+23"),
        ("number beyond f64", "1e400"),
        (
            "number of a hundred digits",
            "1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890",
        ),
        ("empty array", "[]"),
        ("empty object", "{}"),
        ("mixed array", "[1,\"a\",null,true,[],{}]"),
        (
            "nested object",
            "{\"roles\":{\"admin\":false,\"names\":[{\"n\":1},{\"n\":2}]}}",
        ),
        (
            "registered names inside",
            "{\"iss\":7,\"aud\":null,\"exp\":\"never\",\"sub\":[]}",
        ),
    ] {
        let token = topic.good().claim("more", json).sign();
        topic.accept(
            &format!("unknown claim: {name}"),
            "unknown claims are let through, whatever they are (RFC 7519 section 4)",
            "RFC 7519 section 4",
            token,
        );
    }
    for (name, member) in [
        ("empty name", ""),
        ("name of another case", "Exp"),
        ("name with a space behind", "aud "),
        ("__proto__", "__proto__"),
        ("name in Greek", "ακροατήριο"),
        ("escaped quote in a name", "a\\\"b"),
        (
            "names that differ by normalisation only",
            "\u{e9}\":1,\"e\u{301}",
        ),
        (
            "the same name in two objects",
            "a\":{\"x\":1},\"b\":{\"x\":1},\"x",
        ),
        (
            "claims that an ID token has",
            "nonce\":\"n\",\"auth_time\":1799999700,\"acr\":\"0\",\"amr\":[\"pwd\"],\"azp",
        ),
    ] {
        let token = topic.good().claim(member, "\"x\"").sign();
        topic.accept(
            &format!("unknown claim: {name}"),
            "names are compared exactly, so it is another claim",
            "RFC 7519 section 4",
            token,
        );
    }
}

fn bounds(topic: &mut Topic<'_>) {
    let keys = topic.keys;
    for (name, forge) in [
        ("8192 bytes exactly", topic.good()),
        ("8192 bytes exactly, RSA 8192", Forge::new(&keys.rsa_8192)),
        (
            "8192 bytes exactly, kid of 128",
            topic.good().kid(LONGEST_KID),
        ),
    ] {
        let token = forge.padded_to(8192).sign();
        assert_eq!(token.len(), 8192);
        topic.accept(name, "the largest token", "design: token", token);
    }
    let token = topic.good().padded_to(8191).sign();
    topic.accept(
        "8191 bytes",
        "a byte less than the largest",
        "design: token",
        token,
    );
    for (name, open, inner, close) in [
        ("depth 16 of objects", "{\"a\":", "1", "}"),
        ("depth 16 of arrays", "[", "1", "]"),
        ("depth 16 of empty arrays", "[", "", "]"),
    ] {
        // The claims themselves are the first level.
        let json = format!("{}{inner}{}", open.repeat(15), close.repeat(15));
        let token = topic.good().claim("deep", json).sign();
        topic.accept(
            name,
            "16 levels, the claims being the first",
            "design: JSON",
            token,
        );
    }
    let token = topic
        .good()
        .claim("wide", format!("[{}0]", "[],{},".repeat(700)))
        .sign();
    topic.accept(
        "1400 containers side by side",
        "depth counts levels, not containers",
        "design: JSON",
        token,
    );
    // Five of the 256 are the required claims.
    let mut forge = topic.good();
    for at in 0..251 {
        forge = forge.claim(&format!("m{at}"), "0");
    }
    topic.accept(
        "256 members in one object",
        "the most that is allowed",
        "design: JSON",
        forge.sign(),
    );
    let inner: Vec<String> = (0..125).map(|at| format!("\"m{at}\":0")).collect();
    let inner = format!("{{{}}}", inner.join(","));
    // 5 + 2 of the outer object are named here, 124 + 125 inside.
    let first = inner.replace(",\"m124\":0", "");
    let token = topic.good().claim("a", first).claim("b", inner).sign();
    topic.accept(
        "256 members in three objects",
        "all objects count together",
        "design: JSON",
        token,
    );
    let token = topic
        .good()
        .claim("long", format!("[{}0]", "0,".repeat(1500)))
        .sign();
    topic.accept(
        "array of 1501 numbers",
        "entries of arrays are no members",
        "design: JSON",
        token,
    );
    let token = topic
        .good()
        .claim("n", format!("0.{}", "3".repeat(5000)))
        .sign();
    topic.accept(
        "unknown number of 5000 digits",
        "a number that nobody reads is only checked for its grammar",
        "RFC 8259 section 6",
        token,
    );
    let token = topic
        .good()
        .claim("exp", format!("{}.{}1", NOW + 300, "0".repeat(3000)))
        .sign();
    topic.accept(
        "exp with 3001 decimals",
        "a finite decimal",
        "RFC 7519 section 2",
        token,
    );
}
