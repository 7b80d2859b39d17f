//! `verify`: verdicts, exit codes, standard input, JSON.

use serde_json::json;

use crate::program::{APP, HEADER, House, ISSUER, NOW, good, program, run};

#[test]
fn a_good_token_is_accepted_and_its_claims_are_for_json_alone() {
    let house = House::new();
    let token = good()
        .claim("scope", "media:read")
        .claim("sub", "someone-private")
        .sign(&house.key);
    let ended = house.run("verify", &[], &token);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    assert_eq!(
        ended.out,
        format!(
            "✓ accepted\n  issuer    {ISSUER}\n  audience  {APP}\n  key       key-1\n  \
             issued    3 min 2 s ago\n  expires   in 6 min 58 s\n"
        )
    );
    let ended = house.run("verify", &["--json"], &token);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    assert_eq!(
        ended.json(),
        json!({ "valid": true, "claims": {
            "iss": ISSUER, "aud": APP, "sub": "someone-private", "scope": "media:read",
            "iat": NOW - 182, "exp": NOW + 418,
        }})
    );
    assert!(ended.out.ends_with("}\n") && ended.out.lines().count() == 1);
}

#[test]
fn claims_are_printed_as_they_were_written() {
    let house = House::new();
    let payload = format!(
        "{{ \"iss\":\"{ISSUER}\",\n\t\"aud\" : [\"{APP}\"],\"sub\":\"u\",\"exp\":{}.50,\"iat\":{NOW},\
         \"huge\":1e4000,\"z\":{{\"b\":1,\"a\":[ ]}},\"a\":\"\\u0041 \"}}",
        NOW + 9
    );
    let ended = house.run(
        "verify",
        &["--json"],
        &house.raw(HEADER, payload.as_bytes()),
    );
    assert_eq!(
        ended.out,
        format!(
            "{{\"valid\":true,\"claims\":{{\"iss\":\"{ISSUER}\",\"aud\":[\"{APP}\"],\"sub\":\"u\",\
             \"exp\":{}.50,\"iat\":{NOW},\"huge\":1e4000,\"z\":{{\"b\":1,\"a\":[]}},\
             \"a\":\"\\u0041 \"}}}}\n",
            NOW + 9
        )
    );
}

#[test]
fn a_refused_token_exits_1_with_code_claim_and_hint() {
    let house = House::new();
    let refused = house.run(
        "verify",
        &["--json"],
        &good().without_claim("sub").sign(&house.key),
    );
    assert_eq!((refused.code, refused.err.as_str()), (1, ""));
    assert_eq!(
        refused.out,
        "{\"valid\":false,\"code\":\"claim_missing\",\"claim\":\"sub\",\
         \"hint\":\"the issuer must write iss, sub, aud, exp and iat\"}\n"
    );
    let expired = house.run(
        "verify",
        &["--json"],
        &good().expires_at(NOW - 40).sign(&house.key),
    );
    assert_eq!(expired.json()["code"], "expired");
    assert_eq!(expired.json()["claim"], json!(null));
    let expired = house.run(
        "verify",
        &[],
        &good()
            .expires_at(NOW - 723)
            .issued_at(NOW - 800)
            .sign(&house.key),
    );
    assert_eq!(expired.code, 1);
    assert!(
        expired.out.starts_with(
            "✗ refused: expired\n  the token has expired\n  expired 12 min 3 s ago (leeway 30 s)\n  → get a new token"
        ),
        "{}",
        expired.out
    );
}

#[test]
fn one_newline_at_the_end_is_taken_off_and_nothing_else() {
    let house = House::new();
    let good = house.good();
    let code = |token: &str| {
        let ended = house.run("verify", &["--json"], token);
        let json = ended.json();
        (ended.code, json["code"].as_str().map(str::to_owned))
    };
    assert_eq!(code(&good), (0, None));
    assert_eq!(code(&format!("{good}\n")), (0, None));
    let malformed = (1, Some("token_malformed".to_owned()));
    for spoilt in [
        format!("{good}\n\n"),
        format!("{good}\r\n"),
        format!("{good}\r"),
        format!("{good} "),
        format!(" {good}"),
        format!("\n{good}"),
        format!("\"{good}\""),
        format!("Bearer {good}"),
        format!("{good}="),
        format!("\u{feff}{good}"),
    ] {
        assert_eq!(code(&spoilt), malformed, "{spoilt:?}");
    }
    let missing = (1, Some("token_missing".to_owned()));
    assert_eq!(code(""), missing);
    assert_eq!(code("\n"), missing);
}

