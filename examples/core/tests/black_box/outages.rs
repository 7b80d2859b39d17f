//! The database stops answering: what goes on, what is refused, and how it comes back by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testbed::Signal;
use testbed::mysql::{Pair, Server};

use crate::core_process::{Home, Running, USER, USER_PASSWORD, answer, text};
use crate::database::{Database, STILL_LOCKED, allow_schemas};

/// It is done in time once of three times: a machine that pauses makes one of them late, a wait of Core all, and
/// slack would hide that.
async fn in_time_once(limit: Duration, ask: impl AsyncFn()) {
    for _ in 0..3 {
        let started = Instant::now();
        ask().await;
        if started.elapsed() < limit {
            return;
        }
    }
    panic!("three times not within {limit:?}");
}

/// What needs no database answers as ever, and at once.
async fn goes_on_without_a_database(core: &Running<'_>) {
    in_time_once(Duration::from_secs(1), async || {
        assert_eq!(core.get("/.well-known/jwks.json").await.status(), 200);
        assert_eq!(core.get("/health/live").await.status(), 200);
    })
    .await;
}

/// Health is bad within its deadline; a login and an app's own token get 503 with `Retry-After`.
async fn says_that_it_is_unavailable(core: &Running<'_>, app: &(String, String)) {
    in_time_once(Duration::from_secs(4), async || {
        let (status, body) = answer(core.get("/health").await).await;
        assert_eq!(status, 503);
        assert_eq!(
            body,
            json!({ "status": "degraded", "checks": { "keys": "ok", "database": "failed" } })
        );
    })
    .await;
    let login = json!({ "app_id": app.0, "email": USER, "password": USER_PASSWORD });
    let login = core
        .request(reqwest::Method::POST, "/api/auth/login")
        .header("content-type", "application/json")
        .body(login.to_string());
    let response = login.send().await.unwrap();
    assert!(response.headers().contains_key("retry-after"));
    let (status, body) = answer(response).await;
    let reason = body["code"].as_str().unwrap_or_default().to_owned();
    assert_eq!(status, 503, "{body}");
    assert!(
        ["database_busy", "database_unavailable"].contains(&reason.as_str()),
        "{reason}"
    );
}

async fn client_credentials(core: &Running<'_>, app: &(String, String)) -> (u16, bool, Value) {
    let response = core
        .request(reqwest::Method::POST, "/oauth/token")
        .basic_auth(&app.0, Some(&app.1))
        .header("content-type", "application/x-www-form-urlencoded")
        .body("grant_type=client_credentials")
        .send()
        .await
        .unwrap();
    let retry = response.headers().contains_key("retry-after");
    let (status, body) = answer(response).await;
    (status, retry, body)
}

