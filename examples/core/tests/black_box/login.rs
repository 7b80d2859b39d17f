//! What a login refuses, and how alike the refusals are.

use serde_json::{Value, json};

use crate::core_process::{ADMIN, ADMIN_PASSWORD, Home, USER, USER_PASSWORD, answer, text};
use crate::database::STILL_LOCKED;

#[tokio::test]
async fn wrong_credentials_of_every_kind_have_one_answer() {
    let home = Home::initialised();
    let (app_id, _) = home.app("photos");
    let (disabled_app, _) = home.app("old");
    home.json(&["apps", "disable", &disabled_app], "");
    home.user();
    home.json(&["users", "create", "gone@example.com"], USER_PASSWORD);
    home.json(&["users", "disable", "gone@example.com"], "");
    let core = home.serve();
    let unknown = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
    let table = [
        ("wrong password", app_id.as_str(), USER, "wrong password"),
        ("unknown user", &app_id, "nobody@example.com", USER_PASSWORD),
        ("disabled user", &app_id, "gone@example.com", USER_PASSWORD),
        ("unknown app", unknown, USER, USER_PASSWORD),
        ("no app id", "photos", USER, USER_PASSWORD),
        ("disabled app", &disabled_app, USER, USER_PASSWORD),
    ];
    let mut answers = Vec::new();
    for (name, app_id, email, password) in table {
        let (status, mut body) = core.login(app_id, email, password).await;
        assert_eq!(
            (status, &body["code"]),
            (401, &json!("invalid_credentials")),
            "{name}"
        );
        body.as_object_mut()
            .unwrap()
            .remove("request_id")
            .expect("a request id");
        answers.push(body);
    }
    assert!(
        answers.iter().all(|body| *body == answers[0]),
        "{answers:?}"
    );
}

#[tokio::test]
async fn a_request_that_is_not_understood_is_refused_before_anything_is_looked_up() {
    let home = Home::initialised();
    let core = home.serve();
    let login = |change: &dyn Fn(&mut Value)| {
        let mut body = json!({ "app_id": "x", "email": USER, "password": USER_PASSWORD });
        change(&mut body);
        body.to_string()
    };
    let table = [
        ("no JSON", "{".to_owned(), 422, "body_invalid"),
        (
            "unknown member",
            login(&|b| b["remember"] = json!(true)),
            422,
            "body_invalid",
        ),
        (
            "wrong type",
            login(&|b| b["email"] = json!(1)),
            422,
            "body_invalid",
        ),
        (
            "missing member",
            json!({ "email": USER }).to_string(),
            422,
            "body_invalid",
        ),
        (
            "duplicate member",
            r#"{"app_id":"x","app_id":"x","email":"a@b","password":"12345678"}"#.into(),
            422,
            "body_invalid",
        ),
        (
            "text after it",
            format!("{} x", login(&|_| {})),
            422,
            "body_invalid",
        ),
        (
            "no address",
            login(&|b| b["email"] = json!("user")),
            422,
            "email_invalid",
        ),
        (
            "long address",
            login(&|b| b["email"] = json!(format!("{}@b", "a".repeat(255)))),
            422,
            "email_invalid",
        ),
        (
            "short password",
            login(&|b| b["password"] = json!("1234567")),
            422,
            "password_invalid",
        ),
        (
            "long password",
            login(&|b| b["password"] = json!("x".repeat(257))),
            422,
            "password_invalid",
        ),
        (
            "NUL in password",
            login(&|b| b["password"] = json!("12345678\0")),
            422,
            "password_invalid",
        ),
        (
            "odd scope",
            login(&|b| b["scope"] = json!("a  b")),
            422,
            "scope_invalid",
        ),
        (
            "too large",
            login(&|b| b["password"] = json!("x".repeat(17_000))),
            413,
            "body_too_large",
        ),
    ];
    for (name, body, status, code) in table {
        let request = core
            .request(reqwest::Method::POST, "/api/auth/login")
            .header("content-type", "application/json");
        let response = request.body(body).send().await.unwrap();
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json",
            "{name}"
        );
        let (got, problem) = answer(response).await;
        assert_eq!((got, &problem["code"]), (status, &json!(code)), "{name}");
    }
    let request = core
        .request(reqwest::Method::POST, "/api/auth/login")
        .header("content-type", "text/plain");
    let (status, problem) = answer(request.body(login(&|_| {})).send().await.unwrap()).await;
    assert_eq!(
        (status, &problem["code"]),
        (415, &json!("unsupported_media_type"))
    );
}

