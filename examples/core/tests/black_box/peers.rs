//! Core among programs that nobody here wrote: clients of RFC 6749 and RFC 8414, verifiers of JWTs.
//!
//! They are set up by `cargo xtask test`; what they are and how they are pinned is in `testbed/peers`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use serde_json::{Value, json};

use crate::core_process::{Home, Running, USER, USER_PASSWORD, text};
use crate::load::{AsyncAccept, Traffic, age_the_record, app_token, reload};

/// Longest that a peer may take for an answer, its start included.
const DEADLINE: Duration = Duration::from_secs(20);

/// Where `cargo xtask test` has set the peers up.
fn folder() -> PathBuf {
    std::env::var_os("DAILEY_PEERS").map_or_else(
        || {
            PathBuf::from(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../target/testbed/peers"
            ))
        },
        PathBuf::from,
    )
}

fn python(program: &str) -> Command {
    let mut command = Command::new(folder().join("python/bin/python"));
    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testbed/peers");
    command.arg("-I").arg(format!("{sources}/{program}"));
    command
}

fn node(program: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(folder().join("node").join(program));
    command
}

/// A client that does everything it can with Core; what it says of it.
fn driven_by(
    mut client: Command,
    core: &Running<'_>,
    app: &(String, String),
    token: &str,
) -> Value {
    let mut process = client
        .arg(core.home.issuer())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the peers are set up: `cargo xtask test` does it");
    let given = json!({
        "client_id": app.0, "client_secret": app.1, "refresh_token": token, "scope": "media:read",
    });
    let mut input = process.stdin.take().unwrap();
    input.write_all(given.to_string().as_bytes()).unwrap();
    drop(input);
    let output = process.wait_with_output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Python and Node packages: `cargo xtask test` sets them up and runs this"]
async fn standard_clients_do_everything_from_the_metadata() {
    let home = Home::initialised();
    let app = home.app("photos");
    home.user();
    let core = home.serve();
    for client in [python("client.py"), node("client.mjs")] {
        let name = format!("{client:?}");
        let (_, pair) = core.login(&app.0, USER, USER_PASSWORD).await;
        let token = text(&pair, "refresh_token");
        let said = tokio::task::block_in_place(|| driven_by(client, &core, &app, &token));
        for way in ["client_secret_basic", "client_secret_post", "refreshed"] {
            let token = text(&said[way], "access_token");
            let verified = core.verify(&app.0, &token).await.unwrap();
            let subject = verified.claims().subject().to_owned();
            assert_eq!(subject == app.0, way != "refreshed", "{name}: {way}");
            assert!(verified.has_scope("media:read"), "{name}: {way}");
        }
        for (what, code) in [
            ("spent", json!("invalid_grant")),
            ("revocation", json!(200)),
            ("revoked", json!("invalid_grant")),
            ("greedy", json!("invalid_scope")),
            ("foreign_grant", json!("unsupported_grant_type")),
            ("wrong_secret", json!("invalid_client")),
        ] {
            assert_eq!(said[what], code, "{name}: {what}");
        }
    }
}

/// A verifier that runs for the whole test.
struct Peer {
    name: &'static str,
    process: Child,
    answers: mpsc::Receiver<String>,
}

impl Peer {
    fn start(name: &'static str, mut command: Command, core: &Running<'_>, audience: &str) -> Self {
        let issuer = core.home.issuer();
        let mut process = command
            .args([&format!("{issuer}/.well-known/jwks.json"), issuer, audience])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the peers are set up: `cargo xtask test` does it");
        let output = BufReader::new(process.stdout.take().unwrap());
        let (said, answers) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if said.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            name,
            process,
            answers,
        }
    }

    /// What it says of a token: its subject, or why it is refused.
    fn verdict(&mut self, token: &str) -> String {
        let mut input = self.process.stdin.as_ref().unwrap();
        writeln!(input, "{token}").unwrap();
        self.answers
            .recv_timeout(DEADLINE)
            .unwrap_or_else(|_| panic!("{} is silent", self.name))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A peer beside the traffic that it verifies.
struct Shared(Arc<Mutex<Peer>>, String);

impl Shared {
    fn verdict(&self, token: &str) -> (&'static str, String) {
        let mut peer = self.0.lock().unwrap();
        (peer.name, peer.verdict(token))
    }
}

impl AsyncAccept for Shared {
    async fn accept(&mut self, token: String) {
        let (name, verdict) = tokio::task::block_in_place(|| self.verdict(&token));
        assert_eq!(verdict, self.1, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs Python and Node packages: `cargo xtask test` sets them up and runs this"]
async fn verifiers_of_others_follow_a_rotation_under_load_without_refusing_a_token() {
    let home = Home::initialised();
    let app = home.app("photos");
    let old = text(&home.json(&["init"], ""), "kid");
    let core = home.serve();
    let peers = [
        ("PyJWT", python("verify.py")),
        ("jose", node("verify.mjs")),
        ("aws-jwt-verify", node("verify-aws.mjs")),
    ]
    .map(|(name, command)| Arc::new(Mutex::new(Peer::start(name, command, &core, &app.0))));
    let token = async || app_token(&core.client, &home.base(), &app).await;
    let mut traffic = Traffic::new();
    for peer in &peers {
        traffic.add(&core, &app, Shared(Arc::clone(peer), app.0.clone()));
    }
    let before = token().await;
    let mut reloads = 0;
    traffic.so_many_more(30).await;

    let new = text(&home.json(&["keys", "generate"], ""), "kid");
    home.json(&["keys", "publish", &new], "");
    reload(&core, &mut reloads).await;
    traffic.so_many_more(30).await;
    // An hour passes; for the peers' caches, which are as much shorter, a second.
    age_the_record(&home, 3600);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    home.json(&["keys", "activate", &new], "");
    reload(&core, &mut reloads).await;
    traffic.so_many_more(60).await;
    for peer in &peers {
        let peer = Shared(Arc::clone(peer), app.0.clone());
        let after = token().await;
        let verdicts = tokio::task::block_in_place(|| [&before, &after].map(|t| peer.verdict(t).1));
        assert_eq!(verdicts, [app.0.as_str(); 2]);
    }
    age_the_record(&home, 3630);
    home.json(&["keys", "retire", &old], "");
    reload(&core, &mut reloads).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    traffic.so_many_more(30).await;
    traffic.end().await;
    // aws-jwt-verify keeps a key set until it meets a key that is not in it, so it is not asked.
    for (peer, refusal) in peers
        .iter()
        .zip(["PyJWKClientError", "ERR_JWKS_NO_MATCHING_KEY"])
    {
        let peer = Shared(Arc::clone(peer), String::new());
        let (name, verdict) = tokio::task::block_in_place(|| peer.verdict(&before));
        assert_eq!(verdict, refusal, "{name}");
    }
}
