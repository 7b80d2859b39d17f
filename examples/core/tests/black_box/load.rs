//! A rotation and many reloads while tokens are asked for and verified all the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use dailey_auth::Verifier;
use testbed::Signal;

use crate::core_process::{Home, Running, text};

/// Asks for a token and verifies it, until it is told to stop. Nothing may ever fail.
async fn traffic(
    client: reqwest::Client,
    base: String,
    app: (String, String),
    verifier: Verifier,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
) {
    while !stop.load(Ordering::Relaxed) {
        let response = client
            .post(format!("{base}/oauth/token"))
            .basic_auth(&app.0, Some(&app.1))
            .header("content-type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials")
            .timeout(Duration::from_secs(20))
            .send()
            .await
            .expect("no request is dropped");
        let (status, body) = crate::core_process::answer(response).await;
        assert_eq!(status, 200, "{body}");
        let token = text(&body, "access_token");
        verifier.verify(&token).await.expect("no token is refused");
        done.fetch_add(1, Ordering::Relaxed);
    }
}

/// Lets the traffic go on for so many more tokens.
async fn so_many_more(done: &AtomicUsize, tokens: usize) {
    let goal = done.load(Ordering::Relaxed) + tokens;
    let wait = async {
        while done.load(Ordering::Relaxed) < goal {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait)
        .await
        .expect("the traffic goes on");
}

/// So many seconds pass for the rotation tool.
pub(crate) fn age_the_record(home: &Home, seconds: i64) {
    let path = home.path("keys/rotation.json");
    let mut record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for history in record["keys"].as_object_mut().unwrap().values_mut() {
        for time in history.as_object_mut().unwrap().values_mut() {
            let then: jiff::Timestamp = time.as_str().unwrap().parse().unwrap();
            let earlier = then.as_second() - seconds;
            *time = jiff::Timestamp::from_second(earlier)
                .unwrap()
                .to_string()
                .into();
        }
    }
    std::fs::write(&path, record.to_string()).unwrap();
}

async fn reload(core: &Running<'_>, times: &mut usize) {
    *times += 1;
    core.child.signal(Signal::Hangup).unwrap();
    core.logged("reloaded", *times).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_under_load_refuses_no_token_and_drops_no_request() {
    let home = Home::initialised();
    let app = home.app("photos");
    let old = text(&home.json(&["init"], ""), "kid");
    let core = home.serve();
    let verifier = Verifier::builder(home.issuer(), [&app.0])
        .allow_loopback_http()
        .build()
        .unwrap();
    let (stop, done) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let traffic: Vec<_> = (0..4)
        .map(|_| {
            tokio::spawn(traffic(
                core.client.clone(),
                home.base(),
                app.clone(),
                verifier.clone(),
                Arc::clone(&stop),
                Arc::clone(&done),
            ))
        })
        .collect();
    let mut reloads = 0;
    so_many_more(&done, 20).await;
    for _ in 0..10 {
        reload(&core, &mut reloads).await;
    }

    let new = text(&home.json(&["keys", "generate"], ""), "kid");
    home.json(&["keys", "publish", &new], "");
    reload(&core, &mut reloads).await;
    so_many_more(&done, 20).await;
    // An hour passes, in which verifiers come back for the keys.
    age_the_record(&home, 3600);
    verifier.refresh().await.unwrap();
    let activated = home.json(&["keys", "activate", &new], "");
    assert_eq!(activated["warnings"], serde_json::json!([]));
    reload(&core, &mut reloads).await;
    so_many_more(&done, 40).await;
    // Until the last token of the old key has ended.
    age_the_record(&home, 3630);
    home.json(&["keys", "retire", &old], "");
    reload(&core, &mut reloads).await;
    verifier.refresh().await.unwrap();
    so_many_more(&done, 20).await;

    stop.store(true, Ordering::Relaxed);
    for task in traffic {
        task.await.unwrap();
    }
    assert_eq!(core.published_kids().await, std::slice::from_ref(&new));
    let keys = verifier.health().keys;
    assert_eq!(keys.iter().map(|key| &key.kid).collect::<Vec<_>>(), [&new]);
}
