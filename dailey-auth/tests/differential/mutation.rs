//! From right tokens to tokens that are nearly right.

use serde_json::json;

use crate::dice::Dice;
use crate::json::Json;
use crate::{APP, ISSUER, KID};

/// The two JSON texts of a token, before they are signed.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub header: Json,
    pub payload: Json,
}

impl Draft {
    /// A right token of one kind or another.
    pub(crate) fn right(dice: &mut Dice, now: i64) -> Self {
        let mut header = json!({"alg": "RS256", "typ": "at+jwt", "kid": KID});
        if dice.chance(20) {
            header["typ"] = dice.pick(&["AT+JWT", "application/at+jwt"]).into();
        }
        if dice.chance(10) {
            header["cty"] = "JWT".into();
        }
        let mut payload = json!({
            "iss": ISSUER, "aud": APP, "sub": "user-1", "iat": now - 60, "exp": now + 600,
        });
        if dice.chance(40) {
            payload["aud"] = json!(["another", APP, "a third"]);
        }
        if dice.chance(50) {
            payload["nbf"] = json!(now - 60);
            payload["jti"] = json!("0199-é-😀");
            payload["client_id"] = json!(APP);
            payload["scope"] = json!("media:read media:write");
        }
        if dice.chance(30) {
            payload["iat"] = json!(1.8e9_f64.min(f64_of(now) - 90.25));
            payload["exp"] = json!(f64_of(now) + 300.5);
        }
        if dice.chance(40) {
            payload["app"] =
                json!({"roles": ["a", {"deep": [1, -2.5, true, null]}], "": "/\\\"\n"});
        }
        Self {
            header: Json::from(&header),
            payload: Json::from(&payload),
        }
    }

    /// Changes of the structure, mostly one.
    pub(crate) fn mutate(&mut self, dice: &mut Dice, now: i64) {
        for _ in 0..dice.pick(&[1, 1, 1, 2, 3]) {
            if dice.chance(25) {
                mutate_object(&mut self.header, dice, now, &HEADER_NAMES);
            } else {
                mutate_object(&mut self.payload, dice, now, &CLAIM_NAMES);
            }
        }
    }
}

#[allow(clippy::cast_precision_loss)] // a time of this century
fn f64_of(seconds: i64) -> f64 {
    seconds as f64
}

const HEADER_NAMES: [&str; 16] = [
    "alg", "typ", "kid", "cty", "crit", "b64", "zip", "enc", "jku", "jwk", "x5u", "x5c", "x5t",
    "x5t#S256", "nonce", "x",
];

const CLAIM_NAMES: [&str; 14] = [
    "iss",
    "aud",
    "sub",
    "exp",
    "iat",
    "nbf",
    "jti",
    "client_id",
    "scope",
    "role",
    "Exp",
    "exp ",
    "",
    "é",
];

fn mutate_object(object: &mut Json, dice: &mut Dice, now: i64, names: &[&str]) {
    let Json::Object(members) = object else {
        return;
    };
    if dice.chance(2) {
        // The outer value itself becomes something else: a sequence of the values, for example.
        *object = match dice.below(3) {
            0 => Json::List(members.drain(..).map(|(_, value)| value).collect()),
            1 => Json::List(vec![object.clone()]),
            _ => value(dice, now),
        };
        return;
    }
    if members.is_empty() {
        return;
    }
    let at = dice.below(members.len());
    match dice.below(11) {
        0 => {
            let mut again = members[at].clone();
            if dice.chance(50) {
                again.1 = value(dice, now);
            }
            let to = dice.below(members.len() + 1);
            members.insert(to, again);
        }
        1 => {
            members.remove(at);
        }
        2 => {
            for last in (1..members.len()).rev() {
                members.swap(last, dice.below(last + 1));
            }
        }
        3 | 4 => members[at].1 = value(dice, now),
        5 => {
            let name = Json::text(dice.pick(names));
            let to = dice.below(members.len() + 1);
            members.insert(to, (name, value(dice, now)));
        }
        6 => members[at].0 = Json::text(dice.pick(names)),
        7 => {
            let wanted = dice.pick(&["exp", "iat", "nbf"]);
            let new = time(dice, now);
            match members.iter_mut().find(|(name, _)| name.is(wanted)) {
                Some((_, old)) => *old = new,
                None => members.push((Json::text(wanted), new)),
            }
        }
        8 => nested(&mut members[at].1, dice, now),
        _ => {
            let to = dice.below(members.len() + 1);
            members.insert(to, (Json::text("an app's own"), value(dice, now)));
        }
    }
}

/// Changes something inside of a value, where there is an inside.
fn nested(inner: &mut Json, dice: &mut Dice, now: i64) {
    match inner {
        Json::Object(_) => mutate_object(inner, dice, now, &CLAIM_NAMES),
        Json::List(values) if !values.is_empty() => {
            let at = dice.below(values.len());
            match dice.below(4) {
                0 => drop(values.remove(at)),
                1 => values.insert(at, value(dice, now)),
                2 => {
                    let again = values[at].clone();
                    values.extend(vec![again; dice.pick(&[1, 13, 14, 20])]);
                }
                _ => nested(&mut values[at], dice, now),
            }
        }
        Json::Text(text) => {
            let at = text.char_indices().map(|(at, _)| at).collect::<Vec<_>>();
            let at = if at.is_empty() { 0 } else { dice.pick(&at) };
            text.insert_str(at, dice.pick(&["x", " ", "\0", "é", "😀", "\u{202e}", "/"]));
        }
        other => *other = value(dice, now),
    }
}

