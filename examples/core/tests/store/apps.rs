//! Apps, their secrets, and what is kept at all.

use dailey_core::email::Email;
use dailey_core::scope::Scopes;
use dailey_core::store::{
    AppChange, Availability, Context, OLD_SECRET_MS, OldSecrets, StoreError, Swept, UserRole,
};
use uuid::Uuid;

use crate::fixture::{Fixture, LIFE, START, USER, email, scopes};

const DAY: i64 = 24 * 60 * 60 * 1000;

pub(crate) async fn the_tables_are_those_that_were_agreed_on(fixture: Fixture) {
    for (table, columns) in [
        ("apps", "app_id core created_at disabled_at name scopes"),
        ("app_secrets", "app_id created_at expires_at secret_hash"),
        (
            "users",
            "created_at disabled_at email email_canonical is_admin password_hash user_id",
        ),
        (
            "refresh_tokens",
            "app_id expires_at family_id issued_at parent_hash revoked_at scope spent_at token_hash user_id",
        ),
        ("login_throttle", "failures key locked_until window_start"),
        (
            "audit",
            "address app_id at detail event id request_id subject",
        ),
        ("schema_version", "version"),
    ] {
        assert_eq!(fixture.columns(table).join(" "), columns, "{table}");
    }
}

pub(crate) async fn what_is_written_is_read_again_to_the_last_letter(fixture: Fixture) {
    let store = &fixture.store;
    // The longest of everything that the rules allow.
    let name = "😀".repeat(100);
    let longest: Vec<String> = (0..64).map(|n| format!("{n:x>64}")).collect();
    let scopes = Scopes::from_items(longest.iter().map(String::as_str)).unwrap();
    let made = store
        .create_app(name.clone(), scopes.clone(), [2; 32], Context::default())
        .await
        .unwrap();
    assert_eq!((&made.name, &made.scopes), (&name, &scopes));
    assert_eq!((made.created_at, made.disabled_at), (START, None));
    assert_eq!(store.app(made.app_id).await.unwrap(), Some(made));
    assert_eq!(store.app(Uuid::nil()).await.unwrap(), None);

    let address = format!("{}@EXAMPLE.com", "Ü".repeat(121));
    let address = Email::parse(&address).unwrap();
    assert_eq!(address.given().len(), 254);
    let hash = "x".repeat(255);
    let made = store
        .create_user(
            address.clone(),
            hash,
            UserRole::Administrator,
            Context::default(),
        )
        .await
        .unwrap();
    assert_eq!(made.email, address.given());
    assert_eq!(made.role, UserRole::Administrator);
    assert_eq!(store.user(made.user_id).await.unwrap(), Some(made.clone()));
    assert_eq!(store.user_by_email(address).await.unwrap(), Some(made));
    assert_eq!(store.user(Uuid::nil()).await.unwrap(), None);
}

pub(crate) async fn names_and_addresses_are_compared_byte_for_byte(fixture: Fixture) {
    let store = &fixture.store;
    let create = |name: &str| {
        store.create_app(
            name.to_owned(),
            Scopes::default(),
            [2; 32],
            Context::default(),
        )
    };
    // What some collation or other takes for the same.
    for name in [
        "Photos", "phötos", "photos ", "photoß", "photoss", "PHOTOS", "😀", "😁",
    ] {
        create(name).await.unwrap();
    }
    assert!(matches!(create("photos").await, Err(StoreError::NameTaken)));
    let names: Vec<String> = store
        .apps()
        .await
        .unwrap()
        .into_iter()
        .map(|app| app.name)
        .collect();
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(names, sorted, "in the order of their bytes");
    assert_eq!(names.len(), 9);

    // A change runs into it as well.
    let change = AppChange {
        name: Some("PHOTOS".to_owned()),
        ..AppChange::default()
    };
    let changed = store.change_app(fixture.app.app_id, change.clone(), Context::default());
    assert!(matches!(changed.await, Err(StoreError::NameTaken)));
    let changed = store.change_app(Uuid::nil(), change, Context::default());
    assert!(matches!(changed.await, Err(StoreError::NoSuchApp)));

    let create = |address: &str| {
        let hash = "hash".to_owned();
        store.create_user(email(address), hash, UserRole::Ordinary, Context::default())
    };
    create("üser@example.com").await.unwrap();
    create("straße@example.com").await.unwrap();
    create("strasse@example.com").await.unwrap();
    assert!(matches!(
        create("USER@example.com").await,
        Err(StoreError::EmailTaken)
    ));
    assert_eq!(store.users().await.unwrap().len(), 4);
}