#[test]
fn common_slips_are_told_to_people() {
    let house = House::new();
    let good = house.good();
    for (input, word) in [
        (format!("{good}\r\n"), "carriage return"),
        (format!("{good}\n\n"), "newlines"),
        (format!("bearer {good}"), "Bearer"),
        (format!("Authorization: Bearer {good}"), "header"),
        (format!("'{good}'"), "quotes"),
        (format!("{{\"access_token\":\"{good}\"}}"), "JSON"),
        (good.replacen('.', ".\n", 1), "line breaks"),
    ] {
        let ended = house.run("verify", &[], &input);
        assert_eq!(ended.code, 1);
        assert!(ended.out.contains(word), "{word}: {}", ended.out);
    }
}

#[test]
fn binary_and_huge_input_is_refused_within_bounds() {
    let house = House::new();
    let code = |input: &[u8]| {
        let ended = run(&mut house.program("verify", &["--json"]), input);
        assert_eq!(ended.code, 1);
        ended.json()["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(code(b"\xff\xfe.\x00.\x80"), "token_malformed");
    assert_eq!(
        code(&[&[0xC3][..], house.good().as_bytes()].concat()),
        "token_malformed"
    );
    assert_eq!(code(&vec![b'a'; 8192]), "token_malformed");
    assert_eq!(
        code(&[&vec![b'a'; 8192][..], b"\n"].concat()),
        "token_malformed"
    );
    assert_eq!(code(&vec![b'a'; 8193]), "token_too_large");
    assert_eq!(code(&vec![0xff; 8193]), "token_too_large");
    assert_eq!(
        code(&[&vec![b'a'; 8192][..], b"\n\n"].concat()),
        "token_too_large"
    );
    let huge = run(
        &mut house.program("verify", &["--json"]),
        &vec![b'a'; 16 << 20],
    );
    assert_eq!(huge.json()["code"], "token_too_large");
    assert!(
        !huge.read_all,
        "what is far too large is not read to its end"
    );
}

#[cfg(unix)]
#[test]
fn an_input_that_cannot_be_read_leaves_no_verdict() {
    let output = House::new()
        .program("verify", &["--json"])
        .stdin(std::fs::File::open("/").unwrap())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("standard input")
    );
}

#[test]
fn the_largest_token_is_accepted_with_its_newline() {
    let house = House::new();
    let sized = |fill: usize| good().claim("fill", "x".repeat(fill)).sign(&house.key);
    let fill = (0..4)
        .map(|more| (8192 - sized(0).len()) / 4 * 3 + more)
        .filter(|fill| sized(*fill).len() <= 8192)
        .max()
        .unwrap();
    let token = sized(fill);
    assert!((8190..=8192).contains(&token.len()), "{}", token.len());
    assert_eq!(house.run("verify", &[], &format!("{token}\n")).code, 0);
}

#[test]
fn each_option_counts() {
    let house = House::new();
    let code = |more: &[&str], token: &str| {
        let ended = house.run("verify", &[&["--json"], more].concat(), token);
        ended.json()["code"]
            .as_str()
            .unwrap_or("accepted")
            .to_owned()
    };
    let other = good().claim("aud", "other").sign(&house.key);
    assert_eq!(code(&[], &other), "audience_mismatch");
    assert_eq!(code(&["--audience", "other"], &other), "accepted");
    assert_eq!(code(&["--audience", "more", "other"], &other), "accepted");
    let late = good().expires_at(NOW - 100).sign(&house.key);
    assert_eq!(code(&[], &late), "expired");
    assert_eq!(code(&["--leeway", "101"], &late), "accepted");
    let edge = good().expires_at(NOW).sign(&house.key);
    assert_eq!(code(&[], &edge), "accepted");
    assert_eq!(code(&["--leeway", "0"], &edge), "expired");
    let plain = good().header("typ", "JWT").sign(&house.key);
    assert_eq!(code(&[], &plain), "type_not_allowed");
    assert_eq!(
        code(&["--type", "at+jwt", "--type", "JWT"], &plain),
        "accepted"
    );
    assert_eq!(code(&["--type", "JWT"], &house.good()), "type_not_allowed");
    let jwks = house.jwks();
    let at = |at: i64, issuer: &str| {
        let at = at.to_string();
        let arguments = [
            "verify",
            "--json",
            "--jwks",
            &jwks,
            "--issuer",
            issuer,
            "--audience",
            APP,
            "--at",
            &at,
        ];
        let ended = run(&mut program(&arguments), house.good().as_bytes());
        ended.json()["code"]
            .as_str()
            .unwrap_or("accepted")
            .to_owned()
    };
    assert_eq!(at(NOW, ISSUER), "accepted");
    assert_eq!(at(NOW + 1000, ISSUER), "expired");
    assert_eq!(at(NOW - 1000, ISSUER), "issued_in_future");
    assert_eq!(at(NOW, "https://core.example/"), "issuer_mismatch");
}

#[test]
fn without_a_time_it_is_now() {
    let house = House::new();
    let token = dailey_auth::testing::TokenBuilder::new(ISSUER, APP).sign(&house.key);
    let jwks = house.jwks();
    let arguments = [
        "verify",
        "--jwks",
        &jwks,
        "--issuer",
        ISSUER,
        "--audience",
        APP,
    ];
    assert_eq!(run(&mut program(&arguments), token.as_bytes()).code, 0);
    // Of 2001: it was good then, and is so on no clock that is right.
    let old = good().issued_at(999_999_400).expires_at(1_000_000_000);
    let arguments = [&arguments[..], &["--json"]].concat();
    let ended = run(&mut program(&arguments), old.sign(&house.key).as_bytes());
    assert_eq!((ended.code, &ended.json()["code"]), (1, &json!("expired")));
}

#[test]
fn the_environment_says_what_no_flag_does() {
    let house = House::new();
    let jwks = house.jwks();
    let at = NOW.to_string();
    let verify = |more: &[&str], environment: &[(&str, &str)]| {
        let arguments = [&["verify", "--json", "--jwks", &jwks, "--at", &at], more].concat();
        let mut command = program(&arguments);
        command.envs(environment.iter().copied());
        run(&mut command, house.good().as_bytes())
    };
    let issuer = ("JWT_ISSUER", ISSUER);
    let app = ("CORE_APP_ID", APP);
    assert_eq!(verify(&[], &[issuer, app]).code, 0);
    assert_eq!(
        verify(&[], &[issuer, ("CORE_AUDIENCE", &format!("x,{APP}"))]).code,
        0
    );
    assert_eq!(
        verify(&[], &[("JWT_ISSUER", "https://other.example"), app]).code,
        1
    );
    let flags = ["--issuer", ISSUER, "--audience", APP];
    let wrong = [
        ("JWT_ISSUER", "https://other.example"),
        ("CORE_APP_ID", "no GUID"),
        ("CORE_JWKS_URL", "nonsense"),
    ];
    assert_eq!(verify(&flags, &wrong).code, 0, "flags go first");
    for (environment, name) in [
        (&[app][..], "JWT_ISSUER"),
        (&[issuer], "CORE_APP_ID"),
        (&[issuer, ("CORE_APP_ID", "no GUID")], "CORE_APP_ID"),
        (&[issuer, app, ("CORE_AUDIENCE", "x")], "CORE_APP_ID"),
        (&[issuer, app, ("DAILEY_ENV", "test")], "DAILEY_ENV"),
    ] {
        let ended = verify(&[], environment);
        assert_eq!((ended.code, ended.out.as_str()), (64, ""), "{ended:?}");
        assert!(ended.err.contains(name), "{ended:?}");
    }
}
