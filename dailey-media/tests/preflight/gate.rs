//! In production the port opens when everything is proven, and not a moment before.

use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::core::{Ahead, Answer};
use super::ground::{Ground, write};

const PATIENCE: Duration = Duration::from_secs(20);

/// Logged once the port is open.
const LISTENS: &str = "\"listening\"";

/// Tries to connect until the process ends; panics as soon as somebody answers. Its status, and how often was tried:
/// that depends on how long it lives and how fast this machine is.
fn ends_without_ever_listening(ground: &Ground, mut child: Child) -> (Option<i32>, u64) {
    let deadline = Instant::now() + PATIENCE;
    let mut tries = 0;
    loop {
        let connected = TcpStream::connect_timeout(&ground.address(), Duration::from_millis(200));
        assert!(connected.is_err(), "the port was open");
        tries += 1;
        if let Some(status) = child.try_wait().unwrap() {
            return (status.code(), tries);
        }
        assert!(Instant::now() < deadline, "it did not end");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// While `check` fails, `serve` says so and ends, and nobody can ever connect. How often was tried.
pub(crate) fn stays_shut(ground: &Ground, check: &str) -> u64 {
    let errors = std::fs::File::create(ground.path("errors")).unwrap();
    let mut command = ground.command();
    command.arg("serve").stderr(errors).stdout(Stdio::null());
    command.env("RUST_LOG", "info");
    let child = command.spawn().unwrap();
    let (status, tries) =
        tokio::task::block_in_place(|| ends_without_ever_listening(ground, child));
    assert_eq!(status, Some(1), "{check}");
    let said = std::fs::read_to_string(ground.path("errors")).unwrap();
    // Between two tries neither.
    assert!(!said.contains(LISTENS), "{check}: {said}");
    let first = said.split_once("✗ ").map(|(_, rest)| rest);
    assert!(
        first.is_some_and(|first| first.starts_with(&format!("{check} ")) && first.contains("→ ")),
        "{check}: {said}"
    );
    tries
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_check_fails_nobody_can_ever_connect() {
    type Break = fn(&mut Ground);
    // `port` alone leaves nothing to connect to, and `conditional_writes` needs a bucket.
    let breaks: [(&str, Break); 7] = [
        ("config", |ground| ground.set("CORS_ORIGINS", "*")),
        ("core_health", |ground| {
            let ill = Answer::Says(503, "application/json", "{}".into());
            ground.core.health(ill);
        }),
        ("core_jwks", |ground| ground.core.jwks(Answer::Stalls)),
        ("core_jwks", |ground| ground.core.jwks(Answer::HangsUp)),
        ("clock", |ground| {
            ground.core.clock(Ahead::By(Duration::from_secs(60)));
        }),
        ("storage", |ground| {
            let toml = "[storage.local]\nroot = '/proc/nowhere'\n";
            write(&ground.path("dailey-media.toml"), toml);
        }),
        ("frontend_env", |ground| ground.frontend("API_SECRET=hush")),
    ];
    let mut tries = 0;
    for (check, break_it) in breaks {
        let mut ground = Ground::new().await;
        break_it(&mut ground);
        tries += stays_shut(&ground, check);
    }
    // One of them takes five seconds.
    assert!(tries > 100, "only {tries} tries");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_everything_is_proven_production_serves() {
    let ground = Ground::new().await;
    let mut command = ground.command();
    command.arg("serve");
    let log = ground.path("log");
    let mut child = testbed::Child::start("dailey-media", command, &log).unwrap();
    let url = format!("http://{}/health", ground.address());
    testbed::wait_for_http(&mut child, &url, PATIENCE).unwrap();
    let token = dailey_auth::testing::TokenBuilder::new(&ground.core.url(), super::ground::APP);
    let token = token.claim("scope", "media:read").sign(&ground.core.key);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}/api/auth/validate", ground.address());
    let answer = client.get(url).bearer_auth(token).send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert_eq!(status, 200, "{text}");
    child.log_with(PATIENCE, |log| log.contains(LISTENS));
}

#[tokio::test]
async fn the_table_is_for_people_and_wrong_usage_is_64() {
    let ground = Ground::new().await;
    let run = |arguments: &[&str]| {
        let mut command = ground.command();
        command.args(arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap())
    };
    let output = run(&["preflight"]).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert_eq!(text.matches("✓ ").count(), 8, "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    for arguments in [&["preflight", "--nonsense"][..], &["preflight", "more"]] {
        assert_eq!(run(arguments).await.unwrap().status.code(), Some(64));
    }
    let help = run(&["preflight", "--help"]).await.unwrap();
    assert_eq!(help.status.code(), Some(0));
}
