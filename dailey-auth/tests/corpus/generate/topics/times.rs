//! Numbers that are times, and both sides of every edge.

use super::super::forge::{NOW, seconds};
use super::super::topic::Topic;

const EDGE: &str = "RFC 7519 section 4.1; design: time";

pub(super) fn fill(topic: &mut Topic<'_>) {
    types(topic);
    spellings(topic);
    leeway(topic);
    lifetimes(topic);
}

fn types(topic: &mut Topic<'_>) {
    for claim in ["exp", "iat", "nbf"] {
        for (name, json) in [
            ("string", "\"1800000000\""),
            ("empty string", "\"\""),
            ("date", "\"2027-01-15T08:00:00Z\""),
            ("null", "null"),
            ("true", "true"),
            ("false", "false"),
            ("array", "[1800000000]"),
            ("object", "{\"t\":1800000000}"),
            ("-1", "-1"),
            ("-0", "-0"),
            ("-0.0", "-0.0"),
            ("-0.5", "-0.5"),
            ("-1e400", "-1e400"),
            ("1e300", "1e300"),
            ("1e400", "1e400"),
            ("1e16", "1e16"),
            ("2^53 + 1", "9007199254740993"),
            ("2^53 + 2", "9007199254740994"),
            ("2^63", "9223372036854775808"),
            ("2^64 - 1", "18446744073709551615"),
            ("2^64", "18446744073709551616"),
            ("2^64 + now", "18446744075509551616"),
            ("2^128 + now", "340282366920938463463374607433568211456"),
            (
                "a hundred digits",
                "1800000000180000000018000000001800000000180000000018000000001800000000180000000018000000001800000000",
            ),
            ("exponent of ten digits", "1e9999999999"),
            (
                "milliseconds with three digits too many",
                "18000003000000000",
            ),
        ] {
            let token = topic.good().claim(claim, json).sign();
            topic.refuse(&format!("claim_invalid:{claim}"), &format!("{claim}: {name}"), "a number from 0 to 2^53, and a claim of the wrong type is never taken for an absent one", "attack: typed claims ignored when malformed", token);
        }
    }
    let digits = format!("1{}", "0".repeat(5500));
    let token = topic.good().claim("exp", digits).sign();
    topic.refuse(
        "claim_invalid:exp",
        "exp: 5501 digits",
        "above 2^53; more digits do not fit into a token",
        "attack: size and structure DoS",
        token,
    );
    let token = topic
        .good()
        .claim("exp", format!("1{}", "0".repeat(1_000_000)))
        .sign();
    topic.refuse(
        "token_too_large",
        "exp: a million digits",
        "such a number is in no token that is looked at",
        "attack: size and structure DoS",
        token,
    );
}

fn spellings(topic: &mut Topic<'_>) {
    for (name, json) in [
        ("1.8000003e9", "1.8000003e9"),
        ("1.8000003E+9", "1.8000003E+9"),
        ("18000003e2", "18000003e2"),
        ("180000030000e-2", "180000030000e-2"),
        ("0.18000003e10", "0.18000003e10"),
        ("1800000300.0", "1800000300.0"),
        ("1800000300.000000001", "1800000300.000000001"),
        ("1800000300e0", "1800000300e0"),
        ("1800000300E-0", "1800000300E-0"),
        ("0.0000018000003e15", "0.0000018000003e15"),
        ("1800000300000e-0003", "1800000300000e-0003"),
    ] {
        let token = topic.good().claim("exp", json).sign();
        topic.accept(
            &format!("exp {name}"),
            "the same time in another spelling of RFC 8259 section 6",
            "RFC 7519 section 2",
            token,
        );
    }
    for (name, json) in [
        ("iat 1.7999997e9", "1.7999997e9"),
        ("iat 1799999700.25", "1799999700.25"),
        ("iat 1799999700.9999999", "1799999700.9999999"),
    ] {
        let token = topic.good().claim("iat", json).sign();
        topic.accept(name, "a finite decimal", "RFC 7519 section 2", token);
    }
    for (name, json) in [
        ("nbf 0", "0"),
        ("nbf 0.0", "0.0"),
        ("nbf 0e9", "0e9"),
        ("nbf 0e999999999", "0e999999999"),
        ("nbf 1e-400", "1e-400"),
        ("nbf 1.8e9", "1.8e9"),
        ("nbf 1799999999.999", "1799999999.999"),
    ] {
        let token = topic.good().claim("nbf", json).sign();
        topic.accept(
            name,
            "a finite decimal, and past",
            "RFC 7519 section 2",
            token,
        );
    }
}

