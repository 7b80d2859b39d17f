//! Refresh tokens are good once.

use serde_json::json;

use crate::core_process::{Home, Running, USER, USER_PASSWORD, text};

async fn log_in(core: &Running<'_>, app_id: &str) -> String {
    let (status, body) = core.login(app_id, USER, USER_PASSWORD).await;
    assert_eq!(status, 200, "{body}");
    text(&body, "refresh_token")
}

#[tokio::test]
async fn sixteen_at_once_have_one_winner_and_the_family_lives() {
    let home = Home::initialised();
    let (app_id, _) = home.app("photos");
    home.user();
    let core = home.serve();
    let token = log_in(&core, &app_id).await;
    let mut statuses = Vec::new();
    let mut successor = None;
    let requests: Vec<_> = (0..16)
        .map(|_| {
            let request = core.request(reqwest::Method::POST, "/api/auth/refresh");
            let body = json!({ "refresh_token": token }).to_string();
            tokio::spawn(
                request
                    .header("content-type", "application/json")
                    .body(body)
                    .send(),
            )
        })
        .collect();
    for request in requests {
        let (status, body) = crate::core_process::answer(request.await.unwrap().unwrap()).await;
        statuses.push(status);
        match status {
            200 => successor = Some(body),
            _ => assert_eq!(body["code"], "refresh_superseded"),
        }
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![200], vec![409; 15]].concat());
    let successor = successor.unwrap();
    assert!(
        core.verify(&app_id, &text(&successor, "access_token"))
            .await
            .is_ok()
    );
    assert_eq!(
        core.refresh(&text(&successor, "refresh_token")).await.0,
        200
    );
}

#[tokio::test]
async fn a_spent_token_presented_late_closes_the_session() {
    let home = Home::initialised();
    let (app_id, _) = home.app("photos");
    home.user();
    let core = home.serve();
    let stolen = log_in(&core, &app_id).await;
    let (_, body) = core.refresh(&stolen).await;
    let current = text(&body, "refresh_token");
    // Eleven seconds pass.
    home.database
        .execute("UPDATE refresh_tokens SET spent_at = spent_at - 11000");
    let (status, body) = core.refresh(&stolen).await;
    assert_eq!((status, &body["code"]), (401, &json!("refresh_reused")));
    for token in [current, stolen] {
        let (status, body) = core.refresh(&token).await;
        assert_eq!((status, &body["code"]), (401, &json!("refresh_invalid")));
    }
    let reuses = home
        .database
        .number("SELECT count(*) FROM audit WHERE event = 'refresh.reused'");
    assert_eq!(reuses, 1);
}

#[tokio::test]
async fn what_ends_a_session_ends_its_tokens() {
    let home = Home::initialised();
    let (app_id, _) = home.app("photos");
    home.user();
    let core = home.serve();
    let invalid = async |token: &str, why: &str| {
        let (status, body) = core.refresh(token).await;
        assert_eq!(
            (status, &body["code"]),
            (401, &json!("refresh_invalid")),
            "{why}"
        );
    };
    invalid("nonsense", "malformed").await;
    invalid(&"A".repeat(43), "unknown").await;

    let token = log_in(&core, &app_id).await;
    let logout = json!({ "refresh_token": token });
    assert_eq!(core.post("/api/auth/logout", &logout).await.0, 204);
    assert_eq!(core.post("/api/auth/logout", &logout).await.0, 204);
    assert_eq!(
        core.post("/api/auth/logout", &json!({ "refresh_token": "unknown" }))
            .await
            .0,
        204
    );
    // Revoked is not spent: no grace.
    invalid(&token, "logged out").await;

    let token = log_in(&core, &app_id).await;
    home.database
        .execute("UPDATE refresh_tokens SET expires_at = issued_at");
    invalid(&token, "expired").await;

    let token = log_in(&core, &app_id).await;
    home.json(&["users", "set-password", USER], "changed password");
    invalid(&token, "password changed").await;
    home.json(&["users", "set-password", USER], USER_PASSWORD);

    let token = log_in(&core, &app_id).await;
    home.json(&["apps", "disable", &app_id], "");
    invalid(&token, "app disabled").await;
}

#[tokio::test]
async fn a_scope_that_was_taken_away_is_not_handed_on() {
    let home = Home::initialised();
    let (app_id, _) = home.app("photos");
    home.user();
    let core = home.serve();
    let token = log_in(&core, &app_id).await;
    let admin = core.admin_token().await;
    let change = json!({ "scopes": ["media:read"] });
    let path = format!("/api/apps/{app_id}");
    assert_eq!(
        core.call(reqwest::Method::PATCH, &path, &admin, Some(&change))
            .await
            .0,
        200
    );
    assert_eq!(core.refresh(&token).await.1["scope"], "media:read");
}
