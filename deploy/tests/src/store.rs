//! An S3 store somewhere in the internet, behind TLS as every one is: moto, and nginx in front of it.

use std::fs;
use std::path::Path;

use testbed::Child;
use testbed::parts::NginxPart;
use testbed::s3::{ACCESS_KEY_ID, Kind, S3Server, SECRET_ACCESS_KEY};

use crate::certificates::Authority;
use crate::edge;
use crate::world::STORE;

/// Its name.
pub const NAME: &str = "store.example.com";

const BUCKET: &str = "media";

/// A running store with one bucket. It ends with the value.
#[derive(Debug)]
pub struct Store {
    _server: S3Server,
    _front: Child,
}

impl Store {
    /// Starts it; its certificate is of `authority`.
    pub fn start(authority: &Authority) -> Self {
        let folder = Path::new("/srv/store");
        fs::create_dir_all(folder).unwrap();
        let server = S3Server::start(Kind::Moto, folder).unwrap_or_else(|error| panic!("{error}"));
        server.make_bucket(BUCKET).unwrap();
        authority.server(&[NAME]).write(folder, "store").unwrap();
        let text = include_str!("store.conf")
            .replace("STORE", &folder.display().to_string())
            .replace("PORT", &server.port().to_string());
        fs::write(folder.join("nginx.conf"), text).unwrap();
        let part = NginxPart::find().unwrap_or_else(|error| panic!("{error}"));
        let mut command = part.nginx();
        command.arg("-c").arg(folder.join("nginx.conf"));
        let mut front = edge::start("store", command, folder);
        edge::wait(&mut front, STORE);
        Self {
            _server: server,
            _front: front,
        }
    }

    /// What `dailey-media.toml` says of it.
    pub fn settings() -> String {
        format!(
            "[storage.s3]\nbucket = \"{BUCKET}\"\nregion = \"auto\"\nendpoint = \"https://{NAME}\"\n\
             access_key_id = \"{ACCESS_KEY_ID}\"\nsecret_access_key = \"{SECRET_ACCESS_KEY}\"\n"
        )
    }
}
