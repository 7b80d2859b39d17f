//! Health, metrics, and life without an issuer.

use std::time::{Duration, Instant};

use dailey_auth::testing::{Fault, SigningKey};
use reqwest::Method;
use testbed::{Child, Signal};

use crate::service::{APP, START, Service, command, header, json, problem};

#[tokio::test(flavor = "multi_thread")]
async fn health_names_its_checks_and_metrics_are_for_this_machine_only() {
    let service = Service::start().await;
    let health = service.bare(Method::GET, "/health").send().await.unwrap();
    assert_eq!(health.status(), 200);
    assert_eq!(
        json(health).await,
        serde_json::json!({"status": "ok", "checks": {"keys": "ok", "storage": "ok"}})
    );

    service.put("counted", b"x").await;
    let metrics = service.bare(Method::GET, "/metrics").send().await.unwrap();
    assert!(header(&metrics, "content-type").starts_with("application/openmetrics-text"));
    let text = metrics.text().await.unwrap();
    let line = "http_requests_total{route=\"/api/media/{*key}\",method=\"PUT\",status=\"201\"} 1";
    assert!(text.contains(line) && text.ends_with("# EOF\n"), "{text}");
    assert!(!text.contains("counted"));
    for forwarding in [
        "x-forwarded-for",
        "x-real-ip",
        "forwarded",
        "cf-connecting-ip",
    ] {
        let proxied = service
            .bare(Method::GET, "/metrics")
            .header(forwarding, "127.0.0.1")
            .send()
            .await
            .unwrap();
        assert_eq!(
            problem(proxied).await,
            (404, "not_found".into()),
            "{forwarding}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_fetches_the_new_key_at_once() {
    let service = Service::start().await;
    let before = service.issuer.requests();
    let next = SigningKey::generate();
    service.issuer.publish(&[&next]);
    service.child.signal(Signal::Hangup).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    // The old key is gone from the set: its tokens stop at once.
    while service.get("x").await.status() != 401 {
        assert!(Instant::now() < deadline, "{}", service.child.log_tail(20));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(service.issuer.requests() > before);
    let new = format!("Bearer {}", service.token().sign(&next));
    let got = service
        .bare(Method::GET, "/api/media")
        .header("authorization", new)
        .send()
        .await
        .unwrap();
    assert_eq!(got.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_issuer_it_starts_and_says_that_it_cannot_tell() {
    let service = Service::start().await;
    service.issuer.set_fault(Fault::Status(500));
    let folder = tempfile::TempDir::new().unwrap();
    let port = testbed::free_port().unwrap();
    let mut command = command(folder.path(), port);
    command
        .arg("serve")
        .env("DAILEY_ENV", "development")
        .env("JWT_ISSUER", service.issuer.url())
        .env("CORE_JWKS_URL", service.issuer.jwks_url())
        .env("CORE_APP_ID", APP);
    let mut child = Child::start("dailey-media", command, &folder.path().join("log")).unwrap();
    testbed::wait_for_http(
        &mut child,
        &format!("http://127.0.0.1:{port}/health/live"),
        START,
    )
    .unwrap();

    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let health = client
        .get(format!("http://127.0.0.1:{port}/health"))
        .send()
        .await
        .unwrap();
    assert_eq!(health.status(), 503);
    let expected = serde_json::json!({"status": "degraded", "checks": {"keys": "unavailable", "storage": "ok"}});
    assert_eq!(json(health).await, expected);
    for path in ["/api/media/a", "/api/auth/validate"] {
        let request = client.get(format!("http://127.0.0.1:{port}{path}"));
        let got = request
            .header("authorization", service.bearer(&service.token()))
            .send()
            .await
            .unwrap();
        assert_eq!(header(&got, "retry-after"), "5", "{path}");
        // Nobody can say whether the token is good, so it is not called bad.
        let body = json(got).await;
        assert_eq!(
            (&body["code"], &body["valid"]),
            (&"keys_unavailable".into(), &serde_json::Value::Null),
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_to_stop_it_says_so_before_it_stops_listening() {
    let mut service = Service::start().await;
    let asked = Instant::now();
    service.child.signal(Signal::Terminate).unwrap();
    let told = loop {
        let health = service.bare(Method::GET, "/health").send().await.unwrap();
        if health.status() == 503 {
            break json(health).await;
        }
        assert!(asked.elapsed() < Duration::from_secs(4), "still well");
    };
    assert_eq!(told["checks"]["process"], "draining");
    let live = service.bare(Method::GET, "/health/live").send().await;
    assert_eq!(live.unwrap().status(), 200);
    let ended = loop {
        if let Some(status) = service.child.exited() {
            break status;
        }
        assert!(asked.elapsed() < Duration::from_secs(30), "it does not end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(ended.success(), "{}", service.child.log_tail(20));
    let took = asked.elapsed();
    assert!(took >= Duration::from_secs(5), "it took {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_twice_it_does_not_wait_in_development() {
    let mut service = Service::configured("[limits]\nlame_duck_seconds = 60\n").await;
    let asked = Instant::now();
    let status = service.child.stop_at_once(Duration::from_secs(55)).unwrap();
    assert!(status.success(), "{}", service.child.log_tail(20));
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(30), "it took {took:?}");
}
