//! What is looked at again before a login counts, and what ends sessions.

use dailey_core::refresh::Decision;
use dailey_core::store::{AppChange, Availability, Context, LoginEnd, StoreError};
use uuid::Uuid;

use crate::fixture::Fixture;

pub(crate) async fn a_login_does_not_outlive_what_changed_while_its_password_was_verified(
    fixture: Fixture,
) {
    let store = &fixture.store;
    let log_in = async |verified: &str, rehashed: Option<&str>, token: u8| {
        fixture.log_in(verified, rehashed, [token; 32]).await
    };
    let (recorded, outdated) = (LoginEnd::Recorded, LoginEnd::Outdated);
    assert_eq!(log_in("first hash", Some("rehashed"), 2).await, recorded);
    let set = store.set_password(
        fixture.user.user_id,
        "second hash".to_owned(),
        Context::default(),
    );
    set.await.unwrap();
    assert_eq!(log_in("rehashed", Some("undone"), 3).await, outdated);
    // Neither the session nor the rehash happened.
    assert_eq!(fixture.refused([3; 32]).await, Decision::Invalid);
    assert_eq!(log_in("second hash", None, 5).await, recorded);

    let app_id = fixture.app.app_id;
    for (availability, end, token) in [
        (Availability::Disabled, outdated, 6),
        (Availability::Enabled, recorded, 7),
    ] {
        let change = AppChange {
            availability: Some(availability),
            ..AppChange::default()
        };
        store
            .change_app(app_id, change, Context::default())
            .await
            .unwrap();
        assert_eq!(log_in("second hash", None, token).await, end);
    }
    let user_id = fixture.user.user_id;
    store
        .disable_user(user_id, Context::default())
        .await
        .unwrap();
    assert_eq!(log_in("second hash", None, 9).await, outdated);
}

pub(crate) async fn disabling_and_a_new_password_end_every_session(fixture: Fixture) {
    let (store, user_id) = (&fixture.store, fixture.user.user_id);
    for (token, hash) in [(2, "first hash"), (3, "first hash")] {
        let _ = fixture.log_in(hash, None, [token; 32]).await;
    }
    let set = store.set_password(user_id, "second hash".to_owned(), Context::default());
    set.await.unwrap();
    for token in [2, 3] {
        assert_eq!(fixture.refused([token; 32]).await, Decision::Invalid);
    }
    let _ = fixture.log_in("second hash", None, [4; 32]).await;
    store
        .disable_user(user_id, Context::default())
        .await
        .unwrap();
    let first = store.user(user_id).await.unwrap().unwrap().disabled_at;
    fixture.pass(1000);
    store
        .disable_user(user_id, Context::default())
        .await
        .unwrap();
    let again = store.user(user_id).await.unwrap().unwrap().disabled_at;
    assert!(first.is_some() && first == again, "since the first time");
    assert_eq!(fixture.refused([4; 32]).await, Decision::Invalid);

    let nobody = Uuid::nil();
    let disabled = store.disable_user(nobody, Context::default()).await;
    assert!(matches!(disabled, Err(StoreError::NoSuchUser)));
    let set = store
        .set_password(nobody, "x".to_owned(), Context::default())
        .await;
    assert!(matches!(set, Err(StoreError::NoSuchUser)));
}
