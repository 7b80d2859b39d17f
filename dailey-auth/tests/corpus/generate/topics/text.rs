//! Size, alphabet, segments, base64url: what is refused before a byte is decoded.

use super::super::forge::base64url;
use super::super::topic::Topic;

const MALFORMED: &str = "token_malformed";

pub(super) fn fill(topic: &mut Topic<'_>) {
    sizes(topic);
    strangers(topic);
    around(topic);
    segments(topic);
    canonical(topic);
    serializations(topic);
}

fn sizes(topic: &mut Topic<'_>) {
    const LARGE: &str = "token_too_large";
    const SOURCE: &str = "attack: size and structure DoS";
    topic.refuse(
        "token_missing",
        "empty",
        "no token at all",
        "design: codes",
        "",
    );
    let token = topic.good().padded_to(8193).sign();
    topic.refuse(
        LARGE,
        "8193 bytes, properly signed",
        "a byte more than the largest",
        SOURCE,
        token,
    );
    let token = topic.good().padded_to(16 * 1024 + 1).sign();
    topic.refuse(
        LARGE,
        "16 KiB and a byte, properly signed",
        "larger than what proxies let through",
        SOURCE,
        token,
    );
    let forge = topic.good_of(&topic.keys.rsa_8192).padded_to(8193);
    topic.refuse(
        LARGE,
        "8193 bytes, RSA 8192",
        "a long signature is no excuse",
        SOURCE,
        forge.sign(),
    );
    for (name, token) in [
        ("a million dots", ".".repeat(1_000_000)),
        ("8193 dots", ".".repeat(8193)),
        ("two megabytes of one letter", "A".repeat(2 * 1024 * 1024)),
        ("16 KiB of NUL", "\0".repeat(16 * 1024)),
        ("2731 euro signs", "€".repeat(2731)),
        (
            "four segments of 100 kB",
            [
                "B".repeat(100_000),
                "C".repeat(100_000),
                "D".repeat(100_000),
                "E".repeat(100_000),
            ]
            .join("."),
        ),
        ("five segments of 2 kB", vec!["C".repeat(2048); 5].join(".")),
        ("8193 spaces", " ".repeat(8193)),
    ] {
        topic.refuse(
            LARGE,
            name,
            "bytes are counted before anything is looked at",
            SOURCE,
            token,
        );
    }
    for (name, token) in [
        ("8192 dots", ".".repeat(8192)),
        ("8192 letters", "A".repeat(8192)),
        (
            "8190 letters and two dots at the end",
            format!("{}..", "A".repeat(8190)),
        ),
        ("2730 euro signs", "€".repeat(2730)),
        ("8192 spaces", " ".repeat(8192)),
    ] {
        topic.refuse(
            MALFORMED,
            name,
            "garbage as large as the largest token",
            SOURCE,
            token,
        );
    }
}

/// A byte that is not of the alphabet, at each place where a careless reader would let it pass.
fn strangers(topic: &mut Topic<'_>) {
    let [header, payload, signature] = topic.good().segments();
    for (name, stranger) in [
        ("equals sign", "="),
        ("plus", "+"),
        ("slash", "/"),
        ("space", " "),
        ("tab", "\t"),
        ("line feed", "\n"),
        ("carriage return", "\r"),
        ("NUL", "\0"),
        ("DEL", "\u{7f}"),
        ("comma", ","),
        ("tilde", "~"),
        ("percent escape", "%2E"),
        ("e acute", "é"),
        ("no-break space", "\u{a0}"),
        ("zero-width space", "\u{200b}"),
        ("full-width A", "\u{ff21}"),
        ("Cyrillic a", "\u{430}"),
        ("key emoji", "\u{1f511}"),
    ] {
        let (start, end) = payload.split_at(payload.len() / 2);
        let token = format!("{header}.{start}{stranger}{end}.{signature}");
        topic.refuse(
            MALFORMED,
            &format!("{name} inside"),
            "only letters, digits, dash, underscore and dot make a token",
            "attack: malleable text; attack: serialization confusion",
            token,
        );
    }
    for (name, stranger) in [
        ("equals sign", "="),
        ("line feed", "\n"),
        ("space", " "),
        ("NUL", "\0"),
    ] {
        for (place, token) in [
            (
                "after the header",
                format!("{header}{stranger}.{payload}.{signature}"),
            ),
            (
                "before the payload",
                format!("{header}.{stranger}{payload}.{signature}"),
            ),
            (
                "before the signature",
                format!("{header}.{payload}.{stranger}{signature}"),
            ),
        ] {
            topic.refuse(
                MALFORMED,
                &format!("{name} {place}"),
                "nothing is skipped",
                "attack: malleable text",
                token,
            );
        }
    }
}

