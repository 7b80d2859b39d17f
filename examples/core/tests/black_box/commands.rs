//! The command line, for people and for programs.

use serde_json::{Value, json};

use crate::core_process::{ADMIN, Home, USER, USER_PASSWORD, log, text};

fn names(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[test]
fn apps_are_managed_from_the_command_line() {
    let home = Home::initialised();
    let made = home.json(
        &["apps", "create", "photos", "--scope", "b", "--scope", "a"],
        "",
    );
    assert_eq!(names(&made), ["app_id", "client_secret", "name", "scopes"]);
    assert_eq!(made["scopes"], json!(["a", "b"]));
    let app_id = text(&made, "app_id");
    let shown = home.json(&["apps", "show", &app_id], "");
    assert_eq!(
        names(&shown),
        ["app_id", "created_at", "disabled", "name", "scopes"]
    );
    let list = home.json(&["apps", "list"], "");
    assert_eq!(
        list["apps"].as_array().unwrap().len(),
        2,
        "with Core itself"
    );
    assert!(list["apps"].as_array().unwrap().contains(&shown));
    let rotated = home.json(&["apps", "rotate-secret", &app_id, "--revoke-old"], "");
    assert_eq!(names(&rotated), names(&made));
    assert_ne!(rotated["client_secret"], made["client_secret"]);
    assert_eq!(
        home.json(&["apps", "disable", &app_id], "")["disabled"],
        true
    );

    // For people, too.
    let said = home.run(&["apps", "list"], "");
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(
        said.contains(&format!("{app_id}  photos (disabled)")),
        "{said}"
    );

    let taken = home.refused(&["apps", "create", "photos"], "");
    assert!(taken.contains("exists already"), "{taken}");
    let unknown = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
    for command in ["show", "disable", "rotate-secret"] {
        let said = home.refused(&["apps", command, unknown], "");
        assert!(said.contains("no app with this id"), "{said}");
    }
    for name in ["", "a\u{7}"] {
        home.refused(&["apps", "create", name], "");
    }
}

#[test]
fn users_are_managed_from_the_command_line() {
    let home = Home::initialised();
    let made = home.json(&["users", "create", USER], &format!("{USER_PASSWORD}\r\n"));
    assert_eq!(names(&made), ["user_id"]);
    let list = home.json(&["users", "list"], "");
    let list = list["users"].as_array().unwrap();
    assert_eq!(list.len(), 2);
    assert_eq!(
        names(&list[0]),
        ["admin", "created_at", "disabled", "email", "user_id"]
    );
    assert_eq!(
        (&list[0]["email"], &list[0]["admin"]),
        (&json!(ADMIN), &json!(true))
    );
    assert_eq!(
        (&list[1]["email"], &list[1]["admin"]),
        (&json!(USER), &json!(false))
    );
    for command in [&["disable", USER][..], &["set-password", USER]] {
        let done = home.json(&[&["users"], command].concat(), "another password");
        assert_eq!(done, made);
    }
    assert_eq!(
        home.json(&["users", "list"], "")["users"][1]["disabled"],
        true
    );
    for (arguments, input, words) in [
        (&["create", USER][..], USER_PASSWORD, "exists already"),
        (&["create", "b@example.com"], "1234567", "at least 8"),
        (
            &["create", "b@example.com"],
            "a password\nand more",
            "more than one line",
        ),
        (&["create", "no address"], USER_PASSWORD, "email address"),
        (&["disable", "b@example.com"], "", "no such user"),
        (
            &["set-password", "b@example.com"],
            USER_PASSWORD,
            "no such user",
        ),
    ] {
        let said = home.refused(&[&["users"], arguments].concat(), input);
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn the_core_of_this_folder_is_told_to_reload_if_it_would_not_refuse() {
    let mut home = Home::initialised();
    let nobody = home.refused(&["reload"], "");
    assert!(nobody.contains("no Core of ours serves"), "{nobody}");
    let core = home.serve();
    let another = Home::initialised();
    let _another_core = another.serve();
    let new = text(&home.json(&["keys", "generate"], ""), "kid");
    home.json(&["keys", "publish", &new], "");
    let told = home.json(&["reload"], "");
    assert_eq!(told, json!({ "signalled": [core.child.id()] }));
    core.logged("reloaded", 1);
    assert!(core.published_kids().await.contains(&new));

    let log_file = core.child.log().to_owned();
    drop(core);
    home.set("JWT_ACTIVE_KID", "nonsense");
    let said = home.refused(&["reload"], "");
    assert!(
        said.contains("JWT_ACTIVE_KID"),
        "before it is looked for: {said}"
    );
    assert_eq!(log(&log_file).matches("reload").count(), 1);
}

#[tokio::test]
async fn what_is_secret_is_kept_as_a_hash_only() {
    let home = Home::empty_on_sqlite().and_initialised();
    let (app_id, client_secret) = home.app("photos");
    home.user();
    let core = home.serve();
    let (_, pair) = core.login(&app_id, USER, USER_PASSWORD).await;
    let refresh_token = text(&pair, "refresh_token");
    drop(core);
    for file in ["core.db", "core.db-wal"] {
        let bytes = std::fs::read(home.path(file)).unwrap_or_default();
        for secret in [client_secret.as_str(), &refresh_token, USER_PASSWORD] {
            let found = bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} is in {file}");
        }
    }
    let database = rusqlite::Connection::open(home.path("core.db")).unwrap();
    let (secret, token, password): (Vec<u8>, Vec<u8>, String) = database
        .query_row(
            "SELECT (SELECT secret_hash FROM app_secrets), (SELECT token_hash FROM refresh_tokens), \
             (SELECT password_hash FROM users WHERE is_admin = 0)",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap();
    assert_eq!((secret.len(), token.len()), (32, 32));
    assert!(password.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
}
