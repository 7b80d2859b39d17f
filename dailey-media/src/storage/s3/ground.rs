//! A bucket on a real server, for the tests of what cannot be seen from outside.

use std::path::Path;
use std::sync::Arc;

use testbed::s3::{ACCESS_KEY_ID, Kind, S3Server, SECRET_ACCESS_KEY};
use url::Url;

use super::Inner;
use super::client::Limits;
use crate::settings::{self, Addressing, LargeWrites, S3Settings};

/// The server ends when it is dropped.
pub(super) fn on_moto(folder: &Path) -> (S3Server, Arc<Inner>) {
    on(Kind::Moto, folder)
}

/// The same on another one.
pub(super) fn on(kind: Kind, folder: &Path) -> (S3Server, Arc<Inner>) {
    let server = S3Server::start(kind, folder).unwrap();
    server.make_bucket("media").unwrap();
    let inner = process(&server);
    (server, inner)
}

/// As if another process used it.
pub(super) fn process(server: &S3Server) -> Arc<Inner> {
    process_at(server.port())
}

/// As if one used the server at this port.
pub(super) fn process_at(port: u16) -> Arc<Inner> {
    let limits = settings::Limits::default();
    Inner::new(&settings(port), Limits::serving(&limits)).unwrap()
}

/// The bucket on a server at this port.
pub(super) fn settings(port: u16) -> S3Settings {
    let endpoint = Url::parse(&format!("http://127.0.0.1:{port}")).unwrap();
    S3Settings {
        bucket: "media".into(),
        region: "us-east-1".into(),
        public_endpoint: endpoint.clone(),
        endpoint,
        access_key_id: ACCESS_KEY_ID.into(),
        secret_access_key: SECRET_ACCESS_KEY.into(),
        addressing: Addressing::Path,
        large_writes: LargeWrites::Complete,
    }
}