pub(crate) async fn cores_own_app_is_one_and_stays_as_it_is(fixture: Fixture) {
    let store = &fixture.store;
    assert_eq!(store.core_app().await.unwrap(), None);
    let many = (0..8).map(|_| {
        let store = fixture.store.clone();
        tokio::spawn(async move { store.ensure_core_app(Context::default()).await.unwrap() })
    });
    let mut made = Vec::new();
    for one in many.collect::<Vec<_>>() {
        made.push(one.await.unwrap());
    }
    assert!(made.iter().all(|app| *app == made[0]), "{made:?}");
    let core = store.core_app().await.unwrap().unwrap();
    assert_eq!(core, made[0]);

    for change in [
        AppChange {
            availability: Some(Availability::Disabled),
            ..AppChange::default()
        },
        AppChange {
            scopes: Some(Scopes::default()),
            ..AppChange::default()
        },
    ] {
        let changed = store.change_app(core.app_id, change, Context::default());
        assert!(matches!(changed.await, Err(StoreError::CoreApp)));
    }
    let deleted = store.delete_app(core.app_id, Context::default());
    assert!(matches!(deleted.await, Err(StoreError::CoreApp)));
    assert_eq!(store.core_app().await.unwrap(), Some(core));
}

pub(crate) async fn an_old_secret_ends_a_day_later_or_at_once(fixture: Fixture) {
    let (store, app_id) = (&fixture.store, fixture.app.app_id);
    let works = async |secret: u8| {
        let found = store.authenticate_app(app_id, [secret; 32]).await.unwrap();
        found.is_some_and(|app| app.app_id == app_id)
    };
    let rotate =
        |secret: u8, old| store.rotate_app_secret(app_id, [secret; 32], old, Context::default());
    assert!(works(1).await && !works(2).await);
    rotate(2, OldSecrets::WorkOneMoreDay).await.unwrap();
    fixture.pass(OLD_SECRET_MS - 1);
    // A second rotation does not give the first secret another day.
    rotate(3, OldSecrets::WorkOneMoreDay).await.unwrap();
    assert!(works(1).await && works(2).await && works(3).await);
    fixture.pass(1);
    assert!(!works(1).await && works(2).await && works(3).await);
    rotate(4, OldSecrets::Revoked).await.unwrap();
    assert!(!works(2).await && !works(3).await && works(4).await);

    let disable = AppChange {
        availability: Some(Availability::Disabled),
        ..AppChange::default()
    };
    store
        .change_app(app_id, disable, Context::default())
        .await
        .unwrap();
    assert!(!works(4).await, "disabled");
    let other = store.rotate_app_secret(
        Uuid::nil(),
        [5; 32],
        OldSecrets::Revoked,
        Context::default(),
    );
    assert!(matches!(other.await, Err(StoreError::NoSuchApp)));
}

pub(crate) async fn a_deleted_app_takes_everything_with_it(fixture: Fixture) {
    let (store, app_id) = (&fixture.store, fixture.app.app_id);
    let _ = fixture.log_in("first hash", None, [2; 32]).await;
    let tokens = || {
        let count = fixture.ask("SELECT count(*) FROM refresh_tokens");
        count[0].parse::<u32>().unwrap()
    };
    // More than go at once; in `SQLite` all do.
    while fixture.is_on_mysql() && tokens() <= 5000 {
        fixture.ask(
            "INSERT INTO refresh_tokens (token_hash, family_id, user_id, app_id, scope, issued_at, expires_at)
             SELECT unhex(sha2(concat(hex(token_hash), uuid()), 256)), family_id, user_id, app_id, scope, issued_at,
             expires_at FROM refresh_tokens",
        );
    }
    store.delete_app(app_id, Context::default()).await.unwrap();
    for table in ["app_secrets", "refresh_tokens"] {
        let left = fixture.ask(&format!("SELECT count(*) FROM {table}"));
        assert_eq!(left, ["0"], "{table}");
    }
    assert_eq!(store.app(app_id).await.unwrap(), None);
    assert!(
        store
            .authenticate_app(app_id, [1; 32])
            .await
            .unwrap()
            .is_none()
    );
    let again = store.delete_app(app_id, Context::default());
    assert!(matches!(again.await, Err(StoreError::NoSuchApp)));
}

