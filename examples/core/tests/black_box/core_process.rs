//! A Core of one's own for each test: a folder, a free port, the program.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::database::Database;
use dailey_auth::{KeySet, Verified, Verifier, VerifyError};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use testbed::{Child, free_port, wait_for_http};

pub(crate) const ADMIN: &str = "admin@example.com";
pub(crate) const ADMIN_PASSWORD: &str = "admin password";
pub(crate) const USER: &str = "user@example.com";
pub(crate) const USER_PASSWORD: &str = "user password";

const PROGRAM: &str = env!("CARGO_BIN_EXE_dailey-core");
const DEADLINE: Duration = Duration::from_secs(20);

/// Every setting of Core's, so that those of the machine never reach a test.
const SETTINGS: [&str; 17] = [
    "DAILEY_ENV",
    "NODE_ENV",
    "JWT_ISSUER",
    "JWT_PRIVATE_KEY_FILE",
    "JWT_ACTIVE_KID",
    "JWT_PUBLIC_KEYS_DIR",
    "JWT_TTL_SECONDS",
    "REFRESH_TTL_SECONDS",
    "ALLOWED_ORIGINS",
    "DATABASE_URL",
    "PORT",
    "BIND",
    "TRUSTED_PROXIES",
    "ALLOW_REGISTRATION",
    "RUST_LOG",
    "DATABASE_PASSWORD",
    "DATABASE_PASSWORD_FILE",
];

/// Where a Core lives and how it is set.
pub(crate) struct Home {
    pub(crate) database: Database,
    folder: tempfile::TempDir,
    settings: BTreeMap<&'static str, String>,
}

impl Home {
    /// An empty folder and development settings, on the database of this run.
    pub(crate) fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::of_this_run(folder.path());
        Self::made(folder, database)
    }

    /// The same, on `SQLite`: for what a file alone has.
    pub(crate) fn empty_on_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::Sqlite(folder.path().join("core.db"));
        Self::made(folder, database)
    }

    /// The same, on this database.
    pub(crate) fn empty_on(database: Database) -> Self {
        Self::made(tempfile::tempdir().unwrap(), database)
    }

    fn made(folder: tempfile::TempDir, database: Database) -> Self {
        let port = free_port().unwrap();
        let mut settings = BTreeMap::from([
            ("DAILEY_ENV", "development".to_owned()),
            ("JWT_ISSUER", format!("http://127.0.0.1:{port}")),
            ("PORT", port.to_string()),
        ]);
        settings.extend(database.settings());
        Self {
            database,
            folder,
            settings,
        }
    }

    /// After `init` with an administrator.
    pub(crate) fn initialised() -> Self {
        Self::empty().and_initialised()
    }

    pub(crate) fn and_initialised(self) -> Self {
        self.json(&["init", "--admin-email", ADMIN], ADMIN_PASSWORD);
        self
    }

    pub(crate) fn set(&mut self, key: &'static str, value: impl Into<String>) {
        self.settings.insert(key, value.into());
    }

    pub(crate) fn unset(&mut self, key: &'static str) {
        self.settings.remove(key);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.settings["JWT_ISSUER"]
    }

    pub(crate) fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.settings["PORT"])
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(arguments);
        self.settle(command)
    }

    /// In its folder, with its settings and no others.
    fn settle(&self, mut command: Command) -> Command {
        command.current_dir(self.folder.path());
        for key in SETTINGS {
            command.env_remove(key);
        }
        command.envs(&self.settings);
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.command(arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        // A command that wants no input may have ended already.
        let _ = process.stdin.take().unwrap().write_all(input.as_bytes());
        process.wait_with_output().unwrap()
    }

    /// Runs a command that must succeed, with `--json`.
    pub(crate) fn json(&self, arguments: &[&str], input: &str) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat(), input);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs a command that must be refused; its words.
    pub(crate) fn refused(&self, arguments: &[&str], input: &str) -> String {
        let output = self.run(arguments, input);
        assert_eq!(
            output.status.code(),
            Some(1),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stdout)
        );
        String::from_utf8(output.stderr).unwrap()
    }

    /// Makes an app with the media scopes: id and secret.
    pub(crate) fn app(&self, name: &str) -> (String, String) {
        let app = self.json(
            &[
                "apps",
                "create",
                name,
                "--scope",
                "media:read",
                "--scope",
                "media:write",
            ],
            "",
        );
        (text(&app, "app_id"), text(&app, "client_secret"))
    }

    pub(crate) fn user(&self) -> String {
        text(
            &self.json(&["users", "create", USER], USER_PASSWORD),
            "user_id",
        )
    }

    /// Serves until dropped.
    pub(crate) fn serve(&self) -> Running<'_> {
        self.running(self.command(&["serve"]))
    }

    /// The same, on one processor, whatever the machine has.
    pub(crate) fn serve_on_one_processor(&self) -> Running<'_> {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let allowed = status
            .split("Cpus_allowed_list:")
            .nth(1)
            .unwrap()
            .trim_start();
        let first = allowed.split(|c: char| !c.is_ascii_digit()).next().unwrap();
        let mut command = Command::new("taskset");
        command.args(["-c", first, PROGRAM, "serve"]);
        self.running(self.settle(command))
    }

    fn running(&self, command: Command) -> Running<'_> {
        let mut child = Child::start("dailey-core", command, &self.path("core.log")).unwrap();
        wait_for_http(
            &mut child,
            &format!("{}/health/live", self.base()),
            DEADLINE,
        )
        .unwrap();
        Running {
            child,
            home: self,
            client: Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
        }
    }
}

