//! Whether it can serve: keys and storage told apart, asked cheaply, and seen soon when it changes.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use dailey_auth::Verifier;
use dailey_auth::testing::{Fault, Issuer, ManualClock, SigningKey};
use dailey_media::server;
use dailey_media::settings::Settings;
use http_body_util::BodyExt;
use reqwest::Method;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::service::{APP, Limits, Service, json as body};

const PATIENCE: Duration = Duration::from_secs(20);

/// Without the rights by which root writes where nobody may.
const WITHOUT_OVERRIDE: [&str; 3] = [
    "setpriv",
    "--bounding-set=-dac_override,-dac_read_search",
    "--",
];

async fn health(service: &Service) -> (u16, Value) {
    let answer = service.bare(Method::GET, "/health").send().await.unwrap();
    let status = answer.status().as_u16();
    (status, body(answer).await["checks"].clone())
}

async fn until_storage_is(service: &Service, word: &str) {
    let expected = (
        if word == "ok" { 200 } else { 503 },
        json!({ "keys": "ok", "storage": word }),
    );
    let began = Instant::now();
    loop {
        let seen = health(service).await;
        if seen == expected {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{seen:?} is not {word}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn set_mode(folder: &Path, mode: u32) {
    std::fs::set_permissions(folder, Permissions::from_mode(mode)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_may_not_be_written_or_is_gone_is_told_and_so_is_its_return() {
    // Whoever is not root has no such rights to give up.
    let is_root = rustix::process::geteuid().is_root();
    let wrapper: &[&str] = if is_root { &WITHOUT_OVERRIDE } else { &[] };
    let service = Service::start_through(wrapper, Limits::Off).await;
    let root = service.folder.path().join("data/media");
    until_storage_is(&service, "ok").await;

    set_mode(&root.join("uploads"), 0o500);
    until_storage_is(&service, "unavailable").await;
    set_mode(&root.join("uploads"), 0o700);
    until_storage_is(&service, "ok").await;

    let away = service.folder.path().join("away");
    std::fs::rename(&root, &away).unwrap();
    until_storage_is(&service, "unavailable").await;
    // Nobody is told that an object is not there when nobody can look.
    for (method, path) in [
        (Method::GET, "/api/media/a"),
        (Method::HEAD, "/api/media/a"),
        (Method::DELETE, "/api/media/a"),
        (Method::GET, "/api/media"),
    ] {
        let asked = service.request(method.clone(), path).send().await.unwrap();
        assert_eq!(asked.status(), 503, "{method} {path}");
    }
    let metrics = service.bare(Method::GET, "/metrics").send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(
        metrics.contains("dailey_media_storage_usable 0"),
        "{metrics}"
    );
    std::fs::rename(&away, &root).unwrap();
    until_storage_is(&service, "ok").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn however_often_it_is_asked_the_store_is_tried_every_few_seconds() {
    let service = Service::start().await;
    let root = service.folder.path().join("data/media");
    let away = service.folder.path().join("away");
    // Where this machine pauses meanwhile, the verdict is old: another one.
    for _ in 0..3 {
        until_storage_is(&service, "ok").await;
        // The good verdict stands for a while, so what happens now is not seen at once.
        std::fs::rename(&root, &away).unwrap();
        let at_once = health(&service).await.0;
        until_storage_is(&service, "unavailable").await;
        if at_once == 200 {
            return;
        }
        std::fs::rename(&away, &root).unwrap();
    }
    panic!("the store is tried each time");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_have_expired_are_told_apart_from_the_store() {
    let key = SigningKey::generate();
    let issuer = Issuer::start(&[&key]).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("dailey-media.toml");
    let root = folder.path().join("media");
    std::fs::write(&config, format!("[storage.local]\nroot = {root:?}\n")).unwrap();
    let url = issuer.url();
    let lookup = |key: &str| match key {
        "DAILEY_ENV" => Some("development".to_owned()),
        "JWT_ISSUER" => Some(url.clone()),
        "CORE_APP_ID" => Some(APP.to_owned()),
        _ => None,
    };
    let settings = Settings::read(&lookup, Some(&config)).unwrap();
    let clock = ManualClock::at(1_800_000_000);
    let verifier = Verifier::builder(issuer.url(), [APP])
        .jwks_url(issuer.jwks_url())
        .allow_loopback_http()
        .clock(clock.clone())
        .build()
        .unwrap();
    verifier.ready(PATIENCE).await.unwrap();
    let app = server::with_verifier(&settings, verifier).await.unwrap();
    let health = async || {
        let request = Request::get("/health").header("host", "localhost");
        let request = request.body(Body::empty()).unwrap();
        let answer = app.clone().oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        (status, body["checks"].clone())
    };
    let expected = (200, json!({ "keys": "ok", "storage": "ok" }));
    assert_eq!(health().await, expected);
    issuer.set_fault(Fault::Status(500));
    clock.advance(Duration::from_secs(25 * 60 * 60));
    let expected = (503, json!({ "keys": "unavailable", "storage": "ok" }));
    assert_eq!(health().await, expected);
}
