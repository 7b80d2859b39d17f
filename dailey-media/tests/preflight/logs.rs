//! What production writes: one JSON line for an event, and for a request nothing that names a person.

use std::collections::HashSet;
use std::time::Duration;

use dailey_auth::testing::TokenBuilder;
use serde_json::Value;
use testbed::Child;

use super::ground::{APP, Ground};

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_one_line_of_json_with_its_id_and_a_name_that_only_we_can_make() {
    let mut ground = Ground::new().await;
    ground.set("RUST_LOG", "trace");
    let mut command = ground.command();
    command.arg("serve");
    let mut child = Child::start("dailey-media", command, &ground.path("log")).unwrap();
    let base = format!("http://{}", ground.address());
    testbed::wait_for_http(&mut child, &format!("{base}/health"), PATIENCE).unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for (id, subject) in [
        ("one", "alice@example"),
        ("two", "alice@example"),
        ("three", "robert@example"),
    ] {
        let token = TokenBuilder::new(&ground.core.url(), APP)
            .claim("sub", subject)
            .claim("scope", "media:read");
        let asked = client
            .get(format!(
                "{base}/api/media/very-private-name?download=secret"
            ))
            .header("x-request-id", id)
            .bearer_auth(token.sign(&ground.core.key));
        let answer = asked.send().await.unwrap();
        assert_eq!(answer.headers()["x-request-id"], id);
        assert_eq!(answer.status(), 404);
    }
    let all = |log: &str| {
        ["\"one\"", "\"two\"", "\"three\""]
            .iter()
            .all(|id| log.contains(id))
    };
    let log = child.log_with(PATIENCE, all);
    assert_eq!(testbed::token_in(&log), None);
    for secret in [
        "alice@example",
        "robert@example",
        "very-private",
        "download",
        "Bearer",
    ] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
    let lines = log.lines().map(serde_json::from_str::<Value>);
    let lines: Vec<Value> = lines.map(Result::unwrap).collect();
    let of = |id: &str| {
        let mut found = lines.iter().filter(|line| line["request_id"] == id);
        let line = found.find(|line| line["target"] == "access").unwrap();
        assert_eq!(line["route"], "/api/media/{*key}");
        assert_eq!(line["method"], "GET");
        assert_eq!(line["status"], 404);
        assert_eq!(line["code"], "object_not_found");
        assert!(line["ms"].as_f64().is_some_and(|ms| ms > 0.0), "{line}");
        let subject = line["subject"].as_str().unwrap();
        assert_eq!(subject.len(), 16, "{line}");
        subject
    };
    assert_eq!(of("one"), of("two"));
    assert_ne!(of("one"), of("three"));

    // What reads the lines need not tell one kind from another.
    let form = |line: &Value| {
        let timestamp = line["timestamp"].as_str().unwrap();
        let digits = timestamp.replace(|letter: char| letter.is_ascii_digit(), "0");
        let names = ["timestamp", "level", "message", "target"];
        let texts = names.map(|name| line[name].is_string());
        assert_eq!(texts, [true; 4], "{line}");
        (digits, timestamp.len())
    };
    let forms: HashSet<_> = lines.iter().map(form).collect();
    assert_eq!(forms.len(), 1, "{forms:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rust_log_chooses_whether_requests_are_logged() {
    for (directives, logged) in [("info", true), ("info,access=off", false), ("warn", false)] {
        let mut ground = Ground::new().await;
        ground.set("RUST_LOG", directives);
        let mut command = ground.command();
        command.arg("serve");
        let mut child = Child::start("dailey-media", command, &ground.path("log")).unwrap();
        let url = format!("http://{}/health/live", ground.address());
        testbed::wait_for_http(&mut child, &url, PATIENCE).unwrap();
        let says = |log: &str| log.contains("/health/live");
        if logged {
            child.log_with(PATIENCE, says);
        } else {
            // By the time of the last answer the lines of the first would be there.
            for _ in 0..20 {
                reqwest::get(&url).await.unwrap();
            }
            let log = std::fs::read_to_string(child.log()).unwrap();
            assert!(!says(&log), "{directives}: {log}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_a_flood_has_its_own_whole_line() {
    const CLIENTS: usize = 32;
    const REQUESTS: usize = 100;
    let ground = Ground::new().await;
    let mut command = ground.command();
    command.arg("serve");
    let mut child = Child::start("dailey-media", command, &ground.path("log")).unwrap();
    let url = format!("http://{}/health/live", ground.address());
    testbed::wait_for_http(&mut child, &url, PATIENCE).unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ids = |client| (0..REQUESTS).map(move |request| format!("flood-{client}-{request}"));
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..CLIENTS {
        let (client, url) = (client.clone(), url.clone());
        clients.spawn(async move {
            for id in ids(number) {
                let asked = client.get(&url).header("x-request-id", id).send();
                assert_eq!(asked.await.unwrap().status(), 200);
            }
        });
    }
    clients.join_all().await;
    let all = CLIENTS * REQUESTS;
    let log = child.log_with(PATIENCE, |log| log.matches("flood-").count() >= all);
    let lines = log.lines().map(serde_json::from_str::<Value>);
    let lines: Vec<Value> = lines.map(Result::unwrap).collect();
    let said = lines.iter().filter_map(|line| line["request_id"].as_str());
    let said = said.filter(|id| id.starts_with("flood-"));
    let mut said: Vec<String> = said.map(str::to_owned).collect();
    let mut sent: Vec<String> = (0..CLIENTS).flat_map(ids).collect();
    said.sort();
    sent.sort();
    assert_eq!(said, sent);
}
