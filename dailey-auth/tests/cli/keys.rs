//! Where the keys come from, and what is said when they cannot be had.

use std::time::Duration;

use dailey_auth::testing::{Fault, Issuer, SigningKey, TokenBuilder};
use serde_json::json;

use crate::program::{APP, Ended, House, ISSUER, good, program, run};

/// Runs it against an issuer on loopback, which needs this test's runtime meanwhile.
async fn against(
    issuer: &Issuer,
    arguments: &[&str],
    environment: &[(&str, &str)],
    token: &str,
) -> Ended {
    let url = issuer.url();
    let mut command = program(arguments);
    command
        .env("JWT_ISSUER", &url)
        .env("CORE_AUDIENCE", APP)
        .envs(environment.iter().copied());
    let token = token.to_owned();
    tokio::task::spawn_blocking(move || run(&mut command, token.as_bytes()))
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_fetched_from_the_issuer_or_where_it_is_said() {
    let key = SigningKey::generate();
    let issuer = Issuer::start(&[&key]).await.unwrap();
    let token = TokenBuilder::new(&issuer.url(), APP).sign(&key);
    let development = ("DAILEY_ENV", "development");
    let url = issuer.jwks_url();
    let base = issuer.url();
    for (arguments, environment) in [
        (&["verify"][..], &[development][..]),
        (&["verify", "--allow-loopback-http"], &[]),
        (&["verify", "--jwks", &url], &[development]),
        (&["verify", "--jwks", &url, "--allow-loopback-http"], &[]),
        (&["explain"], &[development, ("CORE_JWKS_URL", &url)]),
        (&["explain"], &[development, ("DAILEY_CORE_URL", &base)]),
        (&["jwks", "inspect", &url], &[development]),
        (&["jwks", "inspect", &url, "--allow-loopback-http"], &[]),
    ] {
        let before = issuer.requests();
        let ended = against(&issuer, arguments, environment, &token).await;
        assert_eq!(ended.code, 0, "{arguments:?} {environment:?}: {ended:?}");
        assert_eq!(issuer.requests(), before + 1, "one attempt");
    }
    for arguments in [&["verify"][..], &["verify", "--jwks", &url]] {
        let ended = against(&issuer, arguments, &[], &token).await;
        assert_eq!(ended.code, 64, "plain http needs a word: {ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_fails_leaves_no_verdict() {
    let key = SigningKey::generate();
    let issuer = Issuer::start(&[&key]).await.unwrap();
    let token = TokenBuilder::new(&issuer.url(), APP).sign(&key);
    let json_body = |body: &str| Fault::Body("application/json", body.into());
    let url = issuer.jwks_url();
    for (fault, reason) in [
        (Fault::Cut, "could not be reached"),
        (Fault::Status(500), "status 500"),
        (Fault::Status(302), "redirect"),
        (Fault::Body("text/html", b"{}".to_vec()), "content type"),
        (json_body("\u{1b}[2Jgarbage"), "not a strict JSON"),
        (json_body(&" ".repeat(70_000)), "longer than"),
        (json_body(r#"{"keys":[]}"#), "no usable"),
    ] {
        issuer.set_fault(fault.clone());
        let before = issuer.requests();
        let ended = against(
            &issuer,
            &["verify", "--json", "--allow-loopback-http"],
            &[],
            &token,
        )
        .await;
        assert_eq!(ended.code, 2, "{fault:?}: {ended:?}");
        assert_eq!(ended.json()["valid"], false);
        assert_eq!(ended.json()["code"], "keys_unavailable");
        assert_eq!(ended.json()["claim"], json!(null));
        assert!(ended.json()["hint"].is_string());
        assert!(ended.err.contains(reason), "{fault:?}: {ended:?}");
        assert!(!ended.said().contains('\u{1b}'));
        assert_eq!(issuer.requests(), before + 1, "one attempt");
        let inspected = against(
            &issuer,
            &["jwks", "inspect", &url, "--allow-loopback-http", "--json"],
            &[],
            "",
        )
        .await;
        let no_key = fault == json_body(r#"{"keys":[]}"#);
        assert_eq!(
            inspected.code,
            if no_key { 1 } else { 2 },
            "{fault:?}: {inspected:?}"
        );
        assert_eq!(inspected.json()["usable"], 0);
        assert_eq!(inspected.json()["error"].is_null(), no_key);
    }
    let explained = against(&issuer, &["explain", "--allow-loopback-http"], &[], &token).await;
    assert_eq!(explained.code, 2);
    assert!(
        explained.out.contains("? cannot decide: keys_unavailable"),
        "{explained:?}"
    );
    assert!(explained.out.contains("no usable"), "{explained:?}");
    let explained = against(
        &issuer,
        &["explain", "--json", "--allow-loopback-http"],
        &[],
        &token,
    )
    .await;
    let checks = &explained.json()["checks"];
    assert_eq!(checks[6], json!({ "check": "key_id", "status": "passed" }));
    assert_eq!(checks[7], json!({ "check": "key_set", "status": "failed" }));
    assert_eq!(
        checks[8],
        json!({ "check": "key", "status": "not_reached" })
    );
    let spoilt = against(&issuer, &["verify", "--allow-loopback-http"], &[], "x").await;
    assert_eq!(spoilt.code, 1, "a token of no form needs no keys");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_takes_too_long_is_given_up() {
    let key = SigningKey::generate();
    let (stalling, dripping) = (
        Issuer::start(&[&key]).await.unwrap(),
        Issuer::start(&[&key]).await.unwrap(),
    );
    stalling.set_fault(Fault::Stall);
    dripping.set_fault(Fault::Drip(Duration::from_millis(100)));
    let url = stalling.jwks_url();
    let token = |issuer: &Issuer| TokenBuilder::new(&issuer.url(), APP).sign(&key);
    let (first, second) = (token(&stalling), token(&dripping));
    let verify = ["verify", "--allow-loopback-http"];
    let inspect = ["jwks", "inspect", &url, "--allow-loopback-http"];
    let (stalled, dripped, inspected) = tokio::join!(
        against(&stalling, &verify, &[], &first),
        against(&dripping, &verify, &[], &second),
        against(&stalling, &inspect, &[], ""),
    );
    for ended in [stalled, dripped, inspected] {
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(
            ended.said().contains("the issuer took too long"),
            "{ended:?}"
        );
    }
}

#[test]
fn nobody_at_the_address_leaves_no_verdict() {
    let house = House::new();
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("http://127.0.0.1:{port}/?key=s3cret");
    let more = ["--jwks", &url, "--allow-loopback-http"];
    let arguments = ["verify", "--issuer", ISSUER, "--audience", APP];
    let ended = run(
        &mut program(&[&arguments[..], &more].concat()),
        house.good().as_bytes(),
    );
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(
        ended.out.contains("the issuer could not be reached"),
        "{ended:?}"
    );
    assert!(
        !ended.said().contains("s3cret"),
        "an address can hold a key: {ended:?}"
    );
}

#[test]
fn a_file_that_is_no_key_set_leaves_no_verdict() {
    let house = House::new();
    let token = house.good();
    let folder = house.folder().to_str().unwrap().to_owned();
    let missing = format!("{folder}/missing.json");
    let garbage = house.write("garbage.json", b"\x1b[2J not JSON");
    let large = house.write("large.json", &vec![b' '; 70_000]);
    let empty = house.write("empty.json", br#"{"keys":[]}"#);
    for place in [&folder, &missing, &garbage, &large, &empty] {
        let arguments = [
            "verify",
            "--json",
            "--issuer",
            ISSUER,
            "--audience",
            APP,
            "--jwks",
            place,
        ];
        let ended = run(&mut program(&arguments), token.as_bytes());
        assert_eq!(ended.code, 2, "{place}: {ended:?}");
        assert_eq!(ended.json()["code"], "keys_unavailable");
        assert!(ended.err.contains("key set"), "{ended:?}");
        assert!(!ended.said().contains('\u{1b}'));
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_in_place_of_a_key_file_is_refused_and_not_waited_for() {
    let house = House::new();
    let pipe = house.folder().join("pipe");
    let made = std::process::Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .unwrap();
    assert!(made.success());
    let place = pipe.to_str().unwrap();
    let arguments = [
        "verify",
        "--issuer",
        ISSUER,
        "--audience",
        APP,
        "--jwks",
        place,
    ];
    let ended = run(&mut program(&arguments), good().sign(&house.key).as_bytes());
    assert_eq!(ended.code, 2, "{ended:?}");
}

#[test]
fn the_snapshot_is_a_services_and_is_left_alone() {
    let house = House::new();
    let snapshot = house.folder().join("snapshot");
    let mut command = house.program("verify", &[]);
    command.env("JWKS_SNAPSHOT_FILE", &snapshot);
    assert_eq!(run(&mut command, house.good().as_bytes()).code, 0);
    assert!(!snapshot.exists());
}