fn leeway(topic: &mut Topic<'_>) {
    // exp: refused on or after exp + 30 s.
    for (verdict, name, iat, exp) in [
        ("accepted", "exp now", -600, "1800000000"),
        ("accepted", "exp 29 s ago", -600, "1799999971"),
        ("accepted", "exp 29.999 s ago", -600, "1799999970.001"),
        ("accepted", "exp 29.9999 s ago", -600, "1799999970.0001"),
        ("accepted", "exp one second ahead", -600, "1800000001"),
        ("expired", "exp exactly 30 s ago", -600, "1799999970"),
        (
            "expired",
            "exp exactly 30 s ago, by exponent",
            -600,
            "1.79999997e9",
        ),
        ("expired", "exp 30.001 s ago", -600, "1799999969.999"),
        ("expired", "exp 31 s ago", -600, "1799999969"),
        ("expired", "exp five minutes ago", -600, "1799999700"),
        ("expired", "exp a day ago", -90_000, "1799913600"),
        ("expired", "exp one, iat zero", -1_800_000_000, "1"),
        ("expired", "exp zero, iat zero", -1_800_000_000, "0"),
        ("expired", "exp below one", -1_800_000_000, "0.5"),
        (
            "expired",
            "exp in 32 bits, wrapped",
            -1_800_000_000,
            "4294967",
        ),
    ] {
        let token = topic
            .good()
            .claim("iat", seconds(iat))
            .claim("exp", exp)
            .sign();
        topic.row(
            verdict,
            name,
            "leeway 30 s: accepted before exp + 30 s, refused on or after it",
            EDGE,
            token.into(),
        );
    }
    // nbf: refused before nbf - 30 s.
    for (verdict, name, nbf) in [
        ("accepted", "nbf now", "1800000000"),
        ("accepted", "nbf in 29 s", "1800000029"),
        ("accepted", "nbf in exactly 30 s", "1800000030"),
        (
            "accepted",
            "nbf in exactly 30 s, by exponent",
            "1.80000003e9",
        ),
        ("not_yet_valid", "nbf in 30.001 s", "1800000030.001"),
        ("not_yet_valid", "nbf in 31 s", "1800000031"),
        ("not_yet_valid", "nbf in a minute", "1800000060"),
        ("not_yet_valid", "nbf after exp", "1800001000"),
        ("not_yet_valid", "nbf in milliseconds", "1800000000000"),
        ("not_yet_valid", "nbf 2^53", "9007199254740992"),
        ("not_yet_valid", "nbf 2^53 - 1", "9007199254740991"),
    ] {
        let token = topic.good().claim("nbf", nbf).sign();
        topic.row(
            verdict,
            name,
            "leeway 30 s: accepted from nbf - 30 s on",
            EDGE,
            token.into(),
        );
    }
    // iat: the same.
    for (verdict, name, iat) in [
        ("accepted", "iat now", "1800000000"),
        ("accepted", "iat in 29 s", "1800000029"),
        ("accepted", "iat in exactly 30 s", "1800000030"),
        ("issued_in_future", "iat in 30.001 s", "1800000030.001"),
        ("issued_in_future", "iat in 31 s", "1800000031"),
        ("issued_in_future", "iat in four minutes", "1800000240"),
        ("issued_in_future", "iat after exp", "1800000301"),
        ("issued_in_future", "iat in milliseconds", "1800000000000"),
        ("issued_in_future", "iat 2^53", "9007199254740992"),
    ] {
        let token = topic.good().claim("iat", iat).sign();
        topic.row(
            verdict,
            name,
            "leeway 30 s: accepted from iat - 30 s on",
            EDGE,
            token.into(),
        );
    }
    let token = topic.good().times(29, 31).claim("nbf", seconds(30)).sign();
    topic.accept(
        "all three times within the leeway",
        "a token of the next half minute",
        EDGE,
        token,
    );
}

