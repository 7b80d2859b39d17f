//! What an attempt to log in costs: the same whoever is asked for, and never more than the machine has.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::core_process::{Home, Running, USER, USER_PASSWORD, answer};

/// A login from an address of its own, through the trusted proxy on this machine.
fn login_from(
    core: &Running<'_>,
    address: &str,
    app_id: &str,
    email: &str,
    password: &str,
) -> reqwest::RequestBuilder {
    let body = json!({ "app_id": app_id, "email": email, "password": password });
    core.request(reqwest::Method::POST, "/api/auth/login")
        .header("content-type", "application/json")
        .header("x-forwarded-for", address)
        .body(body.to_string())
}

#[tokio::test]
async fn the_time_of_a_refusal_does_not_tell_whether_the_user_exists() {
    /// Attempts of each kind; four of one account, since the fifth would make it wait.
    const SAMPLES: usize = 48;
    let mut home = Home::initialised();
    home.set("ALLOW_REGISTRATION", "true");
    let (app_id, _) = home.app("photos");
    let core = home.serve();
    for n in 0..SAMPLES / 4 {
        let body = json!({ "email": format!("user{n}@example.com"), "password": USER_PASSWORD });
        assert_eq!(core.post("/api/auth/register", &body).await.0, 201);
    }
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for n in 0..SAMPLES {
        // One of each in turn, and either kind first as often: a slow moment hits both alike.
        for kind in [n % 2, (n + 1) % 2] {
            let (name, times) = match kind {
                0 => ("user", &mut known),
                _ => ("nobody", &mut unknown),
            };
            let email = format!("{name}{}@example.com", n / 4);
            let address = format!("192.0.2.{n}");
            let request = login_from(&core, &address, &app_id, &email, "wrong password");
            let started = Instant::now();
            let response = request.send().await.unwrap();
            times.push(started.elapsed());
            assert_eq!(response.status(), 401);
        }
    }
    // How often an unknown user is refused faster than a known one (Mann and Whitney's U): one half where the two
    // distributions are the same, with a standard error of 0.06 here. A look-up that skipped the hash would give 1.
    let faster: usize = unknown
        .iter()
        .map(|one| known.iter().filter(|other| one < *other).count())
        .sum();
    let pairs = SAMPLES * SAMPLES;
    assert!(
        (pairs / 4..=pairs * 3 / 4).contains(&faster),
        "{faster} of {pairs}"
    );
}

#[tokio::test]
async fn an_address_that_guesses_many_accounts_waits_also_after_a_restart() {
    let home = Home::initialised();
    let (app_id, _) = home.app("photos");
    home.user();
    let status = async |core: &Running<'_>, address: &str, email: &str| {
        let request = login_from(core, address, &app_id, email, "wrong password");
        request.send().await.unwrap().status()
    };
    {
        let core = home.serve();
        for n in 0..50 {
            let email = format!("nobody{n}@example.com");
            assert_eq!(status(&core, "192.0.2.7", &email).await, 401);
        }
        assert_eq!(status(&core, "192.0.2.7", "next@example.com").await, 429);
    }
    let core = home.serve();
    let request = login_from(&core, "192.0.2.7", &app_id, USER, USER_PASSWORD);
    let response = request.send().await.unwrap();
    let retry_after = response.headers()["retry-after"].to_str().unwrap();
    assert!((800..=900).contains(&retry_after.parse::<u32>().unwrap()));
    assert_eq!(
        answer(response).await.1["code"],
        "login_throttled",
        "whatever the account and the password"
    );
    // What it tried while it waited counted against nobody.
    assert_eq!(status(&core, "192.0.2.8", "next@example.com").await, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_logins_is_refused_in_time_and_leaves_the_keys_alone() {
    let home = Home::initialised();
    let (app_id, _) = home.app("photos");
    // One hash at a time, so that this many do not fit into anybody's patience.
    let core = home.serve_on_one_processor();
    let requests: Vec<_> = (0..400)
        .map(|n| {
            let address = format!("10.0.{}.{}", n / 200, n % 200);
            let email = format!("nobody{n}@example.com");
            let request = login_from(&core, &address, &app_id, &email, "wrong password");
            tokio::spawn(async move {
                let response = request.send().await.unwrap();
                let retry = response.headers().contains_key("retry-after");
                let (status, body) = answer(response).await;
                (status, retry, body["code"].as_str().map(str::to_owned))
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let started = Instant::now();
    assert_eq!(core.get("/.well-known/jwks.json").await.status(), 200);
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "hashing stays off the threads that answer"
    );
    let mut refused = 0;
    for request in requests {
        let (status, retry, reason) = request.await.unwrap();
        match (status, reason.as_deref()) {
            (401, Some("invalid_credentials")) => {}
            (503, Some("busy" | "database_busy")) if retry => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(
        refused > 0,
        "more came than fits into the wait of two seconds"
    );
}
