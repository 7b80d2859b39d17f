//! What reaches a terminal, and what happens when nobody reads.

use std::process::Stdio;

use serde_json::json;

use crate::program::{House, good, program, run};

/// Things that drive a terminal or turn the text around them.
const NASTY: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\r\u{202e}txt";

fn assert_harmless(said: &str) {
    let harmful = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
    assert!(!said.chars().any(harmful), "{said:?}");
}

#[test]
fn nothing_of_a_token_drives_the_terminal() {
    let house = House::new();
    let payload = good()
        .claim("sub", NASTY)
        .claim(NASTY, NASTY)
        .claim("aud", NASTY);
    let tokens = [
        good()
            .claim("sub", NASTY)
            .claim(NASTY, [NASTY])
            .sign(&house.key),
        payload.sign(&house.key),
        good().header("kid", NASTY).sign(&house.key),
        good().header("typ", NASTY).sign(&house.key),
        NASTY.to_owned(),
    ];
    for token in tokens {
        for arguments in [
            &["verify"][..],
            &["verify", "--json"],
            &["explain", "--show-claims"],
            &["explain", "--show-claims", "--json"],
        ] {
            let ended = house.run(arguments[0], &arguments[1..], &token);
            assert_harmless(&ended.said());
        }
    }
    let shown = house.run(
        "verify",
        &["--json"],
        &good().claim("sub", NASTY).sign(&house.key),
    );
    assert_eq!(
        shown.json()["claims"]["sub"],
        NASTY,
        "a JSON reader gets it as it was"
    );
}

#[test]
fn nothing_of_a_key_set_drives_the_terminal() {
    let house = House::new();
    let set = json!({ "keys": [
        { "kid": NASTY, "kty": NASTY, "use": NASTY, "alg": NASTY, "n": NASTY, "e": NASTY },
        { "kty": "RSA", "n": NASTY, "e": NASTY }, house.key.jwk(),
    ]});
    let place = house.write("set.json", set.to_string().as_bytes());
    for more in [&[][..], &["--json"]] {
        let ended = run(
            &mut program(&[&["jwks", "inspect", &place], more].concat()),
            b"",
        );
        assert_eq!(ended.code, 0);
        assert_harmless(&ended.said());
    }
}

#[test]
fn the_exit_code_is_right_when_nobody_reads() {
    let house = House::new();
    for (token, code) in [(house.good(), 0), ("x".to_owned(), 1)] {
        let mut child = house
            .program("explain", &["--show-claims"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Closed before it can have written anything: it waits for the token.
        drop(child.stdout.take());
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), token.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code));
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    }
    let mut help = program(&["--help"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(help.stdout.take());
    assert_eq!(help.wait().unwrap().code(), Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told() {
    let house = House::new();
    let token = house.write("token", house.good().as_bytes());
    let output = house
        .program("verify", &["--json"])
        .stdin(std::fs::File::open(token).unwrap())
        .stdout(
            std::fs::OpenOptions::new()
                .write(true)
                .open("/dev/full")
                .unwrap(),
        )
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("cannot be written")
    );
}

/// `script` of util-linux lends a terminal.
#[cfg(target_os = "linux")]
mod terminal {
    use super::*;
    use crate::program::{Ended, NOW};

    /// Runs a shell line, with `$PROGRAM` and `$TOKEN` (a file), on a terminal of its own.
    fn on_terminal(house: &House, line: &str, input: &[u8]) -> Ended {
        let token = house.write("token", house.good().as_bytes());
        let mut command = std::process::Command::new("script");
        command
            .args(["--quiet", "--return", "--command", line, "/dev/null"])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("SHELL", "/bin/sh")
            .env("TERM", "xterm")
            .env("PROGRAM", env!("CARGO_BIN_EXE_dailey-auth"))
            .env("TOKEN", token)
            .env("JWKS", house.jwks())
            .env("NOW", NOW.to_string())
            .env("JWT_ISSUER", crate::program::ISSUER)
            .env("CORE_APP_ID", crate::program::APP);
        run(&mut command, input)
    }

    const VERIFY: &str = "\"$PROGRAM\" verify --jwks \"$JWKS\" --at \"$NOW\"";

    #[test]
    fn colour_is_for_terminals_that_want_it() {
        let house = House::new();
        let colour = |before: &str, after: &str| {
            let line = format!("{before} {VERIFY} {after} < \"$TOKEN\"");
            let ended = on_terminal(&house, &line, b"");
            assert_eq!(ended.code, 0, "{ended:?}");
            ended.out.contains("\u{1b}[32m")
        };
        assert!(colour("", ""));
        assert!(colour("NO_COLOR=", ""));
        assert!(!colour("NO_COLOR=1", ""));
        assert!(!colour("TERM=dumb", ""));
        assert!(!colour("", "--json"));
        assert!(!colour("", "| cat"));
        assert!(
            !house
                .run("verify", &[], &house.good())
                .out
                .contains('\u{1b}')
        );
    }

    #[test]
    fn on_a_terminal_it_says_that_it_waits_and_one_line_is_enough() {
        let house = House::new();
        let ended = on_terminal(&house, VERIFY, b"abc\n");
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(
            ended
                .out
                .contains("waiting for the token on standard input"),
            "{ended:?}"
        );
        assert!(ended.out.contains("token_malformed"), "{ended:?}");
    }
}
