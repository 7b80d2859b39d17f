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
use crate::witness::Witness;

pub(crate) const APP: &str = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
pub(crate) const OTHER_APP: &str = "11111111-2222-4333-8444-555555555555";
pub(crate) const ORIGIN: &str = "http://127.0.0.1:5173";
pub(crate) const START: Duration = Duration::from_secs(20);

/// For a service to end in order, unless a request of the test hangs in it.
const LAST_LINES: Duration = Duration::from_secs(1);

const AUDIT_LOG: &str = "audit.log";

/// Whether the service limits how often it is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limits {
    On,
    Off,
}

/// What runs the program.
enum Program<'a> {
    Plain,
    /// Another program, which becomes it.
    Through(&'a [&'a str]),
    /// With all its objects on a disk of so many mebibytes.
    OnASmallDisk(u32),
}

pub(crate) struct Service {
    pub(crate) child: Child,
    pub(crate) port: u16,
    pub(crate) issuer: Issuer,
    pub(crate) key: SigningKey,
    pub(crate) folder: TempDir,
    pub(crate) store: Store,
    environment: Vec<(&'static str, String)>,
    client: Client,
    pub(crate) witness: Witness,
}

impl Drop for Service {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // Its last lines may come behind its last answers.
            let _ = self.child.stop_at_once(LAST_LINES);
            self.bear_witness();
        }
    }
}

pub(crate) fn command(folder: &Path, port: u16) -> Command {
    command_through(&[], folder, port)
}

