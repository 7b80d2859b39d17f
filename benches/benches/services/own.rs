//! Servers of this program's own, each run as a process like the others.

use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use dailey_http::listen::{self, Limits};
use dailey_http::settings::process_environment;
use dailey_media::server::without_layers;
use dailey_media::settings::Settings;

/// The argument that makes this program [`serve_plain`].
pub(crate) const PLAIN: &str = "serve-plain";

/// The argument that makes this program [`serve_without_layers`].
pub(crate) const WITHOUT_LAYERS: &str = "serve-without-layers";

/// What axum does by itself with answers from memory.
pub(crate) fn serve_plain() {
    let bytes = Bytes::from_static(&[7; 4096]);
    let routes = Router::new()
        .route("/ok", get(|| async { "ok" }))
        .route("/4k", get(move || std::future::ready(bytes.clone())));
    runtime().block_on(async {
        let listener = tokio::net::TcpListener::bind(address()).await;
        let served = axum::serve(listener.expect("a free port"), routes).await;
        served.expect("it serves");
    });
}

/// DMAPI's routes, with nothing around them.
pub(crate) fn serve_without_layers() {
    let settings = Settings::read(&process_environment, None).expect("right settings");
    runtime().block_on(async {
        let verifier = settings.verifier.builder().token_cache(4096).build();
        let routes = without_layers(&settings, verifier.expect("a right policy")).await;
        let listener = listen::bind(address()).await.expect("a free port");
        let for_ever = std::future::pending();
        listen::serve(
            listener,
            routes.expect("it starts"),
            Limits::default(),
            for_ever,
        )
        .await;
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().expect("a runtime")
}

fn address() -> SocketAddr {
    let port = std::env::var("PORT").expect("PORT");
    let port = port.parse().expect("a port");
    SocketAddr::from(([127, 0, 0, 1], port))
}
