//! A key takes over from another while Core serves, and every token verifies throughout.

use testbed::Signal;

use crate::core_process::{Home, Running, USER, USER_PASSWORD, text};

async fn token(core: &Running<'_>, app_id: &str) -> String {
    text(
        &core.login(app_id, USER, USER_PASSWORD).await.1,
        "access_token",
    )
}

#[tokio::test]
async fn a_rotation_while_serving_breaks_no_token() {
    let home = Home::initialised();
    let (app_id, _) = home.app("photos");
    home.user();
    let old = text(&home.json(&["init"], ""), "kid");
    let core = home.serve();
    let before = token(&core, &app_id).await;

    let generated = home.json(&["keys", "generate"], "");
    let new = text(&generated, "kid");
    assert_eq!(
        text(&generated, "private_key_file"),
        format!("keys/{new}.pem")
    );
    assert!(
        home.refused(&["keys", "activate", &new], "")
            .contains("is not published")
    );
    home.json(&["keys", "publish", &new], "");
    assert_eq!(
        core.published_kids().await,
        std::slice::from_ref(&old),
        "until the reload"
    );
    core.child.signal(Signal::Hangup).unwrap();
    core.logged("reloaded", 1);
    let mut both = [old.clone(), new.clone()];
    both.sort();
    assert_eq!(core.published_kids().await, both);

    let activated = home.json(&["keys", "activate", &new], "");
    assert_eq!(text(&activated, "previous_kid"), old);
    assert!(
        activated["warnings"][0]
            .as_str()
            .unwrap()
            .contains("less than an hour ago")
    );
    core.child.signal(Signal::Hangup).unwrap();
    core.logged("reloaded", 2);
    let after = token(&core, &app_id).await;
    let kid = |token: &str| token.split('.').next().unwrap().to_owned();
    assert_ne!(kid(&before), kid(&after));
    for token in [&before, &after] {
        assert!(core.verify(&app_id, token).await.is_ok());
    }

    assert!(
        home.refused(&["keys", "retire", &new], "")
            .contains("is the signing key")
    );
    assert!(
        home.refused(&["keys", "retire", &old], "")
            .contains("may live until")
    );
    home.json(&["keys", "retire", &old, "--now"], "");
    core.child.signal(Signal::Hangup).unwrap();
    core.logged("reloaded", 3);
    assert_eq!(core.published_kids().await, std::slice::from_ref(&new));
    assert_eq!(
        core.verify(&app_id, &before).await.unwrap_err().code(),
        "kid_unknown"
    );
    assert!(core.verify(&app_id, &after).await.is_ok());
    assert!(
        home.refused(&["keys", "publish", &old], "")
            .contains("was retired")
    );

    let list = home.json(&["keys", "list"], "");
    let states: Vec<_> = list["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| (text(key, "kid"), text(key, "state")))
        .collect();
    let mut expected = [(old, "retired".to_owned()), (new, "active".to_owned())];
    expected.sort();
    assert_eq!(states, expected);
}

#[tokio::test]
async fn a_named_key_signs_under_its_name() {
    let home = Home::initialised();
    let (app_id, _) = home.app("photos");
    home.user();
    home.json(&["keys", "generate", "--kid", "autumn-2026"], "");
    assert!(
        home.refused(&["keys", "generate", "--kid", "autumn-2026"], "")
            .contains("a new key needs a new kid")
    );
    assert_eq!(
        home.run(&["keys", "generate", "--kid", "../x"], "")
            .status
            .code(),
        Some(64)
    );
    home.json(&["keys", "publish", "autumn-2026"], "");
    home.json(&["keys", "activate", "autumn-2026"], "");
    let core = home.serve();
    let token = token(&core, &app_id).await;
    assert_eq!(
        core.verify(&app_id, &token).await.unwrap().header().kid(),
        "autumn-2026"
    );
}

#[tokio::test]
async fn a_bad_new_state_is_refused_and_the_old_one_keeps_serving() {
    let home = Home::initialised();
    let (app_id, _) = home.app("photos");
    home.user();
    let core = home.serve();
    let kids = core.published_kids().await;
    let key = home.path("keys/core.pem");
    std::fs::rename(&key, home.path("away.pem")).unwrap();
    core.child.signal(Signal::Hangup).unwrap();
    core.logged("the reload was refused", 1);
    assert_eq!(core.published_kids().await, kids);
    assert!(
        core.verify(&app_id, &token(&core, &app_id).await)
            .await
            .is_ok()
    );
    std::fs::rename(home.path("away.pem"), &key).unwrap();
    core.child.signal(Signal::Hangup).unwrap();
    core.logged("reloaded", 1);
}

#[tokio::test]
async fn a_named_active_kid_decides_until_it_is_changed() {
    let mut home = Home::initialised();
    let old = text(&home.json(&["init"], ""), "kid");
    home.set("JWT_ACTIVE_KID", old.clone());
    let new = text(&home.json(&["keys", "generate"], ""), "kid");
    home.json(&["keys", "publish", &new], "");
    let activated = home.json(&["keys", "activate", &new], "");
    assert!(
        activated["warnings"]
            .to_string()
            .contains(&format!("JWT_ACTIVE_KID={new}")),
        "{activated}"
    );
    let active = |home: &Home| {
        let list = home.json(&["keys", "list"], "");
        let keys = list["keys"].as_array().unwrap().clone();
        text(
            keys.iter().find(|key| key["state"] == "active").unwrap(),
            "kid",
        )
    };
    // A restart between the two steps of an activation must not stand still.
    assert_eq!(active(&home), old);
    drop(home.serve());
    home.set("JWT_ACTIVE_KID", new.clone());
    assert_eq!(active(&home), new);
    drop(home.serve());
}

#[tokio::test]
async fn a_reload_reads_the_dotenv_file_again() {
    let home = Home::initialised();
    let (app_id, _) = home.app("photos");
    home.user();
    let core = home.serve();
    std::fs::write(
        home.path(".env"),
        "JWT_TTL_SECONDS=60\nALLOW_REGISTRATION=true\n",
    )
    .unwrap();
    core.child.signal(Signal::Hangup).unwrap();
    core.logged("reloaded", 1);
    assert_eq!(
        core.login(&app_id, USER, USER_PASSWORD).await.1["expires_in"],
        60
    );
    core.logged("takes a restart", 1);
}
