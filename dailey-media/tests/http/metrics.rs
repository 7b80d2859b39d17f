//! What is counted: each series is driven, and the whole is `OpenMetrics`.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::json;

use crate::service::{Limits, Service};

/// Series and their values, after checking that the text is `OpenMetrics` as far as we use it.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let mut series = BTreeMap::new();
    let mut types: BTreeMap<&str, &str> = BTreeMap::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line == "# EOF" {
            assert!(lines.peek().is_none(), "something after the end");
            return series;
        }
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (kind, name) = (words.next().unwrap(), words.next().unwrap());
            let rest = words.next().unwrap_or_default();
            match kind {
                "TYPE" => assert!(types.insert(name, rest).is_none(), "{name} twice"),
                "UNIT" => assert!(name.ends_with(&format!("_{rest}")), "{name} in {rest}"),
                "HELP" => assert!(!rest.is_empty(), "{name} is not described"),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap();
        let family = name.split('{').next().unwrap();
        let known = types.iter().find(|(name, _)| {
            family
                .strip_prefix(**name)
                .is_some_and(|suffix| ["", "_total", "_bucket", "_sum", "_count"].contains(&suffix))
        });
        let (_, kind) = known.unwrap_or_else(|| panic!("{line} has no type"));
        assert_eq!(*kind == "counter", family.ends_with("_total"), "{line}");
        let value = value.parse().unwrap();
        assert!(series.insert(name.to_owned(), value).is_none(), "{line}");
    }
    panic!("it does not end with # EOF");
}

async fn read(service: &Service) -> BTreeMap<String, f64> {
    let answer = service.bare(Method::GET, "/metrics").send().await.unwrap();
    parse(&answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_counted_can_be_seen_moving() {
    let service = Service::start_with(Limits::On).await;
    let before = read(&service).await;
    let content = vec![b'x'; 200_000];
    let put = service.request(Method::PUT, "/api/media/a");
    put.body(content).send().await.unwrap();
    let got = service.get("a").await.bytes().await.unwrap();
    assert_eq!(got.len(), 200_000);
    service.get("absent").await;
    let expired = service.token().claim("exp", 1000).claim("iat", 900);
    let expired = service.request_as(Method::GET, "/api/media", &expired);
    expired.send().await.unwrap();
    // More than an address may have validated at once.
    for _ in 0..32 {
        let asked = service.request(Method::GET, "/api/auth/validate");
        asked.send().await.unwrap();
    }
    // A folder where an object's file should be: the store fails.
    let space = service.folder.path().join("data/media/objects");
    let app = std::fs::read_dir(space).unwrap().next().unwrap().unwrap();
    let subject = std::fs::read_dir(app.path()).unwrap().next().unwrap();
    std::fs::create_dir(subject.unwrap().path().join("broken.o")).unwrap();
    let broken = service.get("broken").await;
    assert!(broken.status().is_server_error(), "{}", broken.status());
    let code = crate::service::problem(broken).await.1;
    // In a batch as well, which succeeds as a whole.
    let wanted = json!({ "keys": ["broken"] });
    let removed = service.post("/api/media-ops/delete", &wanted).await;
    let removed = crate::service::json(removed).await;
    assert_eq!(removed["results"][0]["code"], code);

    let after = read(&service).await;
    let object = "route=\"/api/media/{*key}\"";
    for (series, by) in [
        (
            format!("http_requests_total{{{object},method=\"PUT\",status=\"201\"}}"),
            1.0,
        ),
        (
            format!("http_requests_total{{{object},method=\"GET\",status=\"404\"}}"),
            1.0,
        ),
        (
            format!("http_request_duration_seconds_count{{{object}}}"),
            4.0,
        ),
        (
            format!("http_request_body_bytes_total{{{object}}}"),
            200_000.0,
        ),
        ("http_problems_total{code=\"object_not_found\"}".into(), 1.0),
        (
            "dailey_auth_verifications_total{code=\"expired\"}".into(),
            1.0,
        ),
        (
            "dailey_media_limiter_refusals_total{policy=\"validate\"}".into(),
            2.0,
        ),
        (
            format!("dailey_media_storage_errors_total{{code=\"{code}\"}}"),
            2.0,
        ),
    ] {
        let change = after[&series] - before.get(&series).copied().unwrap_or_default();
        assert!((change - by).abs() < 0.1, "{series} by {change}");
    }
    let sent = after[&format!("http_response_body_bytes_total{{{object}}}")];
    assert!(sent >= 200_000.0, "{sent}");
    assert!(after["dailey_auth_key_set_age_seconds"] >= 0.0);
    assert!(after["dailey_auth_verifications_total{code=\"accepted\"}"] >= 3.0);
    for series in ["dailey_auth_keys_usable", "dailey_media_storage_usable"] {
        assert!((after[series] - 1.0).abs() < 0.1, "{series}");
    }
}
