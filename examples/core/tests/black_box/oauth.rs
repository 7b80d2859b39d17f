//! The routes that speak RFC 6749.

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::core_process::{Home, Running, USER, USER_PASSWORD, answer, text};

const FORM: &str = "application/x-www-form-urlencoded";

async fn post(core: &Running<'_>, path: &str, basic: Option<(&str, &str)>, form: &str) -> Response {
    let request = core
        .request(Method::POST, path)
        .header("content-type", FORM)
        .body(form.to_owned());
    let request = match basic {
        Some((id, secret)) => request.basic_auth(id, Some(secret)),
        None => request,
    };
    request.send().await.unwrap()
}

#[tokio::test]
async fn an_app_gets_a_token_for_itself() {
    let home = Home::initialised();
    let (app_id, secret) = home.app("photos");
    let core = home.serve();
    let posted = format!(
        "grant_type=client_credentials&client_id={app_id}&client_secret={secret}&scope=media:read"
    );
    for (basic, form, scope) in [
        (
            Some((app_id.as_str(), secret.as_str())),
            "grant_type=client_credentials",
            "media:read media:write",
        ),
        (None, posted.as_str(), "media:read"),
    ] {
        let response = post(&core, "/oauth/token", basic, form).await;
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["pragma"], "no-cache");
        let (status, body) = answer(response).await;
        assert_eq!((status, &body["scope"]), (200, &json!(scope)), "{body}");
        assert!(body.get("refresh_token").is_none());
        let verified = core
            .verify(&app_id, &text(&body, "access_token"))
            .await
            .unwrap();
        assert_eq!(verified.claims().subject(), app_id);
    }
}

#[tokio::test]
async fn every_refusal_is_one_of_rfc_6749() {
    let home = Home::initialised();
    let (app_id, secret) = home.app("photos");
    let core = home.serve();
    let good = Some((app_id.as_str(), secret.as_str()));
    let both = format!("grant_type=client_credentials&client_id={app_id}&client_secret={secret}");
    let table = [
        ("no grant type", good, "x=1", 400, "invalid_request"),
        (
            "unknown grant type",
            good,
            "grant_type=password",
            400,
            "unsupported_grant_type",
        ),
        (
            "duplicate parameter",
            good,
            "grant_type=client_credentials&grant_type=client_credentials",
            400,
            "invalid_request",
        ),
        (
            "two ways to authenticate",
            good,
            &both,
            400,
            "invalid_request",
        ),
        (
            "scope beyond the app",
            good,
            "grant_type=client_credentials&scope=core:admin",
            400,
            "invalid_scope",
        ),
        (
            "no scope at all",
            good,
            "grant_type=client_credentials&scope=a++b",
            400,
            "invalid_scope",
        ),
        (
            "no client",
            None,
            "grant_type=client_credentials",
            401,
            "invalid_client",
        ),
        (
            "wrong secret",
            Some((app_id.as_str(), "wrong")),
            "grant_type=client_credentials",
            401,
            "invalid_client",
        ),
        (
            "no refresh token",
            good,
            "grant_type=refresh_token",
            400,
            "invalid_request",
        ),
        (
            "unknown refresh token",
            good,
            "grant_type=refresh_token&refresh_token=x",
            400,
            "invalid_grant",
        ),
    ];
    for (name, basic, form, status, error) in table {
        let response = post(&core, "/oauth/token", basic, form).await;
        let challenged = response.headers().contains_key("www-authenticate");
        let (got, body) = answer(response).await;
        assert_eq!((got, &body["error"]), (status, &json!(error)), "{name}");
        assert_eq!(challenged, status == 401, "{name}");
    }
    let json = core
        .request(Method::POST, "/oauth/token")
        .header("content-type", "application/json")
        .body("{}");
    assert_eq!(
        answer(json.send().await.unwrap()).await.1["error"],
        "invalid_request"
    );
    let revoke = answer(post(&core, "/oauth/revoke", good, "x=1").await).await;
    assert_eq!(
        (revoke.0, &revoke.1["error"]),
        (400, &json!("invalid_request"))
    );
    let revoke = answer(post(&core, "/oauth/revoke", None, "token=x").await).await;
    assert_eq!(
        (revoke.0, &revoke.1["error"]),
        (401, &json!("invalid_client"))
    );
    let noted = || {
        home.database
            .number("SELECT count(*) FROM audit WHERE event = 'client.failed'")
    };
    assert_eq!(noted(), 1, "the wrong secret");
    home.json(&["apps", "disable", &app_id], "");
    let (status, _) =
        answer(post(&core, "/oauth/token", good, "grant_type=client_credentials").await).await;
    assert_eq!(status, 401, "disabled");
    assert_eq!(noted(), 2);
}

