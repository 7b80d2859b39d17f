//! Families of refresh tokens.

use dailey_core::refresh::{Decision, GRACE_MS};
use dailey_core::store::{AppChange, Context, RefreshAttempt, Refreshed};
use uuid::Uuid;

use crate::fixture::{Fixture, LIFE, exchange, scopes};

pub(crate) async fn a_token_is_exchanged_once_forgiven_for_ten_seconds_and_then_betrays_its_family(
    fixture: Fixture,
) {
    assert_eq!(fixture.refused([9; 32]).await, Decision::Invalid, "unknown");
    let _ = fixture.log_in("first hash", None, [2; 32]).await;
    fixture.rotated([2; 32], [3; 32]).await;
    fixture.pass(GRACE_MS);
    assert_eq!(fixture.refused([2; 32]).await, Decision::Superseded);
    fixture.rotated([3; 32], [4; 32]).await;
    // Another session of the same user has nothing to do with it.
    let _ = fixture.log_in("first hash", None, [7; 32]).await;
    fixture.pass(1);
    assert_eq!(fixture.refused([2; 32]).await, Decision::Reused);
    for token in [2, 3, 4] {
        assert_eq!(fixture.refused([token; 32]).await, Decision::Invalid);
    }
    fixture.rotated([7; 32], [8; 32]).await;
    let parents = fixture.ask("SELECT count(*) FROM refresh_tokens WHERE parent_hash IS NOT NULL");
    assert_eq!(parents, ["3"]);
}

pub(crate) async fn a_token_ends_and_its_successor_lives_on(fixture: Fixture) {
    let _ = fixture.log_in("first hash", None, [2; 32]).await;
    fixture.pass(LIFE - 1);
    fixture.rotated([2; 32], [3; 32]).await;
    fixture.pass(LIFE - 1);
    fixture.rotated([3; 32], [4; 32]).await;
    fixture.pass(LIFE);
    assert_eq!(fixture.refused([4; 32]).await, Decision::Invalid);
}

pub(crate) async fn nothing_is_spent_by_a_refused_request(fixture: Fixture) {
    let store = &fixture.store;
    let _ = fixture.log_in("first hash", None, [2; 32]).await;
    let foreign = RefreshAttempt {
        app_id: Some(Uuid::nil()),
        ..exchange([2; 32], [3; 32])
    };
    let outcome = store.refresh(foreign, Context::default()).await.unwrap();
    assert!(matches!(outcome, Refreshed::Refused(Decision::Invalid)));
    let app = Some(Uuid::nil());
    store
        .revoke_family([2; 32], app, Context::default())
        .await
        .unwrap();
    store
        .revoke_family([9; 32], None, Context::default())
        .await
        .unwrap();
    let greedy = RefreshAttempt {
        requested: Some(scopes(&["media:read", "media:admin"])),
        ..exchange([2; 32], [3; 32])
    };
    let outcome = store.refresh(greedy, Context::default()).await.unwrap();
    assert!(matches!(outcome, Refreshed::BeyondGrant));

    // Less on request, for this access token only; what was taken from the app is gone.
    let modest = RefreshAttempt {
        app_id: Some(fixture.app.app_id),
        requested: Some(scopes(&["media:read"])),
        ..exchange([2; 32], [3; 32])
    };
    let granted = async |attempt| match store.refresh(attempt, Context::default()).await.unwrap() {
        Refreshed::Rotated { scopes, .. } => scopes.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(granted(modest).await, "media:read");
    let all = exchange([3; 32], [4; 32]);
    assert_eq!(granted(all).await, "media:read media:write");
    let change = AppChange {
        scopes: Some(scopes(&["media:write", "media:list"])),
        ..AppChange::default()
    };
    let changed = store.change_app(fixture.app.app_id, change, Context::default());
    changed.await.unwrap();
    assert_eq!(granted(exchange([4; 32], [5; 32])).await, "media:write");
}

pub(crate) async fn of_many_at_once_one_wins(fixture: Fixture) {
    let _ = fixture.log_in("first hash", None, [2; 32]).await;
    let many: Vec<_> = (10..26)
        .map(|successor| {
            let store = fixture.store.clone();
            let attempt = exchange([2; 32], [successor; 32]);
            tokio::spawn(async move { store.refresh(attempt, Context::default()).await.unwrap() })
        })
        .collect();
    let mut winners = 0;
    for one in many {
        match one.await.unwrap() {
            Refreshed::Rotated { .. } => winners += 1,
            Refreshed::Refused(Decision::Superseded) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(winners, 1);
    assert_eq!(fixture.ask("SELECT count(*) FROM refresh_tokens"), ["2"]);
}

pub(crate) async fn a_revocation_overtakes_every_exchange(fixture: Fixture) {
    for round in 0..20_u8 {
        let first = [round; 32];
        let _ = fixture.log_in("first hash", None, first).await;
        let store = fixture.store.clone();
        // Exchanges its token again and again, under hashes that lie everywhere in the index.
        let honest = tokio::spawn(async move {
            let mut current = first;
            loop {
                let mut next = [0; 32];
                next[..16].copy_from_slice(Uuid::new_v4().as_bytes());
                let attempt = exchange(current, next);
                match store.refresh(attempt, Context::default()).await.unwrap() {
                    Refreshed::Rotated { .. } => current = next,
                    Refreshed::Refused(Decision::Invalid) => return,
                    other => panic!("{other:?}"),
                }
            }
        });
        tokio::time::sleep(std::time::Duration::from_millis(u64::from(round % 5))).await;
        let revoked = fixture.store.revoke_family(first, None, Context::default());
        revoked.await.unwrap();
        let living = fixture.ask("SELECT count(*) FROM refresh_tokens WHERE revoked_at IS NULL");
        assert_eq!(living, ["0"], "no successor escapes");
        tokio::time::timeout(std::time::Duration::from_secs(10), honest)
            .await
            .unwrap()
            .unwrap();
    }
}