pub(crate) async fn sweeping_forgets_what_has_ended_and_nothing_else(fixture: Fixture) {
    let (store, app_id) = (&fixture.store, fixture.app.app_id);
    let _ = fixture.log_in("first hash", None, [2; 32]).await;
    let attempt = fixture.attempt("nobody@example.com", "192.0.2.9");
    store.begin_login(attempt).await.unwrap();
    let rotated = store.rotate_app_secret(
        app_id,
        [3; 32],
        OldSecrets::WorkOneMoreDay,
        Context::default(),
    );
    rotated.await.unwrap();
    let counts = || {
        ["refresh_tokens", "app_secrets", "login_throttle", "audit"].map(|table| {
            let count = fixture.ask(&format!("SELECT count(*) FROM {table}"));
            count[0].parse::<usize>().unwrap()
        })
    };
    let [tokens, secrets, counters, audit] = counts();
    assert_eq!((tokens, secrets, counters), (1, 2, 2));
    store.sweep().await.unwrap();
    assert_eq!(
        counts(),
        [tokens, secrets, counters, audit],
        "nothing has ended"
    );
    fixture.pass(LIFE + 1);
    store.sweep().await.unwrap();
    assert_eq!(counts(), [0, secrets, counters, audit]);
    fixture.pass(DAY);
    store.sweep().await.unwrap();
    assert_eq!(counts(), [0, 1, 0, audit], "the working secret stays");
    fixture.pass(180 * DAY);
    store.sweep().await.unwrap();
    assert_eq!(counts(), [0, 1, 0, 0]);
    assert_eq!(store.apps().await.unwrap().len(), 1);
    assert_eq!(store.users().await.unwrap().len(), 1);
}

pub(crate) async fn much_that_has_ended_is_forgotten_piece_by_piece(fixture: Fixture) {
    let store = &fixture.store;
    let count = || {
        fixture.ask("SELECT count(*) FROM audit")[0]
            .parse::<u32>()
            .unwrap()
    };
    // More than one sweep takes anywhere.
    while count() <= 10_000 {
        fixture.ask("INSERT INTO audit (at, event, detail) SELECT at, event, detail FROM audit");
    }
    fixture.pass(181 * DAY);
    let mut sweeps = 0;
    while store.sweep().await.unwrap() == Swept::InPart {
        sweeps += 1;
        assert!(sweeps < 10, "without an end");
    }
    assert_eq!(count(), 0);
    // `SQLite` has nobody else to wait.
    assert!(sweeps >= 2 || !fixture.is_on_mysql(), "{sweeps}");
}

pub(crate) async fn every_security_event_leaves_its_line(fixture: Fixture) {
    let (store, app_id, user_id) = (&fixture.store, fixture.app.app_id, fixture.user.user_id);
    let context = Context {
        address: Some("2001:db8::1".to_owned()),
        request_id: Some("r-1".to_owned()),
        actor: Some("operator".to_owned()),
    };
    let change = AppChange {
        scopes: Some(scopes(&["media:read"])),
        ..AppChange::default()
    };
    store
        .change_app(app_id, change, context.clone())
        .await
        .unwrap();
    let old = OldSecrets::Revoked;
    store
        .rotate_app_secret(app_id, [2; 32], old, context.clone())
        .await
        .unwrap();
    for _ in 0..5 {
        let attempt = fixture.attempt(USER, "192.0.2.9");
        store.begin_login(attempt).await.unwrap();
        let attempt = fixture.attempt(USER, "192.0.2.9");
        let failed = store.login_failed(attempt, Some(user_id), context.clone());
        failed.await.unwrap();
    }
    let _ = fixture.log_in("first hash", None, [3; 32]).await;
    fixture.rotated([3; 32], [4; 32]).await;
    fixture.pass(10_001);
    let _ = fixture.refused([3; 32]).await;
    let _ = fixture.log_in("first hash", None, [5; 32]).await;
    store
        .revoke_family([5; 32], None, context.clone())
        .await
        .unwrap();
    store
        .set_password(user_id, "x".to_owned(), context.clone())
        .await
        .unwrap();
    store.disable_user(user_id, context.clone()).await.unwrap();
    store.delete_app(app_id, context).await.unwrap();

    let events = fixture.ask("SELECT event FROM audit ORDER BY id");
    let failed = ["login.failed"; 5];
    let expected = [
        &[
            "app.created",
            "user.created",
            "app.changed",
            "app.secret_rotated",
        ][..],
        &failed,
        &["login.locked"],
        &[
            "login.succeeded",
            "refresh.reused",
            "login.succeeded",
            "refresh.revoked",
            "user.password_set",
            "user.disabled",
            "app.deleted",
        ],
    ];
    assert_eq!(events, expected.concat());
    let line = fixture.ask(
        "SELECT detail FROM audit WHERE event = 'app.deleted' AND address = '2001:db8::1' AND request_id = 'r-1'",
    );
    assert_eq!(line, ["by operator"]);
    let app = fixture.ask("SELECT app_id FROM audit WHERE event = 'refresh.reused'");
    assert_eq!(app, [app_id.to_string()]);
}
