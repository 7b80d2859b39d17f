//! Counters of failed logins.

use dailey_core::store::{Context, LoginStart};

use crate::fixture::{Fixture, USER};

const MINUTE: i64 = 60_000;

pub(crate) async fn failures_of_an_account_are_counted_until_it_logs_in(fixture: Fixture) {
    let begin = async |email: &str, network: &str| {
        let attempt = fixture.attempt(email, network);
        fixture.store.begin_login(attempt).await.unwrap()
    };
    for _ in 0..5 {
        assert_eq!(begin(USER, "192.0.2.9").await.account_wait, None);
    }
    let waiting = begin(USER, "192.0.2.9").await;
    assert_eq!(waiting.account_wait, Some(1000));
    assert!(!waiting.known_address);
    let (user, hash) = waiting.user.unwrap();
    assert_eq!((user, hash.as_str()), (fixture.user.clone(), "first hash"));
    assert_eq!(waiting.app, Some(fixture.app.clone()));
    fixture.pass(1000);
    assert_eq!(begin(USER, "192.0.2.9").await.account_wait, None);
    assert_eq!(begin(USER, "192.0.2.9").await.account_wait, Some(2000));

    // Its owner logs in from an address that is known from then on; that forgets the failures.
    let _ = fixture.log_in("first hash", None, [2; 32]).await;
    for _ in 0..5 {
        assert_eq!(begin(USER, "192.0.2.9").await.account_wait, None);
    }
    let stranger = begin(USER, "192.0.2.9").await;
    let owner = begin(USER, "192.0.2.1").await;
    assert!(stranger.account_wait.is_some() && !stranger.known_address);
    assert!(owner.account_wait.is_some() && owner.known_address);

    // An account that is not there is counted alike.
    for _ in 0..5 {
        assert_eq!(
            begin("nobody@example.com", "192.0.2.3").await.account_wait,
            None
        );
    }
    let nobody = begin("nobody@example.com", "192.0.2.3").await;
    assert!(nobody.account_wait.is_some() && nobody.user.is_none());
    fixture.pass(31 * MINUTE);
    assert_eq!(
        begin("nobody@example.com", "192.0.2.3").await.account_wait,
        None
    );

    // The right password and something else wrong: no failure.
    let attempt = || fixture.attempt("other@example.com", "192.0.2.4");
    for _ in 0..9 {
        let start = fixture.store.begin_login(attempt()).await.unwrap();
        assert_eq!(start.account_wait, None);
        fixture.store.login_abandoned(attempt()).await.unwrap();
    }
}

pub(crate) async fn many_at_once_are_counted_one_by_one(fixture: Fixture) {
    let many: Vec<_> = (0..24)
        .map(|n| {
            let store = fixture.store.clone();
            let attempt = fixture.attempt(USER, &format!("192.0.2.{}", n % 3));
            tokio::spawn(async move { store.begin_login(attempt).await.unwrap() })
        })
        .collect();
    let mut allowed = 0;
    for one in many {
        let LoginStart {
            account_wait,
            address_wait,
            ..
        } = one.await.unwrap();
        assert_eq!(address_wait, None);
        allowed += usize::from(account_wait.is_none());
    }
    assert_eq!(allowed, 5);
    let failures = fixture.ask("SELECT failures FROM login_throttle ORDER BY failures");
    assert_eq!(failures, ["5", "8", "8", "8"]);
}

pub(crate) async fn an_address_waits_without_locking_accounts(fixture: Fixture) {
    let begin = async |email: &str| {
        let attempt = fixture.attempt(email, "2001:db8::/64");
        fixture.store.begin_login(attempt).await.unwrap()
    };
    for n in 0..50 {
        let start = begin(&format!("nobody{n}@example.com")).await;
        assert_eq!((start.address_wait, start.account_wait), (None, None));
    }
    for _ in 0..9 {
        let start = begin(USER).await;
        assert_eq!(start.address_wait, Some(15 * MINUTE));
        assert_eq!(start.account_wait, None);
    }
    let from_elsewhere = fixture.attempt(USER, "192.0.2.1");
    let start = fixture.store.begin_login(from_elsewhere).await.unwrap();
    assert_eq!((start.address_wait, start.account_wait), (None, None));
    fixture.pass(30 * MINUTE);
    assert_eq!(begin(USER).await.address_wait, None);
}

pub(crate) async fn who_does_not_prove_to_be_an_app_is_noted_so_often_and_no_oftener(
    fixture: Fixture,
) {
    let app_id = fixture.app.app_id;
    let fail = async |app_id, network: &str| {
        let context = Context {
            address: Some(network.to_owned()),
            ..Context::default()
        };
        let failed = fixture
            .store
            .client_failed(app_id, network.to_owned(), context);
        failed.await.unwrap();
    };
    let noted = |network: &str| {
        let lines = fixture.ask(&format!(
            "SELECT app_id FROM audit WHERE event = 'client.failed' AND address = '{network}'"
        ));
        assert!(lines.iter().all(|line| *line == app_id.to_string()));
        lines.len()
    };
    for _ in 0..60 {
        fail(app_id, "192.0.2.9").await;
    }
    assert_eq!(noted("192.0.2.9"), 50);
    fail(app_id, "192.0.2.10").await;
    assert_eq!(noted("192.0.2.10"), 1);
    fixture.pass(16 * MINUTE);
    fail(app_id, "192.0.2.9").await;
    assert_eq!(noted("192.0.2.9"), 51);
    // An id of nobody says nothing of anybody.
    fail(uuid::Uuid::now_v7(), "192.0.2.11").await;
    assert_eq!(noted("192.0.2.11"), 0);
}
