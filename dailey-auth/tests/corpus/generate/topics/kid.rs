//! Key ids that are none, and ids that the issuer does not publish.

use super::super::forge::{escaped, quoted};
use super::super::keys::LONGEST_KID;
use super::super::topic::Topic;

pub(super) fn fill(topic: &mut Topic<'_>) {
    const INJECTION: &str = "attack: kid injection";
    for (name, json) in [
        ("null", "null".to_owned()),
        ("true", "true".to_owned()),
        ("number", "0".to_owned()),
        ("array", "[\"rsa-2048\"]".to_owned()),
        ("empty array", "[]".to_owned()),
        ("object", "{\"kid\":\"rsa-2048\"}".to_owned()),
        ("of 129 characters", quoted(&format!("{LONGEST_KID}6"))),
        (
            "of 129 characters, each escaped",
            escaped(&format!("{LONGEST_KID}6")),
        ),
        ("of 4000 characters", quoted(&"k".repeat(4000))),
        (
            "of 1000 characters that begins like ours",
            quoted(&format!("rsa-2048{}", " ".repeat(992))),
        ),
        ("with a line feed behind", quoted("rsa-2048\n")),
        ("with a header line", quoted("rsa-2048\r\nX-Admin: 1")),
        ("with a tab", quoted("rsa\t2048")),
        ("with a NUL behind", quoted("rsa-2048\0")),
        ("with a NUL and more behind", quoted("rsa-2048\0.pem")),
        (
            "with an escape sequence of terminals",
            quoted("\u{1b}[2Jrsa-2048"),
        ),
        ("with DEL", quoted("rsa-2048\u{7f}")),
        (
            "with the last control character of Latin-1",
            quoted("rsa-2048\u{9f}"),
        ),
        ("with an accent", quoted("rsa-2048\u{e9}")),
        ("with a no-break space", quoted("rsa-2048\u{a0}")),
        ("with a byte order mark", quoted("\u{feff}rsa-2048")),
        ("with a right-to-left override", quoted("\u{202e}8402-asr")),
        (
            "in full-width digits",
            quoted("rsa-\u{ff12}\u{ff10}\u{ff14}\u{ff18}"),
        ),
        ("with an emoji", quoted("\u{1f511}")),
        ("with an escaped emoji", "\"\\ud83d\\udd11\"".to_owned()),
        ("with a non-breaking hyphen", quoted("rsa\u{2011}2048")),
    ] {
        let token = topic.good().header("kid", json).sign();
        topic.refuse(
            "kid_invalid",
            &format!("kid {name}"),
            "a key id is a string of 1 to 128 printable ASCII characters: found before any look-up",
            INJECTION,
            token,
        );
    }
    for kid in [
        "rsa-2048\u{7f}",
        "\u{7f}",
        "rsa-2048\u{80}",
        "rsa-2048\u{e9}",
        "rsa-2048\u{a0}",
        "\u{1f511}-2048",
        "rsa-2048\u{1f}",
    ] {
        let token = topic.good().header("kid", escaped(kid)).sign();
        topic.refuse(
            "kid_invalid",
            &format!("kid {kid:?}, each character escaped"),
            "an escaped character is the character that it stands for",
            INJECTION,
            token,
        );
    }
    for (name, token) in [
        ("absent", topic.good().no_header("kid").sign()),
        (
            "no kid but a jti of that value",
            topic
                .good()
                .no_header("kid")
                .claim("kid", "\"rsa-2048\"")
                .sign(),
        ),
        (
            "only alg and typ",
            topic
                .good()
                .raw_header(r#"{"typ":"at+jwt","alg":"RS256"}"#)
                .sign(),
        ),
        (
            "only alg, typ and cty",
            topic
                .good()
                .raw_header(r#"{"cty":"rsa-2048","alg":"RS256","typ":"at+jwt"}"#)
                .sign(),
        ),
    ] {
        // A stranger in the header would be found before.
        topic.refuse(
            "kid_missing",
            &format!("kid missing: {name}"),
            "a token names its key, even where only one could be meant",
            "design: header",
            token,
        );
    }
    for kid in [
        "rsa-204",
        "rsa-20488",
        "Rsa-2048",
        " rsa-2048",
        "rsa-2048  ",
        "rsa 2048",
        "attacker-2048",
        "0",
        "-1",
        "*",
        "%",
        "null",
        "undefined",
        "kid",
        "../../../../dev/null",
        "/dev/null",
        "file:///etc/passwd",
        "http://169.254.169.254/",
        "rsa-2048' OR '1'='1",
        "rsa-2048; DROP TABLE keys",
        "rsa-2048|id",
        "$(id)",
        "`id`",
        "{{7*7}}",
        "<script>alert(1)</script>",
        "%00",
        "rsa-2048%00",
        "rsa%2D2048",
        "rsa-2048/",
        "rsa-2048?x",
        "rsa-2048#",
        "https://core.example|rsa-2048",
        "https://core.example:rsa-2048",
        "https://core.example#rsa-2048",
        "https://other.example/rsa-2048",
    ] {
        let token = topic.good().kid(kid).sign();
        let source = if kid.contains("core.example") || kid.contains("other.example") {
            "attack: cross-issuer cache poisoning"
        } else {
            INJECTION
        };
        topic.refuse(
            "kid_unknown",
            &format!("kid {kid:?}"),
            "printable, so a key id, but not one that the issuer publishes",
            source,
            token,
        );
    }
    let shorter = &LONGEST_KID[..127];
    let token = topic.good().kid(shorter).sign();
    topic.refuse(
        "kid_unknown",
        "kid of 127 characters, one less than a published one",
        "ids are compared whole",
        "design: header",
        token,
    );
    for at in 0..24 {
        let token = topic
            .good_of(&topic.keys.attacker)
            .kid(&format!(
                "random-{:08x}",
                0x9e37_79b9_u32.wrapping_mul(at + 1)
            ))
            .sign();
        topic.refuse(
            "kid_unknown",
            &format!("random kid {at:02}"),
            "a flood of ids that nobody publishes",
            "attack: unknown-kid fetch flood",
            token,
        );
    }
}
