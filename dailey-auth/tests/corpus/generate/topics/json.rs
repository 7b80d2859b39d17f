//! Strict JSON, in the claims of a properly signed token and in headers.

use super::super::forge::{Forge, escaped};
use super::super::topic::Topic;

const INVALID: &str = "json_invalid";
const DUPLICATE: &str = "json_duplicate_member";
const DEEP: &str = "json_too_deep";

pub(super) fn fill(topic: &mut Topic<'_>) {
    values(topic);
    utf8(topic);
    documents(topic);
    duplicates(topic);
    bounds(topic);
    places(topic);
}

/// A wrong value of an unknown claim, and the same once more in the header.
fn values(topic: &mut Topic<'_>) {
    for (name, json) in [
        ("number with a leading zero", "01"),
        ("number with a minus and a leading zero", "-01"),
        ("number with a plus", "+1"),
        ("number that ends in a point", "1."),
        ("number that begins with a point", ".5"),
        ("number without exponent digits", "1e"),
        ("number with a bare exponent sign", "1e+"),
        ("minus alone", "-"),
        ("two minuses", "--1"),
        ("hexadecimal number", "0x10"),
        ("number with an underscore", "1_000"),
        ("number with a comma", "1,5"),
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("minus Infinity", "-Infinity"),
        ("full-width digit", "\u{ff11}"),
        ("True", "True"),
        ("nul", "nul"),
        ("nulll", "nulll"),
        ("undefined", "undefined"),
        ("single quotes", "'x'"),
        ("no value", ""),
        ("unfinished string", "\"x"),
        ("escape x", r#""\x41""#),
        ("escape of a single quote", r#""\'""#),
        ("escape of a digit", r#""\0""#),
        ("escape U", r#""\U00000041""#),
        ("escape of three digits", r#""\u041""#),
        ("escape with a letter that is no digit", r#""\u004g""#),
        ("escape with a sign", r#""\u+041""#),
        ("escape with braces", r#""\u{41}""#),
        ("backslash at the end", r#""\""#),
        ("lone high surrogate", r#""\ud800""#),
        ("lone low surrogate", r#""\udc00""#),
        ("surrogates reversed", r#""\udc00\ud800""#),
        ("two high surrogates", r#""\ud800\ud800""#),
        ("high surrogate and a letter", r#""\ud83dA""#),
        ("high surrogate and an escaped letter", r#""\ud83d\u0041""#),
        ("high surrogate and a line feed", r#""\ud83d\n""#),
        ("raw line feed in a string", "\"a\nb\""),
        ("raw tab in a string", "\"a\tb\""),
        ("raw NUL in a string", "\"a\0b\""),
        ("raw record separator in a string", "\"\u{1e}\""),
        ("array without a comma", "[1 2]"),
        ("array with a comma at the end", "[1,]"),
        ("array with a comma at the start", "[,1]"),
        ("array with two commas", "[1,,2]"),
        ("array that does not end", "[1"),
        ("array closed by a brace", "[1}"),
        ("object with a comma at the end", "{\"a\":1,}"),
        ("object without a colon", "{\"a\" 1}"),
        ("object with an equals sign", "{\"a\"=1}"),
        ("object without a value", "{\"a\":}"),
        ("object with a bare name", "{a:1}"),
        ("object with a number for a name", "{1:1}"),
        ("object with null for a name", "{null:1}"),
        ("object without a comma", "{\"a\":1 \"b\":2}"),
        ("comment", "1/* one */"),
        ("line comment", "1//\n"),
        ("vertical tab as white space", "\u{b}1"),
        ("form feed as white space", "\u{c}1"),
        ("no-break space as white space", "\u{a0}1"),
        ("byte order mark as white space", "\u{feff}1"),
    ] {
        let token = topic.good().claim("x", json).sign();
        topic.refuse(
            INVALID,
            &format!("claims: {name}"),
            "not of the grammar of RFC 8259, in a claim that nobody reads",
            "RFC 8259",
            token,
        );
    }
    for (name, json) in [
        ("number with a leading zero", "01"),
        ("lone high surrogate", r#""\ud800""#),
        ("raw line feed in a string", "\"a\nb\""),
        ("comma at the end of an array", "[1,]"),
        ("NaN", "NaN"),
    ] {
        // `cty` is the one member whose value is not looked at.
        let token = topic.good().header("cty", json).sign();
        topic.refuse(
            INVALID,
            &format!("header: {name}"),
            "not of the grammar of RFC 8259, in a member that is ignored",
            "RFC 8259",
            token,
        );
    }
    let token = topic.good().header("kid", r#""rsa-2048\udc00""#).sign();
    topic.refuse(
        INVALID,
        "kid with a lone surrogate",
        "no text at all, so no key id either",
        "RFC 8259 section 8.2; attack: kid injection",
        token,
    );
}

fn utf8(topic: &mut Topic<'_>) {
    for (name, bytes) in [
        ("lone continuation byte", &b"\x80"[..]),
        ("byte FE", b"\xfe"),
        ("overlong slash of two bytes", b"\xc0\xaf"),
        ("overlong NUL of two bytes", b"\xc0\x80"),
        ("overlong slash of three bytes", b"\xe0\x80\xaf"),
        ("overlong slash of four bytes", b"\xf0\x80\x80\xaf"),
        ("high surrogate in UTF-8", b"\xed\xa0\x80"),
        (
            "surrogate pair in UTF-8 (CESU-8)",
            b"\xed\xa0\xbd\xed\xb8\x80",
        ),
        ("beyond U+10FFFF", b"\xf4\x90\x80\x80"),
        ("five-byte form", b"\xf8\x88\x80\x80\x80"),
        ("two-byte form cut short", b"\xc3"),
        ("three-byte form cut short", b"\xe2\x82"),
        ("four-byte form cut short", b"\xf0\x9f\x98"),
        ("Latin-1", b"caf\xe9"),
    ] {
        let value = [b",\"x\":\"", bytes, b"\"}"].concat();
        let claims = topic.good().payload_bytes();
        let token = topic
            .good()
            .raw_payload([&claims[..claims.len() - 1], &value].concat())
            .sign();
        topic.refuse(
            INVALID,
            &format!("claims in bad UTF-8: {name}"),
            "UTF-8 and nothing else",
            "RFC 8725 section 3.7; RFC 3629",
            token,
        );
    }
    for (name, bytes) in [
        ("byte FF", &b"\xff"[..]),
        ("overlong slash", b"\xc0\xaf"),
        ("surrogate", b"\xed\xa0\x80"),
    ] {
        let header = topic.good().header_bytes();
        let value = [b",\"cty\":\"", bytes, b"\"}"].concat();
        let token = topic
            .good()
            .raw_header([&header[..header.len() - 1], &value].concat())
            .sign();
        topic.refuse(
            INVALID,
            &format!("header in bad UTF-8: {name}"),
            "UTF-8 and nothing else, even where nobody reads",
            "RFC 8725 section 3.7",
            token,
        );
    }
    let claims = topic.good().payload_bytes();
    let name = [&claims[..claims.len() - 1], b",\"\xc0\xe1ud\":1}"].concat();
    let token = topic.good().raw_payload(name).sign();
    topic.refuse(
        INVALID,
        "name in bad UTF-8",
        "names are text too",
        "RFC 8725 section 3.7",
        token,
    );
    let text = String::from_utf8(claims).expect("it is JSON");
    let wide =
        |encode: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(encode).collect::<Vec<_>>();
    for (name, bytes) in [
        ("claims in UTF-16LE", wide(u16::to_le_bytes)),
        ("claims in UTF-16BE", wide(u16::to_be_bytes)),
        (
            "claims in UTF-16 with a mark",
            [&[0xff, 0xfe], &wide(u16::to_le_bytes)[..]].concat(),
        ),
        (
            "claims in UTF-32LE",
            text.chars()
                .flat_map(|c| u32::from(c).to_le_bytes())
                .collect(),
        ),
    ] {
        let token = topic.good().raw_payload(bytes).sign();
        topic.refuse(
            INVALID,
            name,
            "UTF-8 and nothing else",
            "RFC 8725 section 3.7",
            token,
        );
    }
}

fn documents(topic: &mut Topic<'_>) {
    let claims = String::from_utf8(topic.good().payload_bytes()).expect("it is JSON");
    for (name, document) in [
        ("null", "null".to_owned()),
        ("true", "true".to_owned()),
        ("number", "1".to_owned()),
        ("string", "\"user-1\"".to_owned()),
        ("empty array", "[]".to_owned()),
        ("white space only", " \n".to_owned()),
        ("open brace", "{".to_owned()),
        ("close brace", "}".to_owned()),
        (
            "claims as a string",
            serde_json::Value::from(&*claims).to_string(),
        ),
        (
            "claims cut at the end",
            claims[..claims.len() - 1].to_owned(),
        ),
        ("claims twice", claims.repeat(2)),
        ("claims twice, a line each", format!("{claims}\n{claims}")),
        ("a brace too many", format!("{claims}}}")),
        ("a comma behind", format!("{claims},")),
        ("a semicolon behind", format!("{claims};")),
        ("a NUL behind", format!("{claims}\0")),
        ("a no-break space behind", format!("{claims}\u{a0}")),
        ("a byte order mark behind", format!("{claims}\u{feff}")),
        ("a comment before", format!("/**/{claims}")),
        ("anti-hijacking prefix", format!(")]}}'\n{claims}")),
        ("callback around", format!("f({claims})")),
        ("record separator before", format!("\u{1e}{claims}")),
        (
            "form encoding",
            "iss=https://core.example&sub=user-1".to_owned(),
        ),
        ("XML", "<claims/>".to_owned()),
    ] {
        let token = topic.good().raw_payload(document).sign();
        topic.refuse(
            INVALID,
            &format!("claims: {name}"),
            "claims are one JSON object, with nothing around it but white space",
            "RFC 7519 section 7.2",
            token,
        );
    }
    let header = String::from_utf8(topic.good().header_bytes()).expect("it is JSON");
    for (name, document) in [
        ("null", "null".to_owned()),
        ("string", "\"RS256\"".to_owned()),
        ("array around", format!("[{header}]")),
        ("empty array", "[]".to_owned()),
        ("cut at the end", header[..header.len() - 1].to_owned()),
        ("twice", header.repeat(2)),
        ("a NUL behind", format!("{header}\0")),
        ("a byte order mark before", format!("\u{feff}{header}")),
        ("white space only", " ".to_owned()),
        (
            "another token's header behind",
            format!("{header}{{\"alg\":\"none\"}}"),
        ),
        ("plain text", "RS256".to_owned()),
    ] {
        let token = topic.good().raw_header(document).sign();
        topic.refuse(
            INVALID,
            &format!("header: {name}"),
            "a header is one JSON object",
            "RFC 7515 section 4",
            token,
        );
    }
}

fn duplicates(topic: &mut Topic<'_>) {
    let source = "RFC 7519 section 4; attack: duplicate members";
    let twice = |forge: Forge<'_>, name: &str, json: &str| forge.add_claim(name, json).sign();
    for claim in ["iss", "sub", "iat", "exp", "aud"] {
        let good = topic.good();
        let same = match claim {
            "iss" => "\"https://core.example\"",
            "sub" => "\"user-1\"",
            "aud" => "\"media-api\"",
            "iat" => "1799999700",
            _ => "1800000300",
        };
        let name = escaped(claim);
        let token = twice(good, name.trim_matches('"'), same);
        topic.refuse(
            DUPLICATE,
            &format!("{claim} twice, once escaped"),
            "names are compared after unescaping",
            source,
            token,
        );
    }
    for (name, json) in [
        ("two unknown claims", "1,\"x\":2"),
        ("two unknown claims of equal value", "1,\"x\":1"),
        ("three levels down", "{\"a\":{\"b\":{\"c\":1,\"c\":2}}}"),
        ("in an object of an array", "[0,{\"a\":1,\"a\":1}]"),
        (
            "in a nested object, once escaped",
            r#"{"aud":1,"\u0061ud":2}"#,
        ),
        ("two empty names", "{\"\":1,\"\":2}"),
        (
            "names of emoji, once as a surrogate pair",
            "{\"\u{1f511}\":1,\"\\ud83d\\udd11\":2}",
        ),
        ("names with a slash, once escaped", r#"{"a/b":1,"a\/b":2}"#),
        (
            "the first and the last of many",
            "{\"a\":0,\"b\":0,\"c\":0,\"d\":0,\"e\":0,\"f\":0,\"g\":0,\"h\":0,\"i\":0,\"j\":0,\"k\":0,\"l\":0,\"m\":0,\"n\":0,\"o\":0,\"p\":0,\"q\":0,\"r\":0,\"s\":0,\"t\":0,\"u\":0,\"v\":0,\"w\":0,\"x\":0,\"y\":0,\"z\":0,\"a\":0}",
        ),
        (
            "after an inner object of the same name",
            "{\"a\":{\"a\":1},\"a\":2}",
        ),
    ] {
        let token = topic.good().claim("x", json).sign();
        topic.refuse(
            DUPLICATE,
            &format!("duplicate member: {name}"),
            "at every depth, known or not",
            source,
            token,
        );
    }
    for (name, member, json) in [
        ("kid", "kid", "\"rsa-2048\""),
        ("typ", "typ", "\"at+jwt\""),
        ("alg, once escaped", "\\u0061lg", "\"none\""),
        ("kid, once escaped", "k\\u0069d", "\"attacker-2048\""),
        ("cty", "cty\":1,\"cty", "2"),
    ] {
        let token = topic.good().add_header(member, json).sign();
        topic.refuse(
            DUPLICATE,
            &format!("duplicate header member: {name}"),
            "which one counts differs from reader to reader",
            source,
            token,
        );
    }
    let token = topic
        .good()
        .header("cty", "{\"a\":[{\"b\":1,\"b\":1}]}")
        .sign();
    topic.refuse(
        DUPLICATE,
        "duplicate member inside an ignored header member",
        "at every depth, ignored or not",
        source,
        token,
    );
    let token = topic.good().add_claim("sub", "\"user-1\"").sign();
    topic.refuse(
        DUPLICATE,
        "sub twice with the same value",
        "harmless here, and still no JSON that two readers must agree on",
        source,
        token,
    );
    let token = topic
        .good()
        .rename_claim("aud", "AUD")
        .add_claim("AUD", "1")
        .sign();
    topic.refuse(
        DUPLICATE,
        "unknown name twice, aud missing",
        "JSON comes before claims",
        source,
        token,
    );
}

/// What readers that look at eight or more bytes at once could miss: each place in a word.
fn places(topic: &mut Topic<'_>) {
    const SOURCE: &str = "attack: duplicate members";
    for at in [0, 1, 6, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65] {
        let before = "x".repeat(at);
        for (name, bad) in [("control character", "\u{1f}"), ("bad escape", "\\x")] {
            let json = format!("\"{before}{bad}\"");
            let token = topic.good().claim("x", json).sign();
            let name = format!("claims: {name} after {at} characters");
            topic.refuse(
                INVALID,
                &name,
                "at every place of a string",
                "RFC 8259 section 7",
                token,
            );
        }
        // A quote and a backslash there, well escaped, and a DEL, which needs no escape.
        let json = format!("\"{before}\\\"\\\\\u{7f}\"");
        let token = topic.good().claim("x", json).sign();
        let name = format!("escapes after {at} characters");
        topic.accept(
            &name,
            "at every place of a string",
            "RFC 8259 section 7",
            token,
        );
    }
    for length in [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 24, 25, 40, 200] {
        let name = "n".repeat(length);
        let (start, _) = name.split_at(length - 1);
        let once = topic.good().add_claim(&name, "1");
        let token = once.clone().add_claim(&name, "1").sign();
        let title = format!("duplicate member of {length} bytes");
        topic.refuse(DUPLICATE, &title, "names of every length", SOURCE, token);
        let token = once
            .clone()
            .add_claim(&format!("{start}\\u006e"), "1")
            .sign();
        let title = format!("{title}, its end escaped");
        topic.refuse(DUPLICATE, &title, "names of every length", SOURCE, token);
        let token = once
            .add_claim(&format!("{start}m"), "1")
            .add_claim(start, "1")
            .sign();
        let title = format!("names of {length} bytes that differ at their end");
        topic.accept(&title, "other names, however near", SOURCE, token);
    }
    let mut forge = topic.good();
    for name in [
        "costarring",
        "liquid",
        "declinate",
        "macallums",
        "altarage",
        "zinke",
    ] {
        forge = forge.claim(name, "0");
    }
    topic.accept(
        "names of equal FNV-1a hashes",
        "alike to a hash, and still other names",
        SOURCE,
        forge.sign(),
    );
    let mut forge = topic.good();
    for at in 0..240 {
        let name = format!("{}m{}", "n".repeat(at % 20), "n".repeat(at / 20));
        forge = forge.claim(&name, "0");
    }
    topic.accept(
        "240 names that differ by one place",
        "alike, and still other names",
        SOURCE,
        forge.sign(),
    );
    for start in ["\t", "\n", "\r"] {
        let token = topic.good().header_within(start, "").sign();
        let name = format!("header after {start:?}");
        topic.accept(&name, "white space", "RFC 8259 section 2", token);
    }
    for start in [
        "\u{8}", "\u{b}", "\u{c}", "\u{f}", "!", "#", "x", "z", "\"\"", "\0",
    ] {
        let token = topic.good().header_within(start, "").sign();
        let name = format!("header after {start:?}");
        topic.refuse(
            INVALID,
            &name,
            "neither white space nor an object",
            "RFC 8259 section 2",
            token,
        );
    }
}

fn bounds(topic: &mut Topic<'_>) {
    let source = "attack: size and structure DoS";
    for (name, open, inner, close, levels) in [
        ("17 levels of objects", "{\"a\":", "1", "}", 16),
        ("17 levels of arrays", "[", "1", "]", 16),
        ("17 levels of empty arrays", "[", "", "]", 16),
        ("17 levels of mixed containers", "[{\"a\":", "1", "}]", 8),
        ("100 levels", "[", "", "]", 99),
        ("2000 levels", "[", "", "]", 1999),
    ] {
        let json = format!("{}{inner}{}", open.repeat(levels), close.repeat(levels));
        let token = topic.good().claim("deep", json).sign();
        topic.refuse(
            DEEP,
            &format!("claims: {name}"),
            "16 levels at most",
            source,
            token,
        );
    }
    for (name, levels) in [("17 levels", 16), ("1500 levels", 1499)] {
        let json = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let token = topic.good().header("cty", json).sign();
        topic.refuse(
            DEEP,
            &format!("header: {name}"),
            "16 levels at most, even where nobody reads",
            source,
            token,
        );
    }
    let token = topic
        .good()
        .claim(
            "aud",
            format!("{}\"media-api\"{}", "[".repeat(16), "]".repeat(16)),
        )
        .sign();
    topic.refuse(
        DEEP,
        "aud 17 levels deep",
        "JSON comes before claims",
        source,
        token,
    );
    let mut forge = topic.good();
    for at in 0..252 {
        forge = forge.claim(&format!("m{at}"), "0");
    }
    topic.refuse(
        INVALID,
        "257 members in one object",
        "256 members at most",
        source,
        forge.sign(),
    );
    let inner: Vec<String> = (0..125).map(|at| format!("\"m{at}\":0")).collect();
    let inner = format!("{{{}}}", inner.join(","));
    let token = topic
        .good()
        .claim("a", inner.clone())
        .claim("b", inner)
        .sign();
    topic.refuse(
        INVALID,
        "257 members in three objects",
        "all objects count together",
        source,
        token,
    );
    let token = topic
        .good()
        .claim("x", format!("[{}0]", "{\"a\":0},".repeat(300)))
        .sign();
    topic.refuse(
        INVALID,
        "300 objects of one member",
        "all objects count together",
        source,
        token,
    );
    let mut forge = topic.good();
    for at in 0..254 {
        forge = forge.header(&format!("m{at}"), "0");
    }
    topic.refuse(
        INVALID,
        "257 members in the header",
        "256 members at most; JSON comes before unknown members",
        source,
        forge.sign(),
    );
}