fn around(topic: &mut Topic<'_>) {
    let token = topic.good().sign();
    for (name, before, after) in [
        ("space before", " ", ""),
        ("space after", "", " "),
        ("tab before", "\t", ""),
        ("tab after", "", "\t"),
        ("line feed before", "\n", ""),
        ("CR LF after", "", "\r\n"),
        ("form feed after", "", "\u{c}"),
        ("NUL after", "", "\0"),
        ("NUL and more after", "", "\0.admin"),
        ("byte order mark before", "\u{feff}", ""),
        ("no-break space after", "", "\u{a0}"),
        ("one equals sign after", "", "="),
        ("double quotes around", "\"", "\""),
        ("single quotes around", "'", "'"),
        ("angle brackets around", "<", ">"),
        ("braces around", "{", "}"),
        ("scheme in front", "bearer ", ""),
        ("scheme twice in front", "bearer bearer ", ""),
        ("second token behind a comma", "", ", AAAA.BBBB.CCCC"),
        ("a parameter behind", "", ";a=b"),
        ("a fragment behind", "", "#a"),
        ("a header line behind", "", "\r\nX-Admin: 1"),
    ] {
        topic.refuse(
            MALFORMED,
            name,
            "a good token with something around it is no token",
            "attack: malleable text; attack: serialization confusion",
            format!("{before}{token}{after}"),
        );
    }
    let mut bytes = token.clone().into_bytes();
    bytes.push(0xff);
    topic.refuse(
        MALFORMED,
        "a byte FF after",
        "not even text",
        "attack: serialization confusion",
        bytes,
    );
    let mut bytes = token.clone().into_bytes();
    bytes.splice(10..10, *b"\xc0\xae");
    topic.refuse(
        MALFORMED,
        "overlong dot inside",
        "not even text",
        "attack: serialization confusion",
        bytes,
    );
    let bytes: Vec<u8> = token.bytes().flat_map(|byte| [byte, 0]).collect();
    topic.refuse(
        MALFORMED,
        "token in UTF-16",
        "a NUL after every character",
        "attack: serialization confusion",
        bytes,
    );
    let percent: String = token
        .bytes()
        .map(|byte| {
            if byte == b'.' {
                "%2e".to_owned()
            } else {
                char::from(byte).to_string()
            }
        })
        .collect();
    topic.refuse(
        MALFORMED,
        "dots percent-encoded",
        "a token is not decoded twice",
        "attack: malleable text",
        percent,
    );
    topic.refuse(
        MALFORMED,
        "token in base64url once more",
        "one segment",
        "attack: malleable text",
        base64url(&token),
    );
}

