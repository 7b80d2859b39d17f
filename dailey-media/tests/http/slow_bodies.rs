//! Bodies that come too slowly, in time that passes by itself: what is begun is given up, and leaves nothing.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use bytes::Bytes;
use dailey_auth::testing::{SigningKey, TokenBuilder};
use dailey_auth::{KeySet, Verifier};
use dailey_media::server;
use dailey_media::settings::Settings;
use http_body::Frame;
use http_body_util::BodyExt;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, Sleep, sleep};
use tower::ServiceExt;

use crate::service::APP;

const ISSUER: &str = "https://core.example";

/// Real time, unlike the rest here.
const CLEANED: Duration = Duration::from_secs(10);

/// Pieces, each after a pause. After the last of them nothing comes any more.
struct Drip {
    pieces: VecDeque<(Duration, Bytes)>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl http_body::Body for Drip {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let Some((length, _)) = self.pieces.front() else {
            return Poll::Pending;
        };
        let length = *length;
        let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(length)));
        std::task::ready!(pause.as_mut().poll(context));
        self.pause = None;
        let piece = self.pieces.pop_front().map(|(_, piece)| piece);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// Method, path, and what else stands in the head.
type Head = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

const PUT: Head = ("PUT", "/api/media/a", &[]);

const COPY: Head = (
    "POST",
    "/api/media-ops/copy",
    &[("content-type", "application/json")],
);

/// Its body is read before it is known what is asked for.
const COPY_ONCE: Head = (
    "POST",
    "/api/media-ops/copy",
    &[
        ("content-type", "application/json"),
        ("idempotency-key", "once"),
    ],
);

/// Its name is `a`.
const UPLOAD: Head = (
    "POST",
    "/api/uploads",
    &[
        ("tus-resumable", "1.0.0"),
        ("upload-length", "100000000"),
        ("upload-metadata", "key YQ=="),
        ("content-type", "application/offset+octet-stream"),
    ],
);

struct Scene {
    app: Router,
    key: SigningKey,
    folder: TempDir,
}

impl Scene {
    /// With these lines of `[limits]`.
    async fn new(limits: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let config = folder.path().join("dailey-media.toml");
        let root = folder.path().join("media");
        std::fs::write(
            &config,
            format!(
                "[storage.local]\nroot = '{}'\n[limits]\n{limits}",
                root.display()
            ),
        )
        .unwrap();
        let lookup = |key: &str| match key {
            "DAILEY_ENV" => Some("development".to_owned()),
            "JWT_ISSUER" => Some(ISSUER.to_owned()),
            "CORE_APP_ID" => Some(APP.to_owned()),
            _ => None,
        };
        let settings = Settings::read(&lookup, Some(&config)).unwrap();
        let key = SigningKey::generate();
        let (keys, _) = KeySet::from_json(key.public_jwks().as_bytes()).unwrap();
        let verifier = Verifier::builder(ISSUER, [APP]).key_set(keys);
        let verifier = verifier.build().unwrap();
        let app = server::with_verifier(&settings, verifier).await.unwrap();
        Self { app, key, folder }
    }

    /// Status and code of the answer, and how long it took.
    async fn send(
        &self,
        (method, path, headers): Head,
        pieces: impl IntoIterator<Item = (u64, Bytes)>,
    ) -> (u16, String, Duration) {
        let token = TokenBuilder::new(ISSUER, APP).claim("scope", "media:write");
        let pieces = pieces.into_iter();
        let body = Drip {
            pieces: pieces
                .map(|(seconds, piece)| (Duration::from_secs(seconds), piece))
                .collect(),
            pause: None,
        };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("authorization", format!("Bearer {}", token.sign(&self.key)));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::new(body)).unwrap();
        let began = Instant::now();
        let answer = self.app.clone().oneshot(request).await.unwrap();
        let (took, status) = (began.elapsed(), answer.status().as_u16());
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        (status, body["code"].as_str().unwrap().to_owned(), took)
    }

    fn uploads(&self) -> usize {
        let uploads = self.folder.path().join("media/uploads");
        std::fs::read_dir(uploads).unwrap().count()
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_a_slow_stream_and_a_slow_json_body_are_given_up_each_in_its_time() {
    let scene = Scene::new("").await;
    let byte = || Bytes::from_static(b"x");
    // What each of them is: seconds before each piece, and when it is given up.
    let silent = || vec![(0, byte())];
    let drip = || (0..).map(|_| (20, byte())).take(100).collect();
    // Twice as slow as a body may be, once it is longer than a minute.
    let half = Bytes::from(vec![b'x'; 320 * 1024]);
    let steady = (0..).map(|_| (10, half.clone())).take(100).collect();
    for (request, pieces, from, to) in [
        (PUT, silent(), 30, 31),
        (PUT, drip(), 60, 61),
        (PUT, steady, 60, 61),
        (COPY, silent(), 30, 31),
        (COPY, drip(), 60, 61),
    ] {
        let pieces: Vec<(u64, Bytes)> = pieces;
        let (status, code, took) = scene.send(request, pieces).await;
        assert_eq!((status, &*code), (408, "body_too_slow"), "{took:?}");
        let expected = Duration::from_secs(from)..Duration::from_secs(to);
        assert!(expected.contains(&took), "{took:?} is not in {expected:?}");
        // What was being written when it was given up is removed right behind it, on another thread.
        let asked = std::time::Instant::now();
        while scene.uploads() > 0 {
            assert!(asked.elapsed() < CLEANED, "something is left");
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_body_has_the_time_that_is_configured() {
    let limits = "body_pause_seconds = 5\nbody_seconds = 10\nbody_bytes_per_second = 131072\n";
    let scene = Scene::new(limits).await;
    let byte = || Bytes::from_static(b"x");
    let silent = || vec![(0, byte())];
    let drip = || (0..).map(|_| (4, byte())).take(100).collect();
    // 96 KiB a second: enough unless configured.
    let half = Bytes::from(vec![b'x'; 384 * 1024]);
    let steady = || (0..).map(|_| (4, half.clone())).take(100).collect();
    for (request, pieces, seconds) in [
        (PUT, silent(), 5),
        (PUT, drip(), 10),
        (PUT, steady(), 10),
        (UPLOAD, silent(), 5),
        (UPLOAD, drip(), 10),
        (UPLOAD, steady(), 10),
        (COPY, silent(), 5),
        (COPY, drip(), 10),
        (COPY_ONCE, silent(), 5),
        (COPY_ONCE, drip(), 10),
    ] {
        let pieces: Vec<(u64, Bytes)> = pieces;
        let (status, code, took) = scene.send(request, pieces).await;
        assert_eq!((status, &*code), (408, "body_too_slow"), "{took:?}");
        let expected = Duration::from_secs(seconds)..Duration::from_secs(seconds + 1);
        assert!(expected.contains(&took), "{request:?}: {took:?}");
    }
}
