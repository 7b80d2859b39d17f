//! All that is measured, running: nginx, Core, DMAPI, and this program's own servers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use dailey_auth::testing::{Issuer, SigningKey, TokenBuilder};
use serde_json::Value;
use tempfile::TempDir;
use testbed::parts::NginxPart;
use testbed::{Child, free_port, wait_for_http};
use tokio::runtime::Runtime;

use super::own;
use super::transfer::{self, printed};

const PATIENCE: Duration = Duration::from_secs(20);

/// The app whose objects DMAPI keeps.
const APP: &str = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";

/// A folder with everything in it, and the servers.
pub(crate) struct World {
    nginx: Server,
    core: Server,
    media: Server,
    plain: Server,
    without_layers: Server,
    token: String,
    client: (String, String),
    folder: TempDir,
    /// It publishes the keys of DMAPI's tokens.
    issuer: Issuer,
    /// The issuer lives in it.
    _runtime: Runtime,
}

/// One of them.
pub(crate) struct Server {
    url: String,
    child: Child,
}

impl Server {
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// The id of its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }
}

impl World {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a writable folder");
        let at = folder.path();
        let runtime = Runtime::new().expect("a runtime");
        let key = SigningKey::generate();
        let issuer = runtime.block_on(Issuer::start(&[&key]));
        let issuer = issuer.expect("a free port");
        let token = TokenBuilder::new(&issuer.url(), APP)
            .claim("scope", "media:read media:write")
            .expires_at(in_an_hour())
            .sign(&key);

        let core = core(at);
        let client = register(&at.join("core"));
        let media = media(at, "media", &issuer);
        let this = std::env::current_exe().expect("this program");
        let home = at.join("without-layers");
        let without_layers = server(at, "without-layers", "/health/live", |port| {
            media_command(&this, own::WITHOUT_LAYERS, &home, &issuer, port)
        });
        let plain = server(at, "plain", "/ok", |port| {
            let mut command = Command::new(&this);
            command.arg(own::PLAIN).env("PORT", port);
            command
        });
        let nginx = nginx(at, &core.url);
        let world = Self {
            nginx,
            core,
            media,
            plain,
            without_layers,
            token,
            client,
            folder,
            issuer,
            _runtime: runtime,
        };
        for url in [
            world.media("/api/media/4k"),
            world.without_layers("/api/media/4k"),
        ] {
            transfer::put(&url, &world.folder().join("www/4k"), Some(&world.token));
        }
        world
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Good for DMAPI.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// An app of Core: its id and its secret.
    pub(crate) fn client(&self) -> (&str, &str) {
        (&self.client.0, &self.client.1)
    }

    pub(crate) fn nginx(&self, path: &str) -> String {
        self.nginx.at(path)
    }

    pub(crate) fn core(&self, path: &str) -> String {
        self.core.at(path)
    }

    pub(crate) fn media(&self, path: &str) -> String {
        self.media.at(path)
    }

    pub(crate) fn plain(&self, path: &str) -> String {
        self.plain.at(path)
    }

    pub(crate) fn without_layers(&self, path: &str) -> String {
        self.without_layers.at(path)
    }

    /// One more DMAPI, which has done nothing yet.
    pub(crate) fn fresh_media(&self) -> Server {
        media(self.folder(), "fresh", &self.issuer)
    }
}

fn in_an_hour() -> i64 {
    let later = SystemTime::now() + Duration::from_secs(60 * 60);
    let since = later.duration_since(SystemTime::UNIX_EPOCH);
    since.expect("after 1970").as_secs().cast_signed()
}

/// A program of ours, built as it would be deployed.
fn program(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("this program");
    let folder = this
        .parent()
        .and_then(Path::parent)
        .expect("target/release");
    let program = folder.join(name);
    assert!(
        program.is_file(),
        "{} is not there: `cargo xtask bench services` builds it",
        program.display()
    );
    program
}

fn server(folder: &Path, name: &str, path: &str, command: impl Fn(&str) -> Command) -> Server {
    let port = free_port().expect("a free port").to_string();
    let url = format!("http://127.0.0.1:{port}");
    let log = folder.join(format!("{name}.log"));
    let mut child = Child::start(name, command(&port), &log).expect("it starts");
    wait_for_http(&mut child, &format!("{url}{path}"), PATIENCE).expect("it answers");
    Server { url, child }
}

fn core(folder: &Path) -> Server {
    let home = folder.join("core");
    fs::create_dir(&home).expect("a writable folder");
    printed(&mut core_command(&home, &["init"]));
    server(folder, "dailey-core", "/health", |port| {
        let mut command = core_command(&home, &["serve"]);
        command
            .env("PORT", port)
            .env("JWT_ISSUER", format!("http://127.0.0.1:{port}"));
        command
    })
}

fn register(home: &Path) -> (String, String) {
    let mut command = core_command(home, &["apps", "create", "load", "--scope", "a", "--json"]);
    let app = printed(&mut command);
    let app: Value = serde_json::from_str(&app).expect("JSON");
    let text = |name: &str| app[name].as_str().expect("a text").to_owned();
    (text("app_id"), text("client_secret"))
}

fn core_command(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program("dailey-core"));
    command
        .args(arguments)
        .current_dir(home)
        .env("DAILEY_ENV", "development")
        .stdin(Stdio::null());
    command
}

fn media(folder: &Path, name: &str, issuer: &Issuer) -> Server {
    let (program, home) = (program("dailey-media"), folder.join(name));
    server(folder, name, "/health", |port| {
        media_command(&program, "serve", &home, issuer, port)
    })
}

fn media_command(
    program: &Path,
    mode: &str,
    folder: &Path,
    issuer: &Issuer,
    port: &str,
) -> Command {
    fs::create_dir_all(folder).expect("a writable folder");
    let limits =
        "[limits]\nput_max_bytes = 2147483648\nuser_quota_bytes = 0\napp_quota_bytes = 0\n";
    fs::write(folder.join("dailey-media.toml"), limits).expect("a writable folder");
    let mut command = Command::new(program);
    command
        .arg(mode)
        .current_dir(folder)
        .env("DAILEY_ENV", "development")
        .env("PORT", port)
        .env("JWT_ISSUER", issuer.url())
        .env("CORE_APP_ID", APP)
        // One client sends everything.
        .env("RATE_LIMIT", "off");
    command
}

fn nginx(folder: &Path, core: &str) -> Server {
    let www = folder.join("www");
    for part in ["www", "www/up", "nginx"] {
        fs::create_dir(folder.join(part)).expect("a writable folder");
    }
    fs::write(www.join("4k"), [7; 4096]).expect("a writable folder");
    fs::write(www.join("ok"), "ok").expect("a writable folder");
    fs::write(www.join("large"), vec![7; super::large::BYTES]).expect("a writable folder");
    let keys = transfer::text(&format!("{core}/.well-known/jwks.json"));
    fs::write(www.join("jwks.json"), keys).expect("a writable folder");
    let part = NginxPart::set_up().expect("nginx");
    let at = folder.join("nginx");
    server(folder, "nginx", "/ok", |port| {
        let conf = at.join("nginx.conf");
        let text = include_str!("nginx.conf")
            .replace("FOLDER", &at.display().to_string())
            .replace("WWW", &www.display().to_string())
            .replace("PORT", port);
        fs::write(&conf, text).expect("a writable folder");
        let mut command = part.nginx();
        command
            .arg("-p")
            .arg(&at)
            .arg("-e")
            .arg(at.join("error.log"))
            .arg("-c")
            .arg(conf);
        command
    })
}