#[tokio::test]
async fn a_refresh_token_is_exchanged_and_revoked_by_its_own_app_only() {
    let home = Home::initialised();
    let (app_id, secret) = home.app("photos");
    let (other_id, other_secret) = home.app("other");
    home.user();
    let core = home.serve();
    let token = text(
        &core.login(&app_id, USER, USER_PASSWORD).await.1,
        "refresh_token",
    );
    let (mine, other) = (
        Some((app_id.as_str(), secret.as_str())),
        Some((other_id.as_str(), other_secret.as_str())),
    );
    let exchange =
        |token: &str, more: &str| format!("grant_type=refresh_token&refresh_token={token}{more}");
    let error = async |basic, form: &str| {
        answer(post(&core, "/oauth/token", basic, form).await)
            .await
            .1["error"]
            .clone()
    };
    assert_eq!(error(other, &exchange(&token, "")).await, "invalid_grant");
    assert_eq!(
        error(mine, &exchange(&token, "&scope=core:admin")).await,
        "invalid_scope"
    );
    let (status, body) = answer(
        post(
            &core,
            "/oauth/token",
            mine,
            &exchange(&token, "&scope=media:read"),
        )
        .await,
    )
    .await;
    assert_eq!(
        (status, &body["scope"]),
        (200, &json!("media:read")),
        "nothing was spent by the refusals: {body}"
    );
    let next = text(&body, "refresh_token");

    let revoke = async |basic, token: &str| {
        post(&core, "/oauth/revoke", basic, &format!("token={token}"))
            .await
            .status()
    };
    assert_eq!(revoke(mine, "unknown").await, 200);
    assert_eq!(revoke(other, &next).await, 200);
    let (status, body) = core.refresh(&next).await;
    assert_eq!(
        (status, &body["scope"]),
        (200, &json!("media:read media:write")),
        "another app revokes nothing: {body}"
    );
    let next = text(&body, "refresh_token");
    assert_eq!(revoke(mine, &next).await, 200);
    assert_eq!(core.refresh(&next).await.1["code"], "refresh_invalid");
}

#[tokio::test]
async fn an_old_secret_works_one_more_day_or_not_at_all() {
    let home = Home::initialised();
    let (app_id, first) = home.app("photos");
    let core = home.serve();
    let admin = core.admin_token().await;
    let path = format!("/api/apps/{app_id}/secret");
    let works = async |secret: &str| {
        post(
            &core,
            "/oauth/token",
            Some((&app_id, secret)),
            "grant_type=client_credentials",
        )
        .await
        .status()
            == 200
    };
    let second = text(
        &core.call(Method::POST, &path, &admin, None).await.1,
        "client_secret",
    );
    assert!(works(&first).await && works(&second).await);
    // A day passes.
    home.database
        .execute("UPDATE app_secrets SET expires_at = expires_at - 86400000");
    assert!(!works(&first).await && works(&second).await);
    let (_, third): (_, Value) = core
        .call(
            Method::POST,
            &path,
            &admin,
            Some(&json!({ "revoke_old": true })),
        )
        .await;
    assert!(!works(&second).await && works(&text(&third, "client_secret")).await);
}

#[tokio::test]
async fn the_metadata_names_what_is_there() {
    let home = Home::initialised();
    let core = home.serve();
    let (status, metadata) =
        answer(core.get("/.well-known/oauth-authorization-server").await).await;
    assert_eq!((status, &metadata["issuer"]), (200, &json!(home.issuer())));
    let path = |member| {
        text(&metadata, member)
            .strip_prefix(home.issuer())
            .unwrap()
            .to_owned()
    };
    assert_eq!(core.get(&path("jwks_uri")).await.status(), 200);
    for endpoint in ["token_endpoint", "revocation_endpoint"] {
        assert_eq!(
            core.get(&path(endpoint)).await.status(),
            405,
            "there, for POST"
        );
    }
}
