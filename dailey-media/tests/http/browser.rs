//! Pages in a real browser: `web-tests/media.mjs`, which says what is checked. It needs the part `chromium`, so
//! it is ignored unless asked for; `cargo xtask test` asks.

use std::io::Write;
use std::process::Stdio;

use serde_json::json;
use testbed::parts::ChromiumPart;

use crate::service::Service;

/// How many checks there are: none is left out unseen.
const CHECKS: &str = "14 checks";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: `cargo xtask test` sets it up and runs this"]
async fn pages_of_a_listed_origin_work_and_others_see_nothing_and_nothing_uploaded_runs() {
    let chromium = ChromiumPart::find().unwrap();
    let (listed, other) = (testbed::free_port().unwrap(), testbed::free_port().unwrap());
    let service = Service::start_for(&format!("http://127.0.0.1:{listed}")).await;
    let bearer = service.bearer(&service.token());
    let told = json!({
        "api": format!("http://127.0.0.1:{}", service.port),
        "listedPort": listed,
        "otherPort": other,
        "token": bearer.strip_prefix("Bearer "),
    });
    let mut node = chromium.node("media.mjs");
    node.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut node = node.stderr(Stdio::piped()).spawn().unwrap();
    let mut input = node.stdin.take().unwrap();
    input.write_all(told.to_string().as_bytes()).unwrap();
    drop(input);
    let ended = tokio::task::spawn_blocking(|| node.wait_with_output());
    let ended = ended.await.unwrap().unwrap();
    let (said, wrong) = (
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr),
    );
    assert!(ended.status.success(), "{said}{wrong}");
    assert_eq!(said.lines().last(), Some(CHECKS), "{said}");
}
