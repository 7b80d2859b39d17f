//! The token corpus over real HTTP: `/api/auth/validate` gives every token the verdict of the
//! library, and what HTTP itself does not carry is answered by HTTP.

#![allow(clippy::unwrap_used)] // what fails here says so by failing

#[path = "../../dailey-auth/tests/corpus/loader.rs"]
#[allow(dead_code)] // each runner takes what it needs
mod loader;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

use dailey_auth::testing::ManualClock;
use dailey_auth::{KeySet, Verifier};
use dailey_http::listen::{self, Limits};
use dailey_media::server;
use dailey_media::settings::Settings;
use loader::{ACCEPTED, Policy, Row, outcome};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// More than any answer takes; only a hang is longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The only tokens that the library refuses and that are let in over HTTP: by RFC 9110 section 5.5
/// and RFC 9112 section 2.2 the message is, byte for byte of its fields, that of a good token.
const MEANS_A_GOOD_TOKEN: [&str; 5] = [
    "43 newline after token",
    "space after",
    "tab after",
    "CR LF after",
    "a header line behind",
];

/// What the service must answer.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    /// 200 or 401, with this verdict.
    Verdict(String),
    /// 400 by the HTTP layer: the bytes are no request.
    BadRequest,
    /// 431 by the HTTP layer: the head is larger than the service reads.
    HeadTooLarge,
}

/// What must come of a token in an `Authorization` header of a head that is `head_bytes` long.
///
/// A header's value has no control characters, no line breaks and no white space at its ends (RFC
/// 9110 section 5.5). A sender that writes them all the same has written another message: none at
/// all, or one with another token, whose verdict then counts.
fn over_http(row: &Row, head_bytes: usize, verdicts: &HashMap<Vec<u8>, String>) -> Answer {
    let token = row.bytes();
    // RFC 9112 section 2.2: a reader may take a bare line feed for the end of a line.
    let mut lines = token.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let first = match lines.next() {
        None => first,
        Some(rest) if rest.is_empty() || rest.contains(&b':') => {
            first.strip_suffix(b"\r").unwrap_or(first)
        }
        Some(_) => return Answer::BadRequest,
    };
    let control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
    // Such a byte is refused as it comes in, whatever would follow.
    if first.iter().any(control) {
        return Answer::BadRequest;
    }
    if head_bytes > Limits::default().max_head_bytes {
        return Answer::HeadTooLarge;
    }
    let carried = first.trim_ascii_end();
    let verdict = if carried == token {
        row.expected()
    } else if carried.is_empty() {
        "token_missing".to_owned()
    } else {
        let verdict = verdicts.get(carried);
        let name = &row.name;
        let verdict = verdict.unwrap_or_else(|| panic!("{name}: give the rest a row of its own"));
        let let_in = verdict == ACCEPTED;
        assert_eq!(let_in, MEANS_A_GOOD_TOKEN.contains(&&**name), "{name}");
        verdict.clone()
    };
    Answer::Verdict(verdict)
}

struct Service {
    address: SocketAddr,
    _folder: TempDir,
}

impl Service {
    /// The real service on loopback, at the time and with the keys of the corpus.
    async fn start(policy: &Policy) -> Self {
        let folder = TempDir::new().unwrap();
        let config = folder.path().join("dailey-media.toml");
        let root = folder.path().join("media");
        let root = root.to_str().unwrap();
        std::fs::write(&config, format!("[storage.local]\nroot = \"{root}\"\n")).unwrap();
        let lookup = |key: &str| match key {
            "DAILEY_ENV" => Some("development".to_owned()),
            "JWT_ISSUER" => Some(policy.issuer.clone()),
            "CORE_AUDIENCE" => Some(policy.audiences.join(",")),
            // One address asks for all of them at once.
            "RATE_LIMIT" => Some("off".to_owned()),
            _ => None,
        };
        let settings = Settings::read(&lookup, Some(&config)).unwrap();
        let (keys, _) = KeySet::from_json(&loader::jwks()).unwrap();
        let verifier = Verifier::builder(&policy.issuer, &policy.audiences)
            .key_set(keys)
            .leeway(Duration::from_secs(policy.leeway_seconds))
            .max_lifetime(Duration::from_secs(policy.max_lifetime_seconds))
            .clock(ManualClock::at(policy.now))
            .build()
            .unwrap();
        let app = server::with_verifier(&settings, verifier).await.unwrap();
        let listener = listen::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let forever = std::future::pending();
        tokio::spawn(listen::serve(listener, app, Limits::default(), forever));
        Self {
            address,
            _folder: folder,
        }
    }