fn lifetimes(topic: &mut Topic<'_>) {
    const DAY: i64 = 86_400;
    for (verdict, name, iat, exp) in [
        ("accepted", "lifetime 24 h exactly, just issued", 0, DAY),
        (
            "accepted",
            "lifetime 24 h exactly, half over",
            -DAY / 2,
            DAY / 2,
        ),
        (
            "accepted",
            "lifetime 24 h exactly, in its leeway",
            -DAY - 29,
            -29,
        ),
        (
            "accepted",
            "lifetime 24 h exactly, from the future",
            30,
            DAY + 30,
        ),
        ("accepted", "lifetime 1 s", 0, 1),
        (
            "lifetime_too_long",
            "lifetime 24 h and a second, just issued",
            0,
            DAY + 1,
        ),
        (
            "lifetime_too_long",
            "lifetime 24 h and a second, half over",
            -DAY / 2,
            DAY / 2 + 1,
        ),
        ("lifetime_too_long", "lifetime of a week", -60, 7 * DAY),
        (
            "lifetime_too_long",
            "lifetime of fifty years, issued at zero",
            -1_800_000_000,
            60,
        ),
        (
            "lifetime_too_long",
            "lifetime 24 h and a second, in its leeway",
            -DAY - 30,
            -29,
        ),
    ] {
        let token = topic.good().times(iat, exp).sign();
        topic.row(
            verdict,
            name,
            "exp - iat is 24 h at most, and no leeway is added to it",
            "design: time",
            token.into(),
        );
    }
    for (verdict, name, iat, exp) in [
        (
            "lifetime_too_long",
            "lifetime 24 h and a quarter second",
            "1800000000",
            "1800086400.25",
        ),
        (
            "lifetime_too_long",
            "lifetime 24 h and a thousandth",
            "1799999999.999",
            "1800086400",
        ),
        (
            "accepted",
            "lifetime 24 h exactly, in fractions",
            "1800000000.5",
            "1800086400.5",
        ),
        (
            "accepted",
            "lifetime of a thousandth",
            "1800000000",
            "1800000000.001",
        ),
        (
            "lifetime_too_long",
            "exp 2^53",
            "1800000000",
            "9007199254740992",
        ),
        (
            "lifetime_too_long",
            "exp 2^53 - 1",
            "1800000000",
            "9007199254740991",
        ),
        (
            "lifetime_too_long",
            "exp in milliseconds",
            "1800000000",
            "1800000300000",
        ),
        (
            "lifetime_too_long",
            "exp beyond 32 bits",
            "1800000000",
            "4294967296",
        ),
        (
            "lifetime_too_long",
            "exp 9999999999.5",
            "1800000000",
            "9999999999.5",
        ),
        ("lifetime_too_long", "iat zero", "0", "1800000300"),
        (
            "lifetime_too_long",
            "iat in kiloseconds",
            "1799999.7",
            "1800000300",
        ),
    ] {
        let token = topic.good().claim("iat", iat).claim("exp", exp).sign();
        topic.row(
            verdict,
            name,
            "exp - iat is 24 h at most",
            "design: time",
            token.into(),
        );
    }
    for (name, iat, exp) in [
        ("exp equal to iat, now", 0, 0),
        ("exp equal to iat, in 30 s", 30, 30),
        ("exp equal to iat, 29 s ago", -29, -29),
        ("exp a second before iat", 10, 9),
        ("exp a minute before iat, both within the leeway", 30, -29),
    ] {
        let token = topic.good().times(iat, exp).sign();
        topic.refuse(
            "claim_invalid:exp",
            name,
            "a token ends after it was issued",
            "design: time",
            token,
        );
    }
    let token = topic
        .good()
        .claim("iat", format!("{NOW}.5"))
        .claim("exp", format!("{NOW}.25"))
        .sign();
    topic.refuse(
        "claim_invalid:exp",
        "exp a quarter second before iat",
        "a token ends after it was issued",
        "design: time",
        token,
    );
}
