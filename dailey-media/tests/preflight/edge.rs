//! In production the service answers to its own names, and asks for https where it knows better.

use std::time::Duration;

use super::ground::Ground;

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn production_answers_to_our_names_alone_and_sends_plain_http_to_the_configured_origin() {
    for configured in [false, true] {
        let mut ground = Ground::new().await;
        if configured {
            ground.set("PUBLIC_ORIGIN", "https://media.example");
        }
        let mut command = ground.command();
        command.arg("serve");
        let log = ground.path("log");
        let mut child = testbed::Child::start("dailey-media", command, &log).unwrap();
        let url = format!("http://{}/health/live", ground.address());
        testbed::wait_for_http(&mut child, &url, PATIENCE).unwrap();
        let client = reqwest::Client::builder().no_proxy();
        let client = client.redirect(reqwest::redirect::Policy::none());
        let client = client.build().unwrap();
        let (ours, theirs) = if configured {
            ("media.example", "media.dailey.cloud")
        } else {
            ("media.dailey.cloud", "media.example")
        };
        for (method, host, proto, status, code) in [
            ("GET", ours, "https", 200, ""),
            ("GET", theirs, "https", 421, "host_unknown"),
            ("GET", "evil.example", "https", 421, "host_unknown"),
            ("POST", ours, "http", 403, "https_required"),
            ("GET", ours, "http", 308, ""),
        ] {
            let request = client
                .request(method.parse().unwrap(), &url)
                .header("host", host)
                .header("x-forwarded-proto", proto);
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), status, "{method} {host} {proto}");
            let hsts = answer.headers().contains_key("strict-transport-security");
            assert_eq!(hsts, proto == "https", "{method} {host} {proto}");
            if status == 308 {
                let location = format!("https://{ours}/health/live");
                assert_eq!(answer.headers()["location"], location);
            }
            let text = answer.text().await.unwrap();
            assert!(text.contains(code), "{text}");
        }
    }
}