/// A time that is two minutes or more from every edge, in one of its spellings.
fn time(dice: &mut Dice, now: i64) -> Json {
    let offset = dice.pick(&[
        -40_000_000,
        -90_000,
        -3_600,
        -600,
        -150,
        -60,
        0,
        150,
        600,
        3_600,
        90_000,
        40_000_000,
    ]);
    let time = now + offset;
    Json::raw(match dice.below(9) {
        0 => format!("{time}.0"),
        1 => format!("{time}.{}", dice.below(1_000_000)),
        2 => format!("{time}e0"),
        3 => format!("{}.{:09}E+9", time / 1_000_000_000, time % 1_000_000_000),
        4 => format!("{time}000e-3"),
        5 => format!("\"{time}\""),
        6 => format!("{time}.{}", "0".repeat(dice.below(60))),
        _ => time.to_string(),
    })
}

fn value(dice: &mut Dice, now: i64) -> Json {
    match dice.below(10) {
        0 | 1 => time(dice, now),
        2 => Json::raw(dice.pick(&[
            "0",
            "-0",
            "-1",
            "0.5",
            "1e3",
            "1e400",
            "-1e400",
            "1e-400",
            "1e300",
            "9007199254740991",
            "9007199254740992",
            "9007199254740993",
            "18446744073709551615",
            "18446744073709551616",
            "-9223372036854775809",
            "123456789012345678901234567890",
            "0.1",
            "00",
            "1.",
            "01",
            "+1",
            "NaN",
        ])),
        3 => Json::raw(dice.pick(&["null", "true", "false", "{}", "[]", "", "nul", "\u{feff}1"])),
        4 => Json::raw(dice.pick(&[
            r#""\ud800""#,
            r#""\udc00x""#,
            r#""\ud83d\ude00""#,
            r#""\u0000""#,
            r#""\x""#,
            "\"\n\"",
            "'a'",
        ])),
        5 => Json::text(dice.pick(&[
            "", APP, ISSUER, "x", "RS256", "HS256", "none", "at+jwt", "JWT", KID, "K1", " ",
        ])),
        6 => {
            let texts = [APP, ISSUER, "x", "", "y"];
            let count = dice.pick(&[0, 1, 2, 16, 17, 18]);
            Json::List((0..count).map(|_| Json::text(dice.pick(&texts))).collect())
        }
        7 => {
            // 16 levels are allowed, and these stand on the second or a deeper one.
            let levels = dice.pick(&[3, 14, 15, 16, 17, 100]);
            Json::raw(if dice.chance(50) {
                format!("{}{}", "[".repeat(levels), "]".repeat(levels))
            } else {
                format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels))
            })
        }
        8 => {
            let count = dice.pick(&[1, 3, 230, 260]);
            let name = |index| Json::text(&format!("m{index}"));
            Json::Object(
                (0..count)
                    .map(|index| (name(index), Json::raw(index.to_string())))
                    .collect(),
            )
        }
        _ => Json::text(&"s".repeat(dice.pick(&[1, 254, 255, 256, 5_500, 6_500]))),
    }
}

/// Changes of bytes, JSON or not, mostly one.
pub(crate) fn mutate_bytes(bytes: &mut Vec<u8>, dice: &mut Dice) {
    const FRAGMENTS: [&[u8]; 20] = [
        b",",
        b":",
        b"\"",
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b"0",
        b".",
        b"e9",
        b"-",
        b"\\u0061",
        b"\\ud800",
        b"\xff",
        b"\xc0\x80",
        b"\xef\xbb\xbf",
        b"\0",
        b" ",
        b",\"exp\":1",
    ];
    for _ in 0..dice.pick(&[1, 1, 1, 2, 3]) {
        if bytes.is_empty() {
            return;
        }
        let at = dice.below(bytes.len());
        match dice.below(6) {
            0 => bytes[at] ^= 1 << dice.below(8),
            1 => drop(bytes.remove(at)),
            2 => drop(bytes.splice(at..at, dice.pick(&FRAGMENTS).iter().copied())),
            3 => {
                // Twice what stands here: members with their comma, now and then.
                let end = (at + 1 + dice.below(24)).min(bytes.len());
                let again = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, again));
            }
            4 => bytes.extend(dice.pick(&[&b" "[..], b"\n", b"x", b"{}", b"\0"])),
            _ => bytes[at] = dice.pick(b"0123456789\"aeE"),
        }
    }
}

/// Changes of a token's text, mostly one.
pub(crate) fn mutate_text(text: &mut String, dice: &mut Dice) {
    const CHARACTERS: &[u8] =
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ %\n";
    for _ in 0..dice.pick(&[1, 1, 1, 2, 3]) {
        if text.is_empty() {
            return;
        }
        let at = dice.below(text.len());
        let other = char::from(dice.pick(CHARACTERS));
        match dice.below(7) {
            0 | 1 => text.replace_range(at..=at, other.encode_utf8(&mut [0; 4])),
            2 => text.insert(at, other),
            3 => drop(text.remove(at)),
            4 => text.push(other),
            5 => text.truncate(at),
            _ => {
                // The last characters of the segments are where unused bits are.
                let segments: Vec<_> = text.match_indices('.').map(|(at, _)| at).collect();
                let end = segments.get(dice.below(3)).copied().unwrap_or(text.len());
                if end > 0 {
                    text.replace_range(end - 1..end, other.encode_utf8(&mut [0; 4]));
                }
            }
        }
    }
}
