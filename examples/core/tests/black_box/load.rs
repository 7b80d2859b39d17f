//! A rotation and many reloads while tokens are asked for and verified all the time.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use dailey_auth::Verifier;
use testbed::Signal;

use crate::core_process::{Home, Running, text};

/// Traffic that goes on until it is stopped: a token, its verdict, the next token.
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Traffic {
    pub(crate) fn new() -> Self {
        Self {
            stop: Arc::default(),
            done: Arc::default(),
            tasks: Vec::new(),
        }
    }

    /// Another stream of tokens for the app itself, each given to `accept`, which panics at one that is refused.
    pub(crate) fn add(
        &mut self,
        core: &Running<'_>,
        app: &(String, String),
        mut accept: impl AsyncAccept,
    ) {
        let (client, base, app) = (core.client.clone(), core.home.base(), app.clone());
        let (stop, done) = (Arc::clone(&self.stop), Arc::clone(&self.done));
        self.tasks.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                accept.accept(app_token(&client, &base, &app).await).await;
                done.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }

    /// Lets it go on for so many more tokens.
    pub(crate) async fn so_many_more(&self, tokens: usize) {
        let goal = self.done.load(Ordering::Relaxed) + tokens;
        let wait = async {
            while self.done.load(Ordering::Relaxed) < goal {
                assert!(!self.tasks.iter().any(tokio::task::JoinHandle::is_finished));
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait)
            .await
            .expect("the traffic goes on");
    }

    /// Stops it. Whatever went wrong in it goes wrong here.
    pub(crate) async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

/// Something that accepts tokens.
pub(crate) trait AsyncAccept: Send + 'static {
    fn accept(&mut self, token: String) -> impl Future<Output = ()> + Send;
}

impl AsyncAccept for Verifier {
    async fn accept(&mut self, token: String) {
        self.verify(&token).await.expect("no token is refused");
    }
}

/// jsonwebtoken, with the key set fetched as its documentation has it: again when a key is not in it.
struct Jsonwebtoken {
    client: reqwest::Client,
    jwks_url: String,
    validation: jsonwebtoken::Validation,
    keys: jsonwebtoken::jwk::JwkSet,
}

impl Jsonwebtoken {
    async fn new(core: &Running<'_>, audience: &str) -> Self {
        let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
        validation.set_audience(&[audience]);
        validation.set_issuer(&[core.home.issuer()]);
        validation.set_required_spec_claims(&["exp", "nbf", "aud", "iss", "sub"]);
        let jwks_url = format!("{}/.well-known/jwks.json", core.home.base());
        Self {
            keys: Self::fetch(&core.client, &jwks_url).await,
            client: core.client.clone(),
            jwks_url,
            validation,
        }
    }

    async fn fetch(client: &reqwest::Client, url: &str) -> jsonwebtoken::jwk::JwkSet {
        let response = client.get(url).send().await.unwrap();
        serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
    }
}

impl AsyncAccept for Jsonwebtoken {
    async fn accept(&mut self, token: String) {
        let header = jsonwebtoken::decode_header(&token).unwrap();
        let kid = header.kid.expect("a token names its key");
        if self.keys.find(&kid).is_none() {
            self.keys = Self::fetch(&self.client, &self.jwks_url).await;
        }
        let key = self.keys.find(&kid).expect("the key is published");
        let key = jsonwebtoken::DecodingKey::from_jwk(key).unwrap();
        jsonwebtoken::decode::<serde_json::Value>(&token, &key, &self.validation)
            .expect("no token is refused");
    }
}

/// A token for the app itself.
pub(crate) async fn app_token(
    client: &reqwest::Client,
    base: &str,
    app: &(String, String),
) -> String {
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
    text(&body, "access_token")
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

pub(crate) async fn reload(core: &Running<'_>, times: &mut usize) {
    *times += 1;
    core.child.signal(Signal::Hangup).unwrap();
    core.logged("reloaded", *times);
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
    let mut traffic = Traffic::new();
    for _ in 0..4 {
        traffic.add(&core, &app, verifier.clone());
    }
    traffic.add(&core, &app, Jsonwebtoken::new(&core, &app.0).await);
    let mut reloads = 0;
    traffic.so_many_more(20).await;
    for _ in 0..10 {
        reload(&core, &mut reloads).await;
    }

    let new = text(&home.json(&["keys", "generate"], ""), "kid");
    home.json(&["keys", "publish", &new], "");
    reload(&core, &mut reloads).await;
    traffic.so_many_more(20).await;
    // An hour passes, in which verifiers come back for the keys.
    age_the_record(&home, 3600);
    verifier.refresh().await.unwrap();
    let activated = home.json(&["keys", "activate", &new], "");
    assert_eq!(activated["warnings"], serde_json::json!([]));
    reload(&core, &mut reloads).await;
    traffic.so_many_more(40).await;
    assert_eq!(
        verifier.health().unknown_kid_budget,
        2,
        "published in time, so no verifier had to ask for it"
    );
    // Until the last token of the old key has ended.
    age_the_record(&home, 3630);
    home.json(&["keys", "retire", &old], "");
    reload(&core, &mut reloads).await;
    verifier.refresh().await.unwrap();
    traffic.so_many_more(20).await;
    traffic.end().await;
    assert_eq!(core.published_kids().await, std::slice::from_ref(&new));
    let keys = verifier.health().keys;
    assert_eq!(keys.iter().map(|key| &key.kid).collect::<Vec<_>>(), [&new]);
}