/// A signal is sent before every thread has met it.
fn wait_until_stopped(pid: rustix::process::Pid) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let stopped = || {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        tasks.map_while(Result::ok).all(|task| {
            let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            // The state stands behind the name, which ends with the last parenthesis (proc_pid_stat(5)).
            stat.rsplit(')')
                .next()
                .is_some_and(|rest| rest.trim_start().starts_with('T'))
        })
    };
    while !stopped() {
        assert!(Instant::now() < deadline, "it does not stop");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Within a few seconds, and without anybody's help.
async fn recovers(core: &Running<'_>, app: &(String, String)) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while core.get("/health").await.status() != 200 {
        assert!(Instant::now() < deadline, "{}", core.child.log_tail(20));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (status, body) = core.login(&app.0, USER, USER_PASSWORD).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(client_credentials(core, app).await.0, 200);
}

#[tokio::test]
async fn a_database_that_somebody_else_holds_stops_logins_only() {
    let home = Home::empty_on_sqlite().and_initialised();
    let app = home.app("photos");
    home.user();
    let core = home.serve();
    let mut database = rusqlite::Connection::open(home.path("core.db")).unwrap();
    let held = database
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .unwrap();
    let meanwhile = core.login(&app.0, USER, USER_PASSWORD);
    let (first, ()) = tokio::join!(meanwhile, async {
        // Behind the login, which waits.
        tokio::time::sleep(Duration::from_millis(200)).await;
        goes_on_without_a_database(&core).await;
        assert_eq!(core.get("/health").await.status(), 503);
    });
    assert_eq!((first.0, &first.1["code"]), (503, &json!("database_busy")));
    held.rollback().unwrap();
    recovers(&core, &app).await;
}

#[tokio::test]
async fn a_file_that_is_moved_away_or_replaced_is_not_written_any_more() {
    let home = Home::empty_on_sqlite().and_initialised();
    let app = home.app("photos");
    home.user();
    let core = home.serve();
    let (file, backup) = (home.path("core.db"), home.path("backup.db"));
    rusqlite::Connection::open(&file)
        .unwrap()
        .execute("VACUUM INTO ?1", [backup.to_str().unwrap()])
        .unwrap();
    assert_eq!(core.login(&app.0, USER, USER_PASSWORD).await.0, 200);

    std::fs::rename(&file, home.path("away.db")).unwrap();
    goes_on_without_a_database(&core).await;
    says_that_it_is_unavailable(&core, &app).await;
    std::fs::write(&file, "").unwrap();
    says_that_it_is_unavailable(&core, &app).await;
    core.logged("is not a database of Core", 1);
    std::fs::remove_file(&file).unwrap();
    std::fs::rename(home.path("away.db"), &file).unwrap();
    recovers(&core, &app).await;
    assert!(home.database.number("SELECT count(*) FROM refresh_tokens") >= 2);

    // Its log is moved away alone: what is written from then on would be in no log that a restart reads.
    let before = home.database.number("SELECT count(*) FROM refresh_tokens");
    std::fs::rename(home.path("core.db-wal"), home.path("away.db-wal")).unwrap();
    assert_eq!(core.login(&app.0, USER, USER_PASSWORD).await.0, 200);
    let after = home.database.number("SELECT count(*) FROM refresh_tokens");
    assert_eq!(after, before + 1);

    // A backup in its place: from before the logins.
    std::fs::rename(&backup, &file).unwrap();
    recovers(&core, &app).await;
    let logins = home.database.number("SELECT count(*) FROM refresh_tokens");
    assert_eq!(
        logins, 1,
        "what is acknowledged is in the file that is there"
    );
}

#[tokio::test]
#[ignore = "needs MySQL: `cargo xtask test` sets it up and runs this"]
async fn a_server_that_is_stopped_or_crashes_stops_logins_only() {
    let mut server = Server::start().unwrap();
    allow_schemas(&server);
    let home = Home::empty_on(Database::on(&server)).and_initialised();
    let app = home.app("photos");
    home.user();
    let core = home.serve();
    assert_eq!(client_credentials(&core, &app).await.0, 200);
    for crash in [false, true] {
        if crash {
            server.kill();
        } else {
            server.stop();
        }
        goes_on_without_a_database(&core).await;
        says_that_it_is_unavailable(&core, &app).await;
        let (status, retry, body) = client_credentials(&core, &app).await;
        assert_eq!(
            (status, retry, &body["error"]),
            (503, true, &json!("temporarily_unavailable"))
        );
        server.start_again(&[]).unwrap();
        recovers(&core, &app).await;
    }
}

#[tokio::test]
#[ignore = "needs MySQL: `cargo xtask test` sets it up and runs this"]
async fn a_core_that_starts_without_its_server_publishes_keys_and_waits_for_it() {
    let mut server = Server::start().unwrap();
    allow_schemas(&server);
    let home = Home::empty_on(Database::on(&server)).and_initialised();
    let app = home.app("photos");
    home.user();
    server.kill();
    let said = home.refused(&["check"], "");
    assert!(
        said.contains("DATABASE_URL: the database cannot be reached"),
        "{said}"
    );
    let core = home.serve();
    goes_on_without_a_database(&core).await;
    says_that_it_is_unavailable(&core, &app).await;
    let (status, body) = core
        .call(reqwest::Method::GET, "/api/apps", "x", None)
        .await;
    assert_eq!(
        (status, &body["code"]),
        (503, &json!("database_unavailable"))
    );
    server.start_again(&[]).unwrap();
    recovers(&core, &app).await;
    core.logged("reloaded", 1);
    let admin = core.admin_token().await;
    let (status, _) = core
        .call(reqwest::Method::GET, "/api/apps", &admin, None)
        .await;
    assert_eq!(status, 200);
}

#[tokio::test]
#[ignore = "needs MySQL: `cargo xtask test` sets it up and runs this"]
async fn a_server_that_hangs_or_takes_no_writes_stops_logins_only() {
    let server = Server::start().unwrap();
    allow_schemas(&server);
    let home = Home::empty_on(Database::on(&server)).and_initialised();
    let app = home.app("photos");
    home.user();
    let core = home.serve();
    assert_eq!(client_credentials(&core, &app).await.0, 200);
    // It hangs: nothing is refused, nothing is answered.
    let pid = std::fs::read_to_string(server.folder().join("mysqld.pid")).unwrap();
    let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    wait_until_stopped(pid);
    goes_on_without_a_database(&core).await;
    says_that_it_is_unavailable(&core, &app).await;
    goes_on_without_a_database(&core).await;
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    recovers(&core, &app).await;

    // A replica, or a primary that was replaced: it answers, and takes nothing.
    server.sql("SET GLOBAL super_read_only = ON").unwrap();
    says_that_it_is_unavailable(&core, &app).await;
    core.logged("must name the primary", 1);
    server
        .sql("SET GLOBAL super_read_only = OFF; SET GLOBAL read_only = OFF")
        .unwrap();
    recovers(&core, &app).await;
}

#[tokio::test]
#[ignore = "needs MySQL: `cargo xtask test` sets it up and runs this"]
async fn what_the_server_is_must_be_proven_by_its_certificate() {
    let server = Server::start().unwrap();
    let other = Server::start().unwrap();
    allow_schemas(&server);
    let mut home = Home::empty_on(Database::on(&server)).and_initialised();
    let Database::Mysql(schema) = home.database.clone() else {
        unreachable!()
    };
    let url = schema.url();
    let refused = |home: &Home, words: &str| {
        let said = home.refused(&["apps", "list"], "");
        assert!(
            said.contains("DATABASE_URL: ") && said.contains(words),
            "{said}"
        );
    };
    home.set("DATABASE_URL", format!("{url}&tls-hostname=coredb1"));
    home.json(&["apps", "list"], "");
    home.set("DATABASE_URL", format!("{url}&tls-hostname=coredb2"));
    refused(&home, "certificate was not accepted");
    let ours = server.ca_file().display().to_string();
    let foreign = other.ca_file().display().to_string();
    home.set("DATABASE_URL", url.replace(&ours, &foreign));
    refused(&home, "certificate was not accepted");
    home.set("DATABASE_URL", url.replace(&ours, "no-such-file.pem"));
    refused(&home, "cannot be opened");
    home.set("DATABASE_URL", url.clone());
    home.set("DATABASE_PASSWORD", "wrong");
    refused(&home, "Access denied");
    home.unset("DATABASE_PASSWORD");
    std::fs::write(home.path("password"), &server.passwords().core).unwrap();
    home.set("DATABASE_PASSWORD_FILE", "password");
    home.json(&["apps", "list"], "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MySQL: `cargo xtask test` sets it up and runs this"]
async fn two_cores_on_one_server_are_one() {
    let server = Server::start().unwrap();
    allow_schemas(&server);
    let database = Database::on(&server);
    let homes = [Home::empty_on(database.clone()), Home::empty_on(database)];
    // Both make the schema and Core's own app at once, several times over; each is there once.
    let inits = std::thread::scope(|scope| {
        let running: Vec<_> = (0..6)
            .map(|n| {
                let home = &homes[n % 2];
                scope.spawn(move || text(&home.json(&["init"], ""), "core_app_id"))
            })
            .collect();
        running
            .into_iter()
            .map(|init| init.join().unwrap())
            .collect::<Vec<_>>()
    });
    assert!(inits.iter().all(|id| *id == inits[0]), "{inits:?}");

    let app = homes[0].app("photos");
    homes[1].user();
    let cores = homes.each_ref().map(Home::serve);
    let (_, pair) = cores[0].login(&app.0, USER, USER_PASSWORD).await;
    let token = text(&pair, "refresh_token");
    let requests: Vec<_> = (0..16)
        .map(|n| {
            let request = cores[n % 2]
                .request(reqwest::Method::POST, "/api/auth/refresh")
                .header("content-type", "application/json")
                .body(json!({ "refresh_token": token }).to_string());
            tokio::spawn(async move { answer(request.send().await.unwrap()).await })
        })
        .collect();
    let mut winners = Vec::new();
    for request in requests {
        match request.await.unwrap() {
            (200, body) => winners.push(body),
            (409, body) => assert_eq!(body["code"], "refresh_superseded"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(winners.len(), 1);
    let successor = text(&winners[0], "refresh_token");

    // Theft that one of them sees is over on the other.
    homes[0]
        .database
        .execute("UPDATE refresh_tokens SET spent_at = spent_at - 11000");
    assert_eq!(cores[1].refresh(&token).await.1["code"], "refresh_reused");
    assert_eq!(
        cores[0].refresh(&successor).await.1["code"],
        "refresh_invalid"
    );

    // So are failures: three on each are more than five.
    let mut statuses = Vec::new();
    for n in 0..6 {
        if n == 5 {
            homes[0].database.execute(STILL_LOCKED);
        }
        let (status, _) = cores[n % 2]
            .login(&app.0, "nobody@example.com", "wrong password")
            .await;
        statuses.push(status);
    }
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429]);

    // One of them ends in the middle; the other one goes on.
    cores[0].child.signal(Signal::Kill).unwrap();
    assert_eq!(cores[1].login(&app.0, USER, USER_PASSWORD).await.0, 200);
}

/// What those who register and their test tell each other.
#[derive(Default)]
struct Registering {
    acknowledged: AtomicUsize,
    stop: AtomicBool,
}

impl Registering {
    /// Waits for so many more that are acknowledged.
    async fn more(&self, count: usize) {
        let enough = self.acknowledged.load(Ordering::Relaxed) + count;
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.acknowledged.load(Ordering::Relaxed) < enough {
            assert!(Instant::now() < deadline, "nobody can register");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Registers apps until it is told to stop; those that were acknowledged.
async fn register_until(
    client: reqwest::Client,
    base: String,
    admin: String,
    registering: Arc<Registering>,
) -> Vec<String> {
    let mut acknowledged = Vec::new();
    while !registering.stop.load(Ordering::Relaxed) {
        let name = uuid::Uuid::new_v4().to_string();
        let request = client
            .post(format!("{base}/api/apps"))
            .bearer_auth(&admin)
            .header("content-type", "application/json")
            .body(json!({ "name": name }).to_string());
        if let Ok(response) = request.send().await
            && let (201, body) = answer(response).await
        {
            acknowledged.push(text(&body, "app_id"));
            registering.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    }
    acknowledged
}

/// Every id that a Core lists.
async fn listed(core: &Running<'_>) -> Vec<String> {
    let admin = core.admin_token().await;
    let (_, list) = core
        .call(reqwest::Method::GET, "/api/apps", &admin, None)
        .await;
    let apps = list["apps"].as_array().unwrap();
    apps.iter().map(|app| text(app, "app_id")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MySQL: `cargo xtask test` sets it up and runs this"]
async fn a_replica_takes_over_with_a_changed_address_and_a_restart() {
    let mut pair = Pair::start().unwrap();
    allow_schemas(&pair.primary);
    let database = Database::on(&pair.primary);
    let mut home = Home::empty_on(database).and_initialised();
    let core = home.serve();
    let admin = core.admin_token().await;
    let told = Arc::new(Registering::default());
    let registering: Vec<_> = (0..4)
        .map(|_| {
            let (client, told) = (core.client.clone(), Arc::clone(&told));
            tokio::spawn(register_until(client, home.base(), admin.clone(), told))
        })
        .collect();
    // The server dies in the middle and comes back by itself, as under systemd.
    told.more(15).await;
    pair.primary.kill();
    pair.primary.start_again(&[]).unwrap();
    told.more(10).await;
    told.stop.store(true, Ordering::Relaxed);
    let mut acknowledged = Vec::new();
    for one in registering {
        acknowledged.extend(one.await.unwrap());
    }
    assert!(acknowledged.len() >= 25, "{}", acknowledged.len());
    let kept = listed(&core).await;
    for app_id in &acknowledged {
        assert!(kept.contains(app_id), "{app_id} was acknowledged");
    }

    // It is lost for good; its replica, which has everything, takes over.
    pair.wait_until_caught_up().unwrap();
    pair.primary.kill();
    pair.replica
        .sql(
            "STOP REPLICA; RESET REPLICA ALL; SET GLOBAL super_read_only = OFF; SET GLOBAL read_only = OFF",
        )
        .unwrap();
    drop(core);
    let Database::Mysql(schema) = home.database.clone() else {
        unreachable!()
    };
    let ports = [&pair.primary, &pair.replica].map(|server| format!(":{}/", server.port()));
    home.set("DATABASE_URL", schema.url().replace(&ports[0], &ports[1]));
    let core = home.serve();
    assert_eq!(core.get("/health").await.status(), 200);
    let mut after = listed(&core).await;
    let mut before = kept;
    before.sort();
    after.sort();
    assert_eq!(after, before);
}