    async fn ask(&self, head: &[u8]) -> String {
        tokio::time::timeout(PATIENCE, self.exchange(head))
            .await
            .expect("an answer in time")
    }

    async fn exchange(&self, head: &[u8]) -> String {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut from, mut to) = stream.into_split();
        let mut answer = Vec::new();
        // A refused head is answered before it is read to its end: writing the rest may fail.
        let (_, read) = tokio::join!(to.write_all(head), from.read_to_end(&mut answer));
        assert!(read.is_ok() || !answer.is_empty(), "{read:?}");
        String::from_utf8(answer).unwrap()
    }
}

fn head(method: &str, token: &[u8]) -> Vec<u8> {
    let before = format!(
        "{method} /api/auth/validate HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\nconnection: close\r\nauthorization: Bearer "
    );
    [before.as_bytes(), token, b"\r\n\r\n"].concat()
}

/// What was answered, every promise about such an answer checked.
fn read(row: &Row, answer: &str, policy: &Policy) -> Answer {
    let name = &row.name;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (own, value) = line.split_once(": ")?;
            own.eq_ignore_ascii_case(name).then_some(value)
        })
    };
    let status = head.split(' ').nth(1).unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    if status == "400" {
        assert_eq!(body["code"], "malformed_request", "{name}");
        return Answer::BadRequest;
    }
    if status == "431" {
        assert_eq!(body["code"], "head_too_large", "{name}");
        return Answer::HeadTooLarge;
    }
    if status == "200" {
        assert_eq!(body["valid"], true, "{name}");
        assert_eq!(body["iss"], policy.issuer, "{name}");
        assert!(body["sub"].is_string(), "{name}");
        let audiences = body["aud"].as_array().unwrap();
        let ours = |audience: &Value| policy.audiences.iter().any(|own| own == audience);
        assert!(audiences.iter().any(ours), "{name}");
        return Answer::Verdict(ACCEPTED.to_owned());
    }
    assert_eq!(status, "401", "{name}");
    assert_eq!(
        header("content-type"),
        Some("application/problem+json"),
        "{name}"
    );
    assert_eq!(body["valid"], false, "{name}");
    let code = body["code"].as_str().unwrap();
    let challenge = match code {
        "token_missing" => "Bearer".to_owned(),
        _ => format!("Bearer error=\"invalid_token\", error_description=\"{code}\""),
    };
    assert_eq!(
        header("www-authenticate"),
        Some(challenge.as_str()),
        "{name}"
    );
    Answer::Verdict(outcome(code, body["claim"].as_str()))
}

/// Whether the answer holds eight bytes of the token in one piece.
fn tells(answer: &str, token: &[u8]) -> Option<String> {
    const PIECE_BYTES: usize = 8;
    let pieces: HashSet<&[u8]> = token.windows(PIECE_BYTES).collect();
    let told = answer
        .as_bytes()
        .windows(PIECE_BYTES)
        .find(|piece| pieces.contains(piece));
    told.map(|piece| String::from_utf8_lossy(piece).into_owned())
}

async fn every_token_over(method: &str) {
    let policy = loader::policy();
    let service = Service::start(&policy).await;
    let rows = loader::rows();
    let verdicts = rows.iter().map(|row| (row.bytes(), row.expected()));
    let verdicts: HashMap<_, _> = verdicts.collect();
    let mut wrong = Vec::new();
    for row in &rows {
        let head = head(method, &row.bytes());
        let expected = over_http(row, head.len(), &verdicts);
        let answer = service.ask(&head).await;
        let said = read(row, &answer, &policy);
        if said != expected {
            wrong.push(format!("{}: {said:?}, not {expected:?}", row.name));
        }
        if said != Answer::Verdict(ACCEPTED.to_owned()) {
            assert_eq!(tells(&answer, &row.bytes()), None, "{}", row.name);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_token_gets_its_verdict_over_get() {
    every_token_over("GET").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_token_gets_its_verdict_over_post() {
    every_token_over("POST").await;
}