fn segments(topic: &mut Topic<'_>) {
    let [header, payload, signature] = topic.good().segments();
    let source = "attack: JWE/JWS confusion";
    for (name, token) in [
        ("one segment", header.clone()),
        ("two segments", format!("{header}.{payload}")),
        ("two segments and a dot", format!("{header}.{payload}.")),
        ("no header", format!(".{payload}.{signature}")),
        ("no payload (detached)", format!("{header}..{signature}")),
        ("one dot", ".".to_owned()),
        ("two dots", "..".to_owned()),
        ("three dots", "...".to_owned()),
        ("a dot before", format!(".{header}.{payload}.{signature}")),
        ("a dot after", format!("{header}.{payload}.{signature}.")),
        (
            "signature twice",
            format!("{header}.{payload}.{signature}.{signature}"),
        ),
        (
            "six segments",
            format!("{header}.{payload}.{signature}.AAAA.AAAA.AAAA"),
        ),
        ("a thousand segments", vec!["AAAA"; 1000].join(".")),
        (
            "segments divided by commas",
            format!("{header},{payload},{signature}"),
        ),
        ("one letter", "A".to_owned()),
    ] {
        topic.refuse(
            MALFORMED,
            name,
            "a signed token is three segments, none of them empty",
            source,
            token,
        );
    }
    for (name, token) in [
        ("five segments", "AAAA.AAAA.AAAA.AAAA.AAAA".to_owned()),
        (
            "five segments, direct encryption",
            format!(
                "{}..AAAA.AAAA.AAAA",
                base64url(r#"{"alg":"dir","enc":"A256GCM"}"#)
            ),
        ),
        (
            "five segments, RSA-OAEP",
            format!(
                "{}.AAAA.AAAA.AAAA.AAAA",
                base64url(r#"{"alg":"RSA-OAEP","enc":"A256GCM","cty":"JWT"}"#)
            ),
        ),
        (
            "five segments, billion hashes",
            format!(
                "{}.AAAA.AAAA.AAAA.AAAA",
                base64url(
                    r#"{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","p2c":2147483648,"p2s":"AAAA"}"#
                )
            ),
        ),
        (
            "five segments around a good token",
            format!("{header}.{payload}.{signature}.AAAA.AAAA"),
        ),
        ("four dots", "....".to_owned()),
    ] {
        topic.refuse(
            "token_encrypted",
            name,
            "five segments are an encrypted token (RFC 7516 section 9), which is nobody's here",
            source,
            token,
        );
    }
}

/// One text form per token: lengths that cannot be, and unused bits that are not zero.
fn canonical(topic: &mut Topic<'_>) {
    let source = "RFC 4648 section 3.5; attack: malleable text";
    let [header, payload, signature] = topic.good().segments();
    for (name, token) in [
        (
            "header a character too long",
            format!("{}A.{payload}.{signature}", "AAAA"),
        ),
        (
            "payload of 4n+1 characters",
            format!("{header}.AAAAA.{signature}"),
        ),
        (
            "signature of 4n+1 characters",
            format!("{header}.{payload}.AAAAA"),
        ),
        (
            "header of one character",
            format!("A.{payload}.{signature}"),
        ),
        (
            "payload of one character",
            format!("{header}.A.{signature}"),
        ),
        (
            "signature of one character",
            format!("{header}.{payload}.A"),
        ),
    ] {
        topic.refuse(
            MALFORMED,
            name,
            "no bytes have that length in base64",
            source,
            token,
        );
    }
    // Lengths of 4n+2 and 4n+3 leave four and two unused bits: each of them set once.
    for (bytes, bits) in [(1, 4), (2, 2)] {
        for bit in 0..bits {
            let forge = (0..3)
                .map(|pad| {
                    topic
                        .good()
                        .claim("pad", format!("\"{}\"", "x".repeat(pad)))
                })
                .find(|forge| forge.payload_bytes().len() % 3 == bytes)
                .expect("one of three lengths");
            let [header, payload, signature] = forge.segments();
            let payload = with_unused_bit(&payload, bit);
            topic.refuse(
                MALFORMED,
                &format!("payload of 3n+{bytes} bytes, unused bit {bit} set"),
                "decodes to the same bytes in a careless reader",
                source,
                format!("{header}.{payload}.{signature}"),
            );
        }
    }
    for bit in 1..4 {
        let token = format!("{header}.{payload}.{}", with_unused_bit(&signature, bit));
        topic.refuse(
            MALFORMED,
            &format!("signature of 256 bytes, unused bit {bit} set"),
            "decodes to the same signature in a careless reader",
            source,
            token,
        );
    }
    let forge = topic.good().header_within("  ", "");
    let [header, payload, signature] = forge.segments();
    assert_ne!(header.len() % 4, 0, "a header with unused bits");
    let token = format!("{}.{payload}.{signature}", with_unused_bit(&header, 0));
    topic.refuse(
        MALFORMED,
        "header with an unused bit set",
        "decodes to the same header in a careless reader",
        source,
        token,
    );
}

/// The text with one of the unused bits of its last character set.
fn with_unused_bit(segment: &str, bit: u8) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = segment.split_at(segment.len() - 1);
    let value = ALPHABET
        .iter()
        .position(|own| [*own] == last.as_bytes())
        .expect("base64url");
    let changed = ALPHABET[value | 1 << bit];
    assert_ne!([changed], last.as_bytes(), "the bit was set already");
    format!("{rest}{}", char::from(changed))
}

fn serializations(topic: &mut Topic<'_>) {
    let source = "attack: serialization confusion";
    let [header, payload, signature] = topic.good().segments();
    for (name, token) in [
        (
            "flattened JSON serialization",
            format!(
                r#"{{"payload":"{payload}","protected":"{header}","signature":"{signature}"}}"#
            ),
        ),
        (
            "general JSON serialization",
            format!(
                r#"{{"payload":"{payload}","signatures":[{{"protected":"{header}","signature":"{signature}"}}]}}"#
            ),
        ),
        (
            "compact inside JSON",
            format!(r#"{{"a":"{header}.{payload}.{signature}"}}"#),
        ),
        (
            "JSON and compact at once",
            format!(
                r#"{{"protected":"{header}","payload":"{payload}","x":".AAAA.AAAA","signature":"{signature}"}}"#
            ),
        ),
        (
            "array of segments",
            format!(r#"["{header}","{payload}","{signature}"]"#),
        ),
        (
            "header and claims as plain JSON",
            r#"{"alg":"RS256"}.{"sub":"admin"}.AAAA"#.to_owned(),
        ),
        ("the word null", "null".to_owned()),
        ("the word undefined", "undefined".to_owned()),
        ("PASETO", "v4.public.AAAA".to_owned() + ".AAAA"),
        ("basic credentials", "dXNlcjpwYXNzd29yZA==".to_owned()),
    ] {
        topic.refuse(
            MALFORMED,
            name,
            "the compact form and no other (RFC 7515 section 7.1)",
            source,
            token,
        );
    }
}