/// A serving Core.
pub(crate) struct Running<'a> {
    pub(crate) child: Child,
    pub(crate) home: &'a Home,
    pub(crate) client: Client,
}

/// Status, body.
pub(crate) type Answer = (u16, Value);

impl Running<'_> {
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.home.base()))
            .timeout(DEADLINE)
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        let request = self
            .request(Method::POST, path)
            .header("content-type", "application/json");
        answer(request.body(body.to_string()).send().await.unwrap()).await
    }

    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<&Value>,
    ) -> Answer {
        let request = self.request(method, path).bearer_auth(token);
        let request = match body {
            Some(body) => request
                .header("content-type", "application/json")
                .body(body.to_string()),
            None => request,
        };
        answer(request.send().await.unwrap()).await
    }

    pub(crate) async fn login(&self, app_id: &str, email: &str, password: &str) -> Answer {
        self.post(
            "/api/auth/login",
            &json!({ "app_id": app_id, "email": email, "password": password }),
        )
        .await
    }

    pub(crate) async fn refresh(&self, refresh_token: &str) -> Answer {
        self.post(
            "/api/auth/refresh",
            &json!({ "refresh_token": refresh_token }),
        )
        .await
    }

    /// A token that manages apps.
    pub(crate) async fn admin_token(&self) -> String {
        let core_app_id = text(&self.home.json(&["init"], ""), "core_app_id");
        let (status, body) = self.login(&core_app_id, ADMIN, ADMIN_PASSWORD).await;
        assert_eq!(status, 200, "{body}");
        text(&body, "access_token")
    }

    pub(crate) async fn published_kids(&self) -> Vec<String> {
        let body = answer(self.get("/.well-known/jwks.json").await).await.1;
        body["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| text(key, "kid"))
            .collect()
    }

    /// What the library says about a token, with the keys that are published now.
    pub(crate) async fn verify(
        &self,
        audience: &str,
        token: &str,
    ) -> Result<Verified, VerifyError> {
        let jwks = self
            .get("/.well-known/jwks.json")
            .await
            .bytes()
            .await
            .unwrap();
        let (keys, skipped) = KeySet::from_json(&jwks).unwrap();
        assert!(skipped.is_empty());
        let verifier = Verifier::builder(self.home.issuer(), [audience])
            .key_set(keys)
            .build()
            .unwrap();
        verifier.verify(token).await
    }

    /// Waits until the log says something.
    pub(crate) fn logged(&self, what: &str, times: usize) {
        self.child
            .log_with(DEADLINE, |log| log.matches(what).count() >= times);
    }
}

pub(crate) fn log(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

pub(crate) async fn answer(response: Response) -> Answer {
    let status = response.status().as_u16();
    let bytes = response.bytes().await.unwrap();
    (
        status,
        serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    )
}

pub(crate) fn text(value: &Value, member: &str) -> String {
    value[member]
        .as_str()
        .unwrap_or_else(|| panic!("{member} is a text in {value}"))
        .to_owned()
}
