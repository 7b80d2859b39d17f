//! From nothing to a verified token.

use serde_json::json;

use crate::core_process::{ADMIN, ADMIN_PASSWORD, Home, USER, USER_PASSWORD, answer, text};

#[tokio::test]
async fn a_token_of_core_verifies_with_the_library() {
    let home = Home::initialised();
    let (app_id, _) = home.app("photos");
    let user_id = home.user();
    let core = home.serve();
    let (status, body) = core
        .login(&app_id, " USER@example.com", USER_PASSWORD)
        .await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 600);
    assert_eq!(body["refresh_expires_in"], 2_592_000);
    assert_eq!(body["scope"], "media:read media:write");
    assert_eq!(body.as_object().unwrap().len(), 6);
    let verified = core
        .verify(&app_id, &text(&body, "access_token"))
        .await
        .unwrap();
    assert_eq!(verified.claims().subject(), user_id);
    assert_eq!(verified.claims().client_id(), Some(app_id.as_str()));
    assert!(verified.has_scope("media:read"));

    // Less on request, for one app only.
    let login = json!({ "app_id": app_id, "email": USER, "password": USER_PASSWORD, "scope": "media:read" });
    let (_, body) = core.post("/api/auth/login", &login).await;
    let token = text(&body, "access_token");
    assert!(
        !core
            .verify(&app_id, &token)
            .await
            .unwrap()
            .has_scope("media:write")
    );
    assert_eq!(
        core.verify("another app", &token).await.unwrap_err().code(),
        "audience_mismatch"
    );
}

#[tokio::test]
async fn init_changes_nothing_that_is_there() {
    let home = Home::empty();
    let first = home.json(
        &["init", "--admin-email", ADMIN],
        &format!("{ADMIN_PASSWORD}\n"),
    );
    let names: Vec<_> = first.as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        ["admin_user_id", "core_app_id", "kid", "private_key_file"]
    );
    assert_eq!(first["private_key_file"], "keys/core.pem");
    let key = std::fs::read(home.path("keys/core.pem")).unwrap();
    assert_eq!(
        home.json(&["init", "--admin-email", ADMIN], "another password"),
        first
    );
    assert_eq!(home.json(&["init"], ""), first);
    assert_eq!(std::fs::read(home.path("keys/core.pem")).unwrap(), key);
    let core = home.serve();
    assert_eq!(
        core.login(&text(&first, "core_app_id"), ADMIN, ADMIN_PASSWORD)
            .await
            .0,
        200
    );
    assert_eq!(core.published_kids().await, [text(&first, "kid")]);
}

#[tokio::test]
async fn the_published_keys_are_cacheable_and_hold_nothing_private() {
    let home = Home::initialised();
    let core = home.serve();
    let response = core.get("/.well-known/jwks.json").await;
    assert_eq!(response.headers()["cache-control"], "public, max-age=300");
    assert_eq!(response.headers()["content-type"], "application/json");
    let etag = response.headers()["etag"].to_str().unwrap().to_owned();
    assert!(etag.starts_with('"'), "strong: {etag}");
    let (_, body) = answer(response).await;
    let key = body["keys"][0].as_object().unwrap();
    assert_eq!(
        key.keys().collect::<Vec<_>>(),
        ["alg", "e", "kid", "kty", "n", "use"]
    );

    let ask = async |tags: &str| {
        let request = core
            .request(reqwest::Method::GET, "/.well-known/jwks.json")
            .header("if-none-match", tags);
        request.send().await.unwrap()
    };
    for tags in [etag.clone(), format!("\"x\", W/{etag}"), "*".to_owned()] {
        let response = ask(&tags).await;
        assert_eq!(response.status(), 304, "{tags}");
        assert_eq!(response.headers()["etag"], etag.as_str());
        assert_eq!(response.headers()["cache-control"], "public, max-age=300");
    }
    assert_eq!(ask("\"x\"").await.status(), 200);
}

#[tokio::test]
async fn health_names_its_checks() {
    let home = Home::initialised();
    let core = home.serve();
    let expected = json!({ "status": "ok", "checks": { "keys": "ok", "database": "ok" } });
    assert_eq!(answer(core.get("/health").await).await, (200, expected));
    assert_eq!(core.get("/health/live").await.status(), 200);
    assert!(
        core.get("/metrics")
            .await
            .text()
            .await
            .unwrap()
            .ends_with("# EOF\n")
    );
    let forwarded = core
        .request(reqwest::Method::GET, "/metrics")
        .header("x-forwarded-for", "192.0.2.1");
    assert_eq!(forwarded.send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn a_stop_is_clean_and_leaves_one_database_file() {
    let home = Home::empty_on_sqlite().and_initialised();
    let mut core = home.serve();
    assert!(
        core.child
            .stop(std::time::Duration::from_secs(10))
            .unwrap()
            .success()
    );
    assert!(home.path("core.db").exists());
    assert!(
        !home.path("core.db-wal").exists(),
        "closed, so that a copy of the file is whole"
    );
}

#[tokio::test]
async fn no_secret_reaches_the_log() {
    let mut home = Home::initialised();
    home.set("RUST_LOG", "trace");
    let (app_id, client_secret) = home.app("photos");
    home.user();
    let core = home.serve();
    let (_, body) = core.login(&app_id, USER, USER_PASSWORD).await;
    assert_eq!(core.login(&app_id, USER, "a wrong password").await.0, 401);
    let (access_token, refresh_token) = (text(&body, "access_token"), text(&body, "refresh_token"));
    assert_eq!(core.refresh(&refresh_token).await.0, 200);
    let request = core.request(reqwest::Method::POST, "/oauth/token?secret=query");
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let request = request.basic_auth(&app_id, Some(&client_secret));
    assert_eq!(
        request
            .body("grant_type=client_credentials")
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    core.logged("route=\"/oauth/token\"", 1);
    let log = crate::core_process::log(core.child.log());
    let signature = access_token.rsplit('.').next().unwrap();
    for (key, value) in home.database.settings() {
        assert!(
            key != "DATABASE_PASSWORD" || !log.contains(&value),
            "{key} is in the log"
        );
    }
    for secret in [
        USER_PASSWORD,
        "a wrong password",
        &client_secret,
        &refresh_token,
        signature,
        "secret=query",
    ] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}
