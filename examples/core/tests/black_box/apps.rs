//! Managing apps over HTTP, and who may.

use dailey_auth::testing::{SigningKey, TokenBuilder};
use reqwest::Method;
use serde_json::{Value, json};

use crate::core_process::{ADMIN, Home, USER, USER_PASSWORD, text};

#[tokio::test]
async fn an_app_is_made_changed_and_deleted() {
    let home = Home::initialised();
    let core = home.serve();
    let admin = core.admin_token().await;
    let new = json!({ "name": "photos", "scopes": ["media:write", "media:read"] });
    let (status, made) = core
        .call(Method::POST, "/api/apps", &admin, Some(&new))
        .await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(
        made.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["app_id", "client_secret", "name", "scopes"]
    );
    let (status, problem) = core
        .call(Method::POST, "/api/apps", &admin, Some(&new))
        .await;
    assert_eq!((status, &problem["code"]), (409, &json!("name_taken")));

    let path = format!("/api/apps/{}", text(&made, "app_id"));
    let (_, shown) = core.call(Method::GET, &path, &admin, None).await;
    assert_eq!(shown["scopes"], json!(["media:read", "media:write"]));
    assert_eq!(shown["disabled"], false);
    assert!(shown.get("client_secret").is_none());
    let change = json!({ "name": "pictures", "disabled": true });
    let (_, changed) = core.call(Method::PATCH, &path, &admin, Some(&change)).await;
    assert_eq!(
        (&changed["name"], &changed["disabled"]),
        (&json!("pictures"), &json!(true))
    );
    let (_, list) = core.call(Method::GET, "/api/apps", &admin, None).await;
    assert_eq!(
        list["apps"].as_array().unwrap().len(),
        2,
        "with Core itself"
    );
    assert_eq!(core.call(Method::DELETE, &path, &admin, None).await.0, 204);
    let secrets = home.database.number("SELECT count(*) FROM app_secrets");
    assert_eq!(secrets, 0, "its secrets go with it");
    let (status, problem) = core.call(Method::GET, &path, &admin, None).await;
    assert_eq!((status, &problem["code"]), (404, &json!("app_unknown")));
    for odd in ["/api/apps/%FF", "/api/apps/x", "/api/apps/%00"] {
        let (status, problem) = core.call(Method::GET, odd, &admin, None).await;
        assert_eq!(
            (status, &problem["code"]),
            (404, &json!("app_unknown")),
            "{odd}"
        );
    }
}

#[tokio::test]
async fn bad_apps_are_refused() {
    let home = Home::initialised();
    let core = home.serve();
    let admin = core.admin_token().await;
    let table: [(Value, u16, &str); 6] = [
        (json!({ "name": "" }), 422, "name_invalid"),
        (json!({ "name": "x".repeat(101) }), 422, "name_invalid"),
        (json!({ "name": "a\u{7}" }), 422, "name_invalid"),
        (
            json!({ "name": "a", "scopes": ["a b"] }),
            422,
            "scope_invalid",
        ),
        (json!({ "name": "a", "owner": "me" }), 422, "body_invalid"),
        (json!({}), 422, "body_invalid"),
    ];
    for (body, status, code) in table {
        let (got, problem) = core
            .call(Method::POST, "/api/apps", &admin, Some(&body))
            .await;
        assert_eq!((got, &problem["code"]), (status, &json!(code)), "{body}");
    }
    let core_app = format!(
        "/api/apps/{}",
        text(&home.json(&["init"], ""), "core_app_id")
    );
    for change in [json!({ "disabled": true }), json!({ "scopes": [] })] {
        let (status, problem) = core
            .call(Method::PATCH, &core_app, &admin, Some(&change))
            .await;
        assert_eq!(
            (status, &problem["code"]),
            (409, &json!("core_app_protected")),
            "{change}"
        );
    }
    assert_eq!(
        core.call(Method::DELETE, &core_app, &admin, None).await.0,
        409
    );
}

#[tokio::test]
async fn only_an_administrator_with_a_token_for_core_gets_in() {
    let home = Home::initialised();
    let (app_id, _) = home.app("photos");
    home.user();
    let core_app_id = text(&home.json(&["init"], ""), "core_app_id");
    let core = home.serve();
    let response = core.get("/api/apps").await;
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["www-authenticate"], "Bearer");

    let get = async |token: &str| {
        let (status, body) = core.call(Method::GET, "/api/apps", token, None).await;
        (status, body["code"].as_str().unwrap_or_default().to_owned())
    };
    let token = async |app_id: &str| {
        text(
            &core.login(app_id, USER, USER_PASSWORD).await.1,
            "access_token",
        )
    };
    assert_eq!(
        get(&token(&app_id).await).await,
        (401, "audience_mismatch".to_owned()),
        "another app's token"
    );
    assert_eq!(
        get(&token(&core_app_id).await).await,
        (403, "insufficient_scope".to_owned()),
        "no administrator"
    );
    let foreign = TokenBuilder::new(home.issuer(), &core_app_id)
        .claim("scope", "core:admin")
        .sign(&SigningKey::generate());
    assert_eq!(get(&foreign).await, (401, "kid_unknown".to_owned()));

    let admin = core.admin_token().await;
    assert_eq!(get(&admin).await.0, 200);
    home.json(&["users", "disable", ADMIN], "");
    assert_eq!(
        get(&admin).await,
        (403, "insufficient_scope".to_owned()),
        "no longer an administrator"
    );
}
