//! A running DMAPI with an issuer of its own, both gone with the test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use dailey_auth::testing::{Issuer, SigningKey, TokenBuilder};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;
use tempfile::TempDir;
use testbed::Child;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::store::Store;

pub(crate) const APP: &str = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
pub(crate) const OTHER_APP: &str = "11111111-2222-4333-8444-555555555555";
pub(crate) const ORIGIN: &str = "http://127.0.0.1:5173";
pub(crate) const START: Duration = Duration::from_secs(20);

/// Whether the service limits how often it is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limits {
    On,
    Off,
}

pub(crate) struct Service {
    pub(crate) child: Child,
    pub(crate) port: u16,
    pub(crate) issuer: Issuer,
    pub(crate) key: SigningKey,
    pub(crate) folder: TempDir,
    pub(crate) store: Store,
    client: Client,
}

pub(crate) fn command(folder: &Path, port: u16) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dailey-media"));
    command
        .env_clear()
        .current_dir(folder)
        .env("PORT", port.to_string());
    command
}

impl Service {
    pub(crate) async fn start() -> Self {
        Self::start_with(Limits::Off).await
    }

    pub(crate) async fn start_with(limits: Limits) -> Self {
        Self::start_as(limits, Store::of_this_run(), &[], None).await
    }

    pub(crate) async fn start_on(store: Store) -> Self {
        Self::start_as(Limits::Off, store, &[], None).await
    }

    /// Without limits, with more in its environment.
    pub(crate) async fn start_with_env(env: &[(&str, &str)]) -> Self {
        Self::start_as(Limits::Off, Store::of_this_run(), env, None).await
    }

    /// With all its objects on a file system of `mebibytes`, in a mount namespace of its own.
    pub(crate) async fn start_on_a_small_disk(mebibytes: u32) -> Self {
        Self::start_as(Limits::Off, Store::Local, &[], Some(mebibytes)).await
    }

    async fn start_as(
        limits: Limits,
        store: Store,
        env: &[(&str, &str)],
        disk: Option<u32>,
    ) -> Self {
        let key = SigningKey::generate();
        let issuer = Issuer::start(&[&key]).await.unwrap();
        let folder = TempDir::new().unwrap();
        let port = testbed::free_port().unwrap();
        let program = disk.map_or_else(
            || command(folder.path(), port),
            |mebibytes| on_a_small_disk(folder.path(), port, mebibytes),
        );
        let child = start(program, folder.path(), port, &issuer, limits, &store, env);
        let client = Client::builder().no_proxy().build().unwrap();
        Self {
            child,
            port,
            issuer,
            key,
            folder,
            store,
            client,
        }
    }

    /// A folder of the store, where objects are local files.
    pub(crate) fn local(&self, name: &str) -> Option<PathBuf> {
        let local = self.store == Store::Local;
        local.then(|| self.folder.path().join("data/media").join(name))
    }

    /// The same program again on the same folder, after the first has ended.
    pub(crate) fn restart(&mut self) {
        self.restart_with_env(&[]);
    }

    pub(crate) fn restart_with_env(&mut self, env: &[(&str, &str)]) {
        // One that was killed in the middle of a write has its port and its folder a little longer.
        self.child.stop(START).unwrap();
        let folder = self.folder.path();
        let program = command(folder, self.port);
        let (issuer, store) = (&self.issuer, &self.store);
        self.child = start(program, folder, self.port, issuer, Limits::Off, store, env);
    }

    pub(crate) fn token(&self) -> TokenBuilder {
        TokenBuilder::new(&self.issuer.url(), APP).claim("scope", "media:read media:write")
    }

    pub(crate) fn bearer(&self, token: &TokenBuilder) -> String {
        format!("Bearer {}", token.sign(&self.key))
    }

    /// A request of `user-1`.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.request_as(method, path, &self.token())
    }

    pub(crate) fn request_as(
        &self,
        method: Method,
        path: &str,
        token: &TokenBuilder,
    ) -> RequestBuilder {
        self.bare(method, path)
            .header("authorization", self.bearer(token))
    }

    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("http://127.0.0.1:{}{path}", self.port))
    }

    pub(crate) async fn put(&self, key: &str, body: &'static [u8]) -> Response {
        self.request(Method::PUT, &format!("/api/media/{key}"))
            .body(body)
            .send()
            .await
            .unwrap()
    }

    pub(crate) async fn get(&self, key: &str) -> Response {
        self.request(Method::GET, &format!("/api/media/{key}"))
            .send()
            .await
            .unwrap()
    }

    /// A request exactly as written, for what a client would tidy up. Gives the whole answer.
    pub(crate) async fn raw(&self, head: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// The program with a mount that only it sees and that ends with it.
fn on_a_small_disk(folder: &Path, port: u16, mebibytes: u32) -> Command {
    let root = folder.join("data/media");
    std::fs::create_dir_all(&root).unwrap();
    let program = command(folder, port);
    let mut command = Command::new("unshare");
    if !rustix::process::getuid().is_root() {
        command.arg("--map-root-user");
    }
    let mount = format!("mount -t tmpfs -o size={mebibytes}m none \"$0\" && exec \"$@\"");
    command
        .args(["--mount", "sh", "-c", &mount])
        .arg(root)
        .arg(program.get_program())
        .current_dir(folder);
    for (name, value) in program.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command
}

fn start(
    mut command: Command,
    folder: &Path,
    port: u16,
    issuer: &Issuer,
    limits: Limits,
    store: &Store,
    env: &[(&str, &str)],
) -> Child {
    command
        .arg("serve")
        .env("DAILEY_ENV", "development")
        .env("JWT_ISSUER", issuer.url())
        .env("CORE_JWKS_URL", issuer.jwks_url())
        .env("CORE_APP_ID", format!("{APP},{OTHER_APP}"))
        .env("CORS_ORIGINS", ORIGIN)
        .envs(env.iter().copied());
    store.configure(folder, &mut command);
    if limits == Limits::Off {
        command.env("RATE_LIMIT", "off");
    }
    let mut child = Child::start("dailey-media", command, &folder.join("log")).unwrap();
    testbed::wait_for_http(
        &mut child,
        &format!("http://127.0.0.1:{port}/health"),
        START,
    )
    .unwrap();
    child
}

pub(crate) fn header<'r>(response: &'r Response, name: &str) -> &'r str {
    response
        .headers()
        .get(name)
        .map(|value| value.to_str().unwrap())
        .unwrap_or_default()
}

pub(crate) async fn json(response: Response) -> Value {
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

/// Status and code of a problem, after checking what every problem has.
pub(crate) async fn problem(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    assert_eq!(
        header(&response, "content-type"),
        "application/problem+json"
    );
    let id = header(&response, "x-request-id").to_owned();
    let body = json(response).await;
    assert_eq!(body["status"], status);
    assert_eq!(body["request_id"], id);
    for member in ["type", "title", "detail"] {
        assert!(
            body[member].as_str().is_some_and(|text| !text.is_empty()),
            "{member} of {body}"
        );
    }
    (status, body["code"].as_str().unwrap().to_owned())
}
