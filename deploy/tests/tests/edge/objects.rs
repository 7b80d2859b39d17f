//! Whole ways from a browser to a disk and back: a login, large bodies, ranges, redirects.

use deploy_tests::edge::Deployment;
use deploy_tests::services::PASSWORD;
use deploy_tests::visitor;
use deploy_tests::world::{MACHINE, in_a_world};
use reqwest::header::{CONTENT_RANGE, LOCATION, RANGE};
use reqwest::{Certificate, Client, Identity, StatusCode, Version, redirect};
use serde_json::{Value, json};

const MEDIA: &str = "https://media.dailey.cloud";

async fn log_in(client: &Client, app_id: &str) -> String {
    let body = json!({"app_id": app_id, "email": "user@example.com", "password": PASSWORD});
    let answer = client
        .post("https://core.dailey.cloud/api/auth/login")
        .header("Content-Type", "application/json")
        .body(body.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

#[test]
#[ignore = "needs nginx: `cargo xtask test` sets it up and runs this"]
fn the_longest_description_of_an_object_comes_back() {
    in_a_world(|world| {
        let deployment = Deployment::start(world);
        visitor::run(async {
            let client = visitor::client(&deployment.edge.public_ca);
            let token = log_in(&client, &deployment.core.app_id).await;
            let url = format!("{MEDIA}/api/media/described");
            // 32 pairs of 64 bytes, and three fields of 512.
            let value = "v".repeat(62);
            let mut put = client.put(&url).bearer_auth(&token).body("x");
            for pair in 10..42 {
                put = put.header(format!("x-meta-{pair}"), &value);
            }
            let named = format!("inline; filename=\"{}\"", "n".repeat(490));
            let cached = format!("private, max-age=60, {}", "c".repeat(480));
            let typed = format!("text/plain; x=\"{}\"", "t".repeat(490));
            put = put
                .header("content-disposition", &named)
                .header("cache-control", &cached)
                .header("content-type", &typed);
            let stored = put.send().await.unwrap();
            let status = stored.status();
            let told = stored.text().await.unwrap();
            assert_eq!(status, StatusCode::CREATED, "{told}");
            // Saved under the longest name, each of whose characters is four bytes, and twelve as they are sent.
            let saved = format!("{url}?download={}", "%F0%9F%8C%8D".repeat(255));
            for url in [url, saved] {
                let got = client.get(&url).bearer_auth(&token).send().await.unwrap();
                assert_eq!(got.status(), StatusCode::OK, "{url}");
                assert_eq!(got.headers()["x-meta-41"], value);
            }
        });
    });
}

#[test]
#[ignore = "needs nginx: `cargo xtask test` sets it up and runs this"]
fn ninety_mebibytes_go_up_and_come_back_whole_and_in_part() {
    in_a_world(|world| {
        let deployment = Deployment::start(world);
        visitor::run(async {
            let client = visitor::client(&deployment.edge.public_ca);
            let token = log_in(&client, &deployment.core.app_id).await;
            let url = format!("{MEDIA}/api/media/films/large.bin");
            let body: Vec<u8> = (0..90_u32 << 20)
                .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
                .collect();
            let answer = client
                .put(&url)
                .bearer_auth(&token)
                .body(body.clone())
                .send()
                .await
                .unwrap();
            assert_eq!(answer.version(), Version::HTTP_2);
            assert_eq!(answer.status(), StatusCode::CREATED);
            // nginx keeps nothing of it on its own disk.
            for folder in ["/var/lib/nginx/body", "/var/lib/nginx/proxy"] {
                assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0, "{folder}");
            }
            let whole = client.get(&url).bearer_auth(&token).send().await.unwrap();
            assert_eq!(whole.status(), StatusCode::OK);
            assert!(whole.bytes().await.unwrap() == body, "the bytes differ");
            let (from, to) = (40_000_000, 40_000_099);
            let part = client
                .get(&url)
                .bearer_auth(&token)
                .header(RANGE, format!("bytes={from}-{to}"))
                .send()
                .await
                .unwrap();
            assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
            assert_eq!(
                part.headers()[CONTENT_RANGE],
                format!("bytes {from}-{to}/{}", body.len())
            );
            assert_eq!(part.bytes().await.unwrap(), body[from..=to]);
            let list = client.get(format!("{MEDIA}/api/media?prefix=films/"));
            let list = list.bearer_auth(&token).send().await.unwrap();
            assert_eq!(list.status(), StatusCode::OK);
            assert!(list.text().await.unwrap().contains("films/large.bin"));
            // Above what DMAPI takes it is DMAPI's answer.
            let more = vec![0; (95 << 20) + 1];
            let answer = client.put(&url).bearer_auth(&token).body(more).send().await;
            // A proxy may meet the closed connection before it reads the answer.
            if let Ok(answer) = answer {
                assert!(!answer.status().is_success(), "{answer:?}");
            }
            let whole = client.head(&url).bearer_auth(&token).send().await.unwrap();
            assert_eq!(whole.headers()["content-length"], body.len().to_string());
        });
    });
}

#[test]
#[ignore = "needs nginx: `cargo xtask test` sets it up and runs this"]
fn http_2_is_spoken_and_one_redirect_is_the_most() {
    in_a_world(|world| {
        let deployment = Deployment::start(world);
        visitor::run(async {
            let authority =
                Certificate::from_pem(deployment.edge.origin_ca.pem().as_bytes()).unwrap();
            let pass = &deployment.edge.pass;
            let pass =
                Identity::from_pem(format!("{}{}", pass.certificate, pass.key).as_bytes()).unwrap();
            let origin = Client::builder()
                .no_proxy()
                .tls_certs_only([authority])
                .identity(pass)
                .resolve("media.dailey.cloud", (MACHINE, 0).into())
                .redirect(redirect::Policy::limited(1))
                .build()
                .unwrap();
            let answer = origin
                .get("http://media.dailey.cloud/health/live")
                .send()
                .await
                .unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
            assert_eq!(
                answer.url().as_str(),
                "https://media.dailey.cloud/health/live"
            );
            assert_eq!(answer.version(), Version::HTTP_2);
            // Behind the edge in Full (strict) nothing redirects, so nothing can loop.
            for path in ["/health/live", "/api/media/a", "/"] {
                let answer = visitor::client(&deployment.edge.public_ca)
                    .get(format!("{MEDIA}{path}"))
                    .send()
                    .await
                    .unwrap();
                assert!(!answer.status().is_redirection(), "{answer:?}");
                assert!(!answer.headers().contains_key(LOCATION));
            }
        });
    });
}