#[tokio::test]
async fn scopes_beyond_the_app_or_the_user_are_refused() {
    let home = Home::initialised();
    let (app_id, _) = home.app("photos");
    home.user();
    let core_app_id = text(&home.json(&["init"], ""), "core_app_id");
    let core = home.serve();
    let login = async |app_id: &str, email: &str, password: &str, scope: &str| {
        let body =
            json!({ "app_id": app_id, "email": email, "password": password, "scope": scope });
        core.post("/api/auth/login", &body).await
    };
    // More often than the throttle allows failures: the password was right each time.
    for _ in 0..7 {
        let (status, body) = login(&app_id, USER, USER_PASSWORD, "media:read media:admin").await;
        assert_eq!((status, &body["code"]), (400, &json!("invalid_scope")));
    }
    assert_eq!(
        login(&core_app_id, USER, USER_PASSWORD, "core:admin")
            .await
            .0,
        400
    );
    assert_eq!(
        core.login(&core_app_id, USER, USER_PASSWORD).await.1["scope"],
        ""
    );
    assert_eq!(
        login(&core_app_id, ADMIN, ADMIN_PASSWORD, "core:admin")
            .await
            .0,
        200
    );
}

#[tokio::test]
async fn an_account_under_attack_waits_and_its_owner_does_not() {
    let home = Home::initialised();
    let (app_id, _) = home.app("photos");
    home.user();
    let core = home.serve();
    assert_eq!(
        core.login(&app_id, USER, USER_PASSWORD).await.0,
        200,
        "from 127.0.0.1, which is known from now on"
    );
    let stranger = async |password: &str| {
        let body = json!({ "app_id": app_id, "email": USER, "password": password }).to_string();
        let request = core
            .request(reqwest::Method::POST, "/api/auth/login")
            .header("content-type", "application/json");
        request
            .header("x-forwarded-for", "192.0.2.7")
            .body(body)
            .send()
            .await
            .unwrap()
    };
    for _ in 0..5 {
        assert_eq!(stranger("wrong password").await.status(), 401);
    }
    home.database.execute(STILL_LOCKED);
    // The right password changes nothing for a stranger: the answer must not tell that it is right.
    for password in ["wrong password", USER_PASSWORD] {
        let response = stranger(password).await;
        assert_eq!(response.status(), 429);
        let seconds: u32 = response.headers()["retry-after"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((1..=900).contains(&seconds), "{seconds}");
    }
    assert_eq!(
        core.login(&app_id, USER, USER_PASSWORD).await.0,
        200,
        "no lock-out by strangers"
    );
}

#[tokio::test]
async fn registration_is_off_until_it_is_allowed() {
    let mut home = Home::initialised();
    let (app_id, _) = home.app("photos");
    let body = json!({ "email": "new@example.com", "password": "new password" });
    {
        let core = home.serve();
        let (status, problem) = core.post("/api/auth/register", &body).await;
        assert_eq!(
            (status, &problem["code"]),
            (403, &json!("registration_closed"))
        );
    }
    home.set("ALLOW_REGISTRATION", "true");
    let core = home.serve();
    let (status, made) = core.post("/api/auth/register", &body).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(
        made.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["user_id"]
    );
    for (email, password, reason) in [
        ("new", "new password", "email_invalid"),
        ("other@example.com", "1234567", "password_invalid"),
        ("other@example.com", "12345678\0", "password_invalid"),
    ] {
        let body = json!({ "email": email, "password": password });
        let (status, problem) = core.post("/api/auth/register", &body).await;
        assert_eq!((status, &problem["code"]), (422, &json!(reason)));
    }
    let (status, problem) = core
        .post(
            "/api/auth/register",
            &json!({ "email": "NEW@example.com ", "password": "12345678" }),
        )
        .await;
    assert_eq!((status, &problem["code"]), (409, &json!("email_taken")));
    assert_eq!(
        core.login(&app_id, "new@example.com", "new password")
            .await
            .0,
        200
    );
}
