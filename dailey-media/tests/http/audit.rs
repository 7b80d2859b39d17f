//! The audit log: every change of an object is in it before anybody is told of the change.

use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use testbed::Signal;

use crate::service::{APP, Service, header, json as body, problem};

fn lines(log: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(log).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

/// Verdict and exit status of `audit verify --json`.
fn verify(log: &Path, more: &[&str]) -> (Value, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dailey-media"));
    command
        .args(["audit", "verify", "--json"])
        .arg(log)
        .args(more);
    let output = command.output().unwrap();
    let verdict = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (verdict, output.status.code().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_one_line_that_says_who_did_what_to_which_object() {
    let service = Service::audited().await;
    let put = service.put("a/b", b"hello").await;
    let request_id = header(&put, "x-request-id").to_owned();
    let sha256 = body(put).await["sha256"].clone();
    service.put("a/b", b"hello").await;
    let post = async |operation: &str, wanted: Value| {
        let path = format!("/api/media-ops/{operation}");
        let answer = service.post(&path, &wanted).await;
        assert!(answer.status().is_success(), "{operation} {wanted}");
        body(answer).await
    };
    post("copy", json!({ "from": "a/b", "to": "c" })).await;
    post("move", json!({ "from": "c", "to": "d" })).await;
    let link = post("presign", json!({ "key": "é \"x\"", "method": "PUT" })).await;
    let stored = service.at(Method::PUT, link["url"].as_str().unwrap());
    assert_eq!(stored.body("x").send().await.unwrap().status(), 201);
    post("delete", json!({ "keys": ["d", "nobody"] })).await;
    post("delete", json!({ "prefix": "a/" })).await;
    let gone = service.request(Method::DELETE, "/api/media/%C3%A9%20%22x%22");
    assert_eq!(gone.send().await.unwrap().status(), 204);
    // What changed nothing is not in it.
    service.get("none").await;
    let refused = service
        .request(Method::PUT, "/api/media/x")
        .header("if-match", "*");
    assert_eq!(refused.body("x").send().await.unwrap().status(), 412);

    let log = lines(&service.audit_log());
    let told: Vec<String> = log
        .iter()
        .map(|line| {
            let from = line["from"].as_str().unwrap_or("-");
            let member = |name: &str| line[name].as_str().unwrap().to_owned();
            [
                member("via"),
                member("action"),
                member("key"),
                from.into(),
                member("outcome"),
            ]
            .join(" ")
        })
        .collect();
    let expected = [
        "token put a/b - created",
        "token put a/b - replaced",
        "token copy c a/b created",
        "token move d c created",
        "token delete c - deleted",
        "link put é \"x\" - created",
        "token delete d - deleted",
        "token delete a/b - deleted",
        "token delete é \"x\" - deleted",
    ];
    assert_eq!(told, expected);
    for (number, line) in log.iter().enumerate() {
        assert_eq!(line["seq"], number + 1);
        assert_eq!(
            (&line["app"], &line["sub"]),
            (&json!(APP), &json!("user-1"))
        );
        assert!(
            line["time"]
                .as_str()
                .unwrap()
                .parse::<jiff::Timestamp>()
                .is_ok()
        );
        let prev = number
            .checked_sub(1)
            .map(|before| log[before]["hash"].clone());
        assert_eq!(line["prev"], prev.unwrap_or(json!("0".repeat(64))));
    }
    assert_eq!(log[0]["request_id"], *request_id);
    assert_eq!((&log[0]["size"], &log[0]["sha256"]), (&json!(5), &sha256));

    let mode = std::fs::metadata(service.audit_log())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let (verdict, status) = verify(&service.audit_log(), &[]);
    let last = log.last().unwrap()["hash"].clone();
    let expected = json!({ "intact": true, "lines": 9, "first_seq": 1, "last_seq": 9,
        "last_hash": last, "torn_lines": 0 });
    assert_eq!((verdict, status), (expected, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_was_acknowledged_before_a_kill_is_in_the_log() {
    let mut service = Service::audited().await;
    for round in 0..3 {
        let acknowledged = Arc::new(Mutex::new(HashSet::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (acknowledged, stop) = (Arc::clone(&acknowledged), Arc::clone(&stop));
                let path = format!("http://127.0.0.1:{}/api/media", service.port);
                let bearer =
                    service.bearer(&service.token().claim("sub", format!("user-{writer}")));
                let client = reqwest::Client::builder().no_proxy().build().unwrap();
                tokio::spawn(async move {
                    for number in 0.. {
                        let key = format!("{round}/{writer}/{number}");
                        let put = client.put(format!("{path}/{key}")).body("x");
                        let put = put.header("authorization", &bearer).send().await;
                        match put {
                            Ok(put) if put.status() == 201 => {
                                acknowledged.lock().unwrap().insert(key);
                            }
                            _ => assert!(stop.load(Ordering::Relaxed), "{put:?}"),
                        }
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                    }
                })
            })
            .collect();
        let deadline = Instant::now() + Duration::from_secs(120);
        while acknowledged.lock().unwrap().len() < 50 {
            assert!(Instant::now() < deadline, "nothing is written");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.store(true, Ordering::Relaxed);
        service.child.signal(Signal::Kill).unwrap();
        for writer in writers {
            writer.await.unwrap();
        }
        service.child.stop_at_once(Duration::from_secs(20)).unwrap();
        service.restart();
        let (verdict, status) = verify(&service.audit_log(), &[]);
        assert_eq!(status, 0, "{verdict}");
        let text = std::fs::read_to_string(service.audit_log()).unwrap();
        for key in acknowledged.lock().unwrap().iter() {
            let member = format!("\"key\":\"{key}\"");
            assert!(text.contains(&member), "{key} is not in the log");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_line_is_closed_at_the_next_start_and_the_chain_goes_on() {
    let mut service = Service::audited().await;
    service.put("a", b"x").await;
    service.child.signal(Signal::Kill).unwrap();
    service.child.stop_at_once(Duration::from_secs(20)).unwrap();
    let log = service.audit_log();
    let whole = std::fs::read_to_string(&log).unwrap();
    std::fs::write(&log, format!("{whole}{}", &whole[..40])).unwrap();
    let (verdict, status) = verify(&log, &[]);
    assert_eq!((&verdict["code"], status), (&json!("line_torn"), 1));
    service.restart();
    service.put("b", b"x").await;
    let (verdict, status) = verify(&log, &[]);
    assert_eq!(status, 0, "{verdict}");
    assert_eq!(
        (&verdict["lines"], &verdict["torn_lines"]),
        (&json!(3), &json!(1))
    );
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(
        text.contains("\"action\":\"recovered\",\"torn_bytes\":40,"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_changed_while_the_log_cannot_be_written() {
    let service = Service::audited().await;
    service.put("a", b"old").await;
    let (log, kept) = (service.audit_log(), service.folder.path().join("kept.log"));
    std::fs::rename(&log, &kept).unwrap();
    std::fs::create_dir(&log).unwrap();
    let expected = (503, "audit_unavailable".to_owned());
    for method in [Method::PUT, Method::DELETE] {
        let refused = service.request(method, "/api/media/a").body("new");
        let refused = refused.send().await.unwrap();
        assert_ne!(header(&refused, "retry-after"), "");
        assert_eq!(problem(refused).await, expected);
    }
    for (operation, wanted) in [
        ("copy", json!({ "from": "a", "to": "b" })),
        ("move", json!({ "from": "a", "to": "b" })),
    ] {
        let path = format!("/api/media-ops/{operation}");
        assert_eq!(problem(service.post(&path, &wanted).await).await, expected);
    }
    let told = service
        .post("/api/media-ops/delete", &json!({ "keys": ["a"] }))
        .await;
    assert_eq!(body(told).await["results"][0]["code"], "audit_unavailable");
    assert_eq!(service.get("a").await.text().await.unwrap(), "old");
    assert_eq!(service.get("b").await.status(), 404);

    // Moved away to be kept: a new file goes on where it ended.
    std::fs::remove_dir(&log).unwrap();
    assert_eq!(service.put("a", b"new").await.status(), 200);
    let (verdict, status) = verify(&kept, &[]);
    assert_eq!((&verdict["lines"], status), (&json!(1), 0));
    let last = verdict["last_hash"].as_str().unwrap();
    let (verdict, status) = verify(&log, &["--after-hash", last]);
    assert_eq!((&verdict["first_seq"], status), (&json!(2), 0), "{verdict}");
    let (verdict, status) = verify(&log, &[]);
    assert_eq!((&verdict["code"], status), (&json!("line_missing"), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_names_the_broken_line_and_refuses_wrong_usage() {
    let service = Service::audited().await;
    for key in ["a", "b", "c"] {
        service.put(key, b"x").await;
    }
    let log = service.audit_log();
    let (verdict, _) = verify(&log, &[]);
    let last = verdict["last_hash"].as_str().unwrap().to_owned();
    assert_eq!(verify(&log, &["--expect-hash", &last]).1, 0);
    let whole = std::fs::read_to_string(&log).unwrap();
    let copy = service.folder.path().join("copy.log");
    std::fs::write(&copy, whole.replace("\"key\":\"b\"", "\"key\":\"x\"")).unwrap();
    let (verdict, status) = verify(&copy, &[]);
    let expected = json!({ "intact": false, "line": 2, "code": "line_changed",
        "detail": "it is not as it was written" });
    assert_eq!((verdict, status), (expected, 1));
    let shorter: Vec<&str> = whole.lines().take(2).collect();
    std::fs::write(&copy, shorter.join("\n") + "\n").unwrap();
    assert_eq!(verify(&copy, &[]).1, 0);
    let (verdict, status) = verify(&copy, &["--expect-hash", &last]);
    assert_eq!((&verdict["code"], status), (&json!("end_missing"), 1));
    let (verdict, status) = verify(&service.folder.path().join("none"), &[]);
    assert_eq!((&verdict["code"], status), (&json!("file_unreadable"), 1));
    assert_eq!(verify(&copy, &["--expect-hash", "abc"]).1, 64);
    assert_eq!(verify(&copy, &["--nonsense"]).1, 64);
    for arguments in [&["audit"][..], &["audit", "verify"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dailey-media"));
        let status = command.args(arguments).output().unwrap().status;
        assert_eq!(status.code(), Some(64), "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the right to mount a tmpfs in a namespace of its own"]
async fn a_full_disk_leaves_the_chain_whole_and_nothing_acknowledged_out_of_it() {
    let (service, log) = Service::audited_on_a_small_disk(2).await;
    let mut acknowledged = Vec::new();
    let mut refused = 0;
    // Beyond the end: what fails is written down as well, until there is no room for that either.
    for number in 0..2000 {
        let key = format!("k{number}");
        let put = service.put(&key, &[b'x'; 3000]).await;
        match put.status().as_u16() {
            201 => acknowledged.push(key),
            503 | 507 => refused += 1,
            other => panic!("{other}"),
        }
        if refused == 60 {
            break;
        }
    }
    assert_eq!(refused, 60, "the disk never was full");
    let said = std::fs::read_to_string(service.child.log()).unwrap();
    assert!(said.contains("the audit log cannot be written"), "{said}");
    let (verdict, status) = verify(&log, &[]);
    assert_eq!(
        (status, &verdict["torn_lines"]),
        (0, &json!(0)),
        "{verdict}"
    );

    for key in &acknowledged[..20] {
        let gone = service.request(Method::DELETE, &format!("/api/media/{key}"));
        assert_eq!(gone.send().await.unwrap().status(), 204);
    }
    assert_eq!(service.put("again", b"x").await.status(), 201);
    let (verdict, status) = verify(&log, &[]);
    assert_eq!(
        (status, &verdict["torn_lines"]),
        (0, &json!(0)),
        "{verdict}"
    );
    let text = std::fs::read_to_string(&log).unwrap();
    for key in acknowledged.iter().chain([&"again".to_owned()]) {
        let member = format!("\"key\":\"{key}\"");
        assert!(text.contains(&member), "{key} is not in the log");
    }
}
