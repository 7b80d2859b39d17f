//! What was acknowledged is there after a crash.

use serde_json::json;
use testbed::Signal;

use crate::core_process::{Home, answer, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_loses_no_acknowledged_app() {
    let home = Home::initialised();
    let mut core = home.serve();
    let admin = core.admin_token().await;
    let requests: Vec<_> = (0..400)
        .map(|n| {
            let request = core
                .request(reqwest::Method::POST, "/api/apps")
                .bearer_auth(&admin);
            let body = json!({ "name": format!("app {n}") }).to_string();
            let request = request
                .header("content-type", "application/json")
                .body(body);
            tokio::spawn(async move {
                let (status, body) = answer(request.send().await.ok()?).await;
                (status == 201).then(|| text(&body, "app_id"))
            })
        })
        .collect();
    // Killed in the middle: when some are acknowledged and many are not.
    core.logged("route=\"/api/apps\"", 40);
    core.child.signal(Signal::Kill).unwrap();
    let mut acknowledged = Vec::new();
    for request in requests {
        acknowledged.extend(request.await.unwrap());
    }
    assert!(!acknowledged.is_empty());
    while core.child.exited().is_none() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    drop(core);
    let core = home.serve();
    let admin = core.admin_token().await;
    let (_, list) = core
        .call(reqwest::Method::GET, "/api/apps", &admin, None)
        .await;
    let kept: Vec<String> = list["apps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|app| text(app, "app_id"))
        .collect();
    for app_id in &acknowledged {
        assert!(kept.contains(app_id), "{app_id} was acknowledged");
    }
}
