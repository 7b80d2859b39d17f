//! The store's thread and its clock. What is true of every store is in `tests/store`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::Poll;

use super::*;
use crate::refresh::{Decision, GRACE_MS};

const START: i64 = 1_800_000_000_000;
const LIFE: i64 = 60_000;

struct Fixture {
    store: SqliteStore,
    time: Arc<AtomicI64>,
    app: App,
    user: User,
    _folder: tempfile::TempDir,
}

async fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let time = Arc::new(AtomicI64::new(START));
    let clock = Arc::clone(&time);
    let clock: Clock = Arc::new(move || clock.load(Ordering::SeqCst));
    let store = SqliteStore::open(&folder.path().join("core.db"), clock).unwrap();
    let scopes = Scopes::from_items(["media:read"]).unwrap();
    let app = store
        .create_app("photos".to_owned(), scopes, [1; 32], Context::default())
        .await
        .unwrap();
    let email = Email::parse("user@example.com").unwrap();
    let hash = "first hash".to_owned();
    let user = store
        .create_user(email, hash, UserRole::Ordinary, Context::default())
        .await
        .unwrap();
    Fixture {
        store,
        time,
        app,
        user,
        _folder: folder,
    }
}

impl Fixture {
    async fn log_in(&self, verified: &str, successor: Option<&str>, token: SecretHash) -> LoginEnd {
        let success = LoginSuccess {
            attempt: LoginAttempt {
                email: Email::parse("user@example.com").unwrap(),
                app_id: Some(self.app.app_id),
                network: "192.0.2.1".to_owned(),
            },
            user_id: self.user.user_id,
            app_id: self.app.app_id,
            scopes: self.app.scopes.clone(),
            refresh_hash: token,
            refresh_life_ms: LIFE,
            verified_hash: verified.to_owned(),
            new_password_hash: successor.map(str::to_owned),
        };
        self.store
            .login_succeeded(success, Context::default())
            .await
            .unwrap()
    }

    fn refresh(&self, presented: SecretHash, successor: SecretHash) -> Answer<'_, Refreshed> {
        let attempt = RefreshAttempt {
            presented,
            successor,
            successor_life_ms: LIFE,
            app_id: None,
            requested: None,
        };
        self.store.refresh(attempt, Context::default())
    }

    /// Keeps the store's thread busy until the sender is dropped.
    fn hold(&self) -> std::sync::mpsc::Sender<()> {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let job: Job = Box::new(move |_, _| {
            let _ = held.recv();
        });
        self.store.queue.as_ref().unwrap().try_send(job).unwrap();
        release
    }
}

/// Starts an answer, so that its job is queued.
async fn queued<T>(answer: &mut Answer<'_, T>) {
    let first = std::future::poll_fn(|context| Poll::Ready(answer.as_mut().poll(context))).await;
    assert!(first.is_pending());
}

fn refused(outcome: Refreshed) -> Decision {
    match outcome {
        Refreshed::Refused(decision) => decision,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_does_not_happen() {
    let fixture = fixture().await;
    let create = |name: &str| {
        fixture.store.create_app(
            name.to_owned(),
            Scopes::default(),
            [7; 32],
            Context::default(),
        )
    };
    let release = fixture.hold();
    let mut answer = create("given up in the queue");
    queued(&mut answer).await;
    drop(answer);
    drop(release);

    // Given up while it runs: rolled back.
    let (gone, caller_gone) = std::sync::mpsc::channel::<()>();
    let (begun, has_begun) = oneshot::channel();
    let mut answer = fixture.store.transaction(move |transaction, _| {
        let changed = transaction.execute("UPDATE apps SET name = 'changed'", []);
        begun.send(()).unwrap();
        let _ = caller_gone.recv();
        changed.map_err(|error| failed(&error))
    });
    queued(&mut answer).await;
    has_begun.await.unwrap();
    drop(answer);
    drop(gone);
    let apps = fixture.store.apps().await.unwrap();
    let names: Vec<_> = apps.iter().map(|app| app.name.as_str()).collect();
    assert_eq!(names, ["photos"]);
}

#[tokio::test]
async fn time_spent_in_the_queue_counts() {
    let fixture = fixture().await;
    let mut end = fixture.log_in("first hash", None, [2; 32]).await;
    assert_eq!(end, LoginEnd::Recorded);
    // Spent when the store came to it, so an honest repetition has all of its grace.
    let release = fixture.hold();
    let mut answer = fixture.refresh([2; 32], [3; 32]);
    queued(&mut answer).await;
    fixture.time.fetch_add(GRACE_MS, Ordering::SeqCst);
    drop(release);
    assert!(matches!(answer.await.unwrap(), Refreshed::Rotated { .. }));
    fixture.time.fetch_add(GRACE_MS, Ordering::SeqCst);
    assert_eq!(
        refused(fixture.refresh([2; 32], [4; 32]).await.unwrap()),
        Decision::Superseded
    );

    // What ends in the queue has ended.
    end = fixture.log_in("first hash", None, [5; 32]).await;
    assert_eq!(end, LoginEnd::Recorded);
    let release = fixture.hold();
    let mut answer = fixture.refresh([5; 32], [6; 32]);
    queued(&mut answer).await;
    fixture.time.fetch_add(LIFE, Ordering::SeqCst);
    drop(release);
    assert_eq!(refused(answer.await.unwrap()), Decision::Invalid);
}