fn command_through(wrapper: &[&str], folder: &Path, port: u16) -> Command {
    let program = env!("CARGO_BIN_EXE_dailey-media");
    let mut words = wrapper.iter().copied().chain([program]);
    let mut command = Command::new(words.next().unwrap_or(program));
    command
        .args(words)
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
        let store = Store::of_this_run();
        Self::in_folder(Program::Plain, limits, store, |_| Vec::new()).await
    }

    /// With its objects there.
    pub(crate) async fn start_on(store: Store) -> Self {
        Self::in_folder(Program::Plain, Limits::Off, store, |_| Vec::new()).await
    }

    /// With its limits, those of this configuration file, and its objects there.
    pub(crate) async fn limited_on(store: Store, toml: &str) -> Self {
        let write = |folder: &Path| {
            std::fs::write(folder.join("dailey-media.toml"), toml).unwrap();
            Vec::new()
        };
        Self::in_folder(Program::Plain, Limits::On, store, write).await
    }

    /// Without limits, with more in its environment.
    pub(crate) async fn start_with_env(environment: &[(&'static str, &str)]) -> Self {
        let (environment, store) = (owned(environment), Store::of_this_run());
        Self::in_folder(Program::Plain, Limits::Off, store, |_| environment).await
    }

    /// With this configuration file.
    pub(crate) async fn configured(toml: &str) -> Self {
        Self::configured_on(Store::of_this_run(), toml).await
    }

    /// With its limits, those of this configuration file.
    pub(crate) async fn limited(toml: &str) -> Self {
        Self::limited_on(Store::of_this_run(), toml).await
    }

    /// With this configuration file, and its objects there.
    pub(crate) async fn configured_on(store: Store, toml: &str) -> Self {
        let write = |folder: &Path| {
            std::fs::write(folder.join("dailey-media.toml"), toml).unwrap();
            Vec::new()
        };
        Self::in_folder(Program::Plain, Limits::Off, store, write).await
    }

    /// For a race: with this configuration file, and without lines that take longer than what they tell.
    pub(crate) async fn racing_on(store: Store, toml: &str) -> Self {
        let quiet = |folder: &Path| {
            std::fs::write(folder.join("dailey-media.toml"), toml).unwrap();
            vec![("RUST_LOG", "info".to_owned())]
        };
        Self::in_folder(Program::Plain, Limits::Off, store, quiet).await
    }

    /// With an audit log at [`Service::audit_log`].
    pub(crate) async fn audited() -> Self {
        let log = |_: &Path| vec![("AUDIT_LOG_FILE", AUDIT_LOG.to_owned())];
        Self::in_folder(Program::Plain, Limits::Off, Store::of_this_run(), log).await
    }

    /// The same with this configuration file, and its objects there.
    pub(crate) async fn audited_on(store: Store, toml: &str) -> Self {
        let log = |folder: &Path| {
            std::fs::write(folder.join("dailey-media.toml"), toml).unwrap();
            vec![("AUDIT_LOG_FILE", AUDIT_LOG.to_owned())]
        };
        Self::in_folder(Program::Plain, Limits::Off, store, log).await
    }

    pub(crate) fn audit_log(&self) -> PathBuf {
        self.folder.path().join(AUDIT_LOG)
    }

    /// The program as an argument of another one, which becomes it.
    pub(crate) async fn start_through(wrapper: &[&str], limits: Limits) -> Self {
        let (program, store) = (Program::Through(wrapper), Store::of_this_run());
        Self::in_folder(program, limits, store, |_| Vec::new()).await
    }

    /// With its limits, for pages of this origin.
    pub(crate) async fn start_for(origin: &str) -> Self {
        let environment = owned(&[("CORS_ORIGINS", origin)]);
        let store = Store::of_this_run();
        Self::in_folder(Program::Plain, Limits::On, store, |_| environment).await
    }

    async fn in_folder(
        program: Program<'_>,
        limits: Limits,
        store: Store,
        prepare: impl FnOnce(&Path) -> Vec<(&'static str, String)>,
    ) -> Self {
        let key = SigningKey::generate();
        let issuer = Issuer::start(&[&key]).await.unwrap();
        let folder = TempDir::new().unwrap();
        let environment = prepare(folder.path());
        let port = testbed::free_port().unwrap();
        let command = match program {
            Program::Plain => command(folder.path(), port),
            Program::Through(wrapper) => command_through(wrapper, folder.path(), port),
            Program::OnASmallDisk(mebibytes) => on_a_small_disk(folder.path(), port, mebibytes),
        };
        let child = start(
            command,
            (folder.path(), port),
            &issuer,
            limits,
            &store,
            &environment,
        );
        let client = Client::builder().no_proxy().build().unwrap();
        Self {
            child,
            port,
            issuer,
            key,
            folder,
            store,
            environment,
            client,
            witness: Witness::default(),
        }
    }

    /// The same with all its objects on a file system of `mebibytes`, in a mount namespace of its own.
    pub(crate) async fn start_on_a_small_disk(mebibytes: u32) -> Self {
        let program = Program::OnASmallDisk(mebibytes);
        Self::in_folder(program, Limits::Off, Store::Local, |_| Vec::new()).await
    }

    /// The same, with the audit log on that disk: the path that leads to it from outside.
    pub(crate) async fn audited_on_a_small_disk(mebibytes: u32) -> (Self, PathBuf) {
        let log = |folder: &Path| {
            let path = folder.join("data/media").join(AUDIT_LOG);
            vec![("AUDIT_LOG_FILE", path.display().to_string())]
        };
        let program = Program::OnASmallDisk(mebibytes);
        let service = Self::in_folder(program, Limits::Off, Store::Local, log).await;
        // Only the program sees the mount.
        let root = format!("/proc/{}/root", service.child.id());
        let path = service.folder.path().join("data/media").join(AUDIT_LOG);
        let seen = Path::new(&root).join(path.strip_prefix("/").unwrap());
        (service, seen)
    }

    /// A folder of the store, where objects are local files.
    pub(crate) fn local(&self, name: &str) -> Option<PathBuf> {
        let local = self.store == Store::Local;
        local.then(|| self.folder.path().join("data/media").join(name))
    }

    fn bear_witness(&self) {
        self.witness.check(self.child.log(), self.folder.path());
    }

    /// The same program again on the same folder, after the first has ended.
    pub(crate) fn restart(&mut self) {
        let environment = self.environment.clone();
        self.start_again(&environment);
    }

    pub(crate) fn restart_with_env(&mut self, environment: &[(&'static str, &str)]) {
        self.start_again(&owned(environment));
    }

    fn start_again(&mut self, environment: &[(&'static str, String)]) {
        // One that was killed in the middle of a write has its port and its folder a little longer.
        self.child.stop_at_once(START).unwrap();
        self.bear_witness();
        self.child = start(
            command(self.folder.path(), self.port),
            (self.folder.path(), self.port),
            &self.issuer,
            Limits::Off,
            &self.store,
            environment,
        );
    }

    pub(crate) fn token(&self) -> TokenBuilder {
        TokenBuilder::new(&self.issuer.url(), APP).claim("scope", "media:read media:write")
    }

    pub(crate) fn bearer(&self, token: &TokenBuilder) -> String {
        let token = token.sign(&self.key);
        // Its signature, which nobody else can make.
        self.witness.keep(token.rsplit('.').next().unwrap());
        format!("Bearer {token}")
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
        self.witness.keep_names_in(path);
        self.client
            .request(method, format!("http://127.0.0.1:{}{path}", self.port))
    }

    /// A request without a token to an address that the service gave.
    pub(crate) fn at(&self, method: Method, url: &str) -> RequestBuilder {
        self.witness.keep_names_in(url);
        self.client.request(method, url)
    }

    /// A POST of `user-1` with a JSON body.
    pub(crate) async fn post(&self, path: &str, wanted: &Value) -> Response {
        self.witness.keep_names_of(wanted);
        self.request(Method::POST, path)
            .header("content-type", "application/json")
            .body(wanted.to_string())
            .send()
            .await
            .unwrap()
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

fn owned(environment: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    let pairs = environment.iter();
    pairs
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect()
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
    (folder, port): (&Path, u16),
    issuer: &Issuer,
    limits: Limits,
    store: &Store,
    environment: &[(&'static str, String)],
) -> Child {
    command
        .arg("serve")
        .env("DAILEY_ENV", "development")
        .env("JWT_ISSUER", issuer.url())
        .env("CORE_JWKS_URL", issuer.jwks_url())
        .env("CORE_APP_ID", format!("{APP},{OTHER_APP}"))
        .env("CORS_ORIGINS", ORIGIN)
        // All that the program and its libraries can say.
        .env("RUST_LOG", "trace")
        .envs(environment.iter().cloned());
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
