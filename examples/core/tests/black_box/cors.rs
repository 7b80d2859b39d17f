//! Exact origins, and no others.

use reqwest::Method;

use crate::core_process::Home;

#[tokio::test]
async fn only_a_listed_origin_may_read_answers() {
    let mut home = Home::initialised();
    home.set(
        "ALLOWED_ORIGINS",
        "https://app.example.com,http://localhost:3000",
    );
    let core = home.serve();
    for (origin, allowed) in [
        ("https://app.example.com", true),
        ("http://localhost:3000", true),
        ("https://app.example.com.evil.example", false),
        ("http://app.example.com", false),
        ("https://app.example.com:444", false),
        ("null", false),
    ] {
        for (method, path) in [
            (Method::GET, "/.well-known/jwks.json"),
            (Method::OPTIONS, "/api/auth/login"),
        ] {
            let request = core.request(method.clone(), path).header("origin", origin);
            let response = request
                .header("access-control-request-method", "POST")
                .send()
                .await
                .unwrap();
            let header = response
                .headers()
                .get("access-control-allow-origin")
                .map(|value| value.to_str().unwrap());
            assert_eq!(header, allowed.then_some(origin), "{method} {origin}");
            assert!(
                !response
                    .headers()
                    .contains_key("access-control-allow-credentials")
            );
            assert!(
                response.headers()["vary"]
                    .to_str()
                    .unwrap()
                    .to_lowercase()
                    .contains("origin")
            );
        }
    }
}
