//! Wrong command lines: exit 64, and never a word of what was given.

use dailey_auth::testing::SigningKey;

use crate::program::{APP, House, ISSUER, good, program, run};

#[test]
fn wrong_usage_exits_64_and_says_why_on_standard_error() {
    for arguments in [
        &[][..],
        &["jwks"],
        &["jwks", "inspect"],
        &["jwks", "inspect", "a", "b"],
        &["verfy"],
        &["verify", "--jsno"],
        &["verify", "--issuer"],
        &["verify", "--audience"],
        &["verify", "--at", "-1"],
        &["verify", "--at", "now"],
        &["verify", "--at", "9007199254740993"],
        &["verify", "--json", "--json"],
        &["verify", "--show-claims"],
        &["verify"],
        &["verify", "--issuer", ISSUER],
        &["verify", "--issuer", "core", "--audience", APP],
        &["verify", "--issuer", " x", "--audience", APP],
        &["verify", "--issuer", ISSUER, "--audience", ""],
        &[
            "verify",
            "--issuer",
            ISSUER,
            "--audience",
            APP,
            "--leeway",
            "301",
        ],
        &[
            "verify",
            "--issuer",
            ISSUER,
            "--audience",
            APP,
            "--type",
            "",
        ],
        &[
            "verify",
            "--issuer",
            ISSUER,
            "--audience",
            APP,
            "--jwks",
            "http://127.0.0.1:1/",
        ],
        &[
            "verify",
            "--issuer",
            ISSUER,
            "--audience",
            APP,
            "--jwks",
            "http://core.example/",
            "--allow-loopback-http",
        ],
        &[
            "verify",
            "--issuer",
            ISSUER,
            "--audience",
            APP,
            "--jwks",
            "ftp://core.example/",
        ],
        &[
            "verify",
            "--issuer",
            ISSUER,
            "--audience",
            APP,
            "--jwks",
            "https:core.example",
        ],
        &[
            "verify",
            "--issuer",
            "http://127.0.0.1:1",
            "--audience",
            APP,
        ],
        &["jwks", "inspect", "http://127.0.0.1:1/"],
    ] {
        let ended = run(&mut program(arguments), b"");
        assert_eq!(
            (ended.code, ended.out.as_str()),
            (64, ""),
            "{arguments:?}: {ended:?}"
        );
        assert!(!ended.err.is_empty(), "{arguments:?}");
    }
}

#[test]
fn help_and_version_exit_0() {
    for arguments in [
        &["--help"][..],
        &["-h"],
        &["help"],
        &["help", "verify"],
        &["verify", "--help"],
        &["explain", "--help"],
        &["jwks", "--help"],
        &["jwks", "inspect", "-h"],
    ] {
        let ended = run(&mut program(arguments), b"");
        assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{arguments:?}");
        assert!(ended.out.contains("Usage: dailey-auth"), "{arguments:?}");
    }
    let version = run(&mut program(&["--version"]), b"").out;
    assert_eq!(
        version,
        format!("dailey-auth {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn a_setting_that_is_wrong_is_named_as_it_was_given() {
    for (arguments, name) in [
        (
            &["verify", "--issuer", " x", "--audience", APP][..],
            "--issuer",
        ),
        (
            &["verify", "--issuer", "core", "--audience", APP],
            "--issuer",
        ),
        (
            &["verify", "--issuer", ISSUER, "--audience", ""],
            "--audience",
        ),
        (
            &[
                "verify",
                "--issuer",
                ISSUER,
                "--audience",
                APP,
                "--leeway",
                "301",
            ],
            "--leeway",
        ),
        (
            &[
                "verify",
                "--issuer",
                ISSUER,
                "--audience",
                APP,
                "--type",
                "",
            ],
            "--type",
        ),
        (
            &[
                "verify",
                "--issuer",
                ISSUER,
                "--audience",
                APP,
                "--jwks",
                "https://",
            ],
            "--jwks",
        ),
        (&["verify", "--audience", APP], "JWT_ISSUER"),
        (&["verify", "--at", "x"], "--at"),
    ] {
        let ended = run(&mut program(arguments), b"");
        assert!(ended.err.contains(name), "{arguments:?}: {}", ended.err);
    }
}

#[test]
fn a_token_as_an_argument_is_refused_and_not_repeated() {
    let token = good().sign(&SigningKey::generate());
    let other = "AbCdEfSecret.GhIjKlSecret.MnOpQrSecret".to_owned();
    for token in [&token, &other] {
        let joined = |option: &str| format!("{option}{token}");
        for arguments in [
            vec!["verify".to_owned(), token.clone()],
            vec!["explain".to_owned(), token.clone()],
            vec![token.clone()],
            vec!["help".to_owned(), token.clone()],
            vec!["jwks".to_owned(), token.clone()],
            vec!["verify".to_owned(), "--token".to_owned(), token.clone()],
            vec!["verify".to_owned(), joined("--token=")],
            vec!["verify".to_owned(), joined("--json=")],
            vec!["verify".to_owned(), joined("--")],
            vec!["verify".to_owned(), joined("-")],
            vec!["verify".to_owned(), "--at".to_owned(), token.clone()],
            vec!["verify".to_owned(), joined("--leeway=")],
            vec!["verify".to_owned(), "--".to_owned(), token.clone()],
            vec![
                "jwks".to_owned(),
                "inspect".to_owned(),
                "x".to_owned(),
                token.clone(),
            ],
        ] {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let ended = run(&mut program(&arguments), b"");
            assert_eq!(ended.code, 64, "{arguments:?}: {ended:?}");
            for piece in token.split('.') {
                assert!(!ended.said().contains(piece), "{arguments:?}: {ended:?}");
            }
        }
    }
    // Where an option would swallow it.
    for option in ["--audience", "--issuer", "--jwks", "--type"] {
        let ended = House::new().run("verify", &[option, &token], "");
        assert_eq!(ended.code, 64, "{option}: {ended:?}");
        assert!(ended.err.contains("standard input"), "{ended:?}");
        assert!(!ended.said().contains(&token[..20]), "{ended:?}");
    }
}
