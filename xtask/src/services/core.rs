//! Core: set up with its own commands, started, told to reload.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::{Answer, Client, Service, Settings, Watch};
use crate::process::answer_of;
use crate::stop::{Outcome, Stop, failed};
use crate::workspace::without_cargo_run;

/// The first administrator.
pub(crate) const ADMIN_EMAIL: &str = "admin@example.com";

/// Settings that must not come from the user's own environment.
const SETTINGS: [&str; 18] = [
    "ALLOWED_ORIGINS",
    "ALLOW_REGISTRATION",
    "BIND",
    "CORE_APP_ID",
    "CORE_AUDIENCE",
    "CORE_JWKS_URL",
    "DATABASE_PASSWORD",
    "DATABASE_PASSWORD_FILE",
    "DATABASE_URL",
    "JWT_ACTIVE_KID",
    "JWT_ISSUER",
    "JWT_PRIVATE_KEY_FILE",
    "JWT_PUBLIC_KEYS_DIR",
    "JWT_TTL_SECONDS",
    "NODE_ENV",
    "PORT",
    "REFRESH_TTL_SECONDS",
    "TRUSTED_PROXIES",
];

/// A running Core with fresh data, and what its setup gave.
pub(crate) struct Core {
    pub(crate) service: Service,
    pub(crate) app_id: String,
    pub(crate) kid: String,
    commands: Commands,
    private_key_file: PathBuf,
    pub(crate) admin_password: String,
    client: Client,
}

/// Core's own command line, in its folder.
struct Commands {
    program: PathBuf,
    folder: PathBuf,
    settings: Settings,
}

impl Core {
    /// Makes key, database and first administrator in a new folder, and starts it.
    pub(crate) fn start(
        program: &Path,
        folder: &Path,
        client: &Client,
        watch: &Watch,
    ) -> Outcome<Self> {
        Self::start_with(program, folder, client, watch, Settings::new())
    }

    /// The same with settings of the caller's, another database for one.
    pub(crate) fn start_with(
        program: &Path,
        folder: &Path,
        client: &Client,
        watch: &Watch,
        settings: Settings,
    ) -> Outcome<Self> {
        fs::create_dir(folder).map_err(|error| failed("cannot make Core's folder", error))?;
        let commands = Commands {
            program: program.to_owned(),
            folder: folder.to_owned(),
            settings,
        };
        let admin_password = new_password();
        let made = commands.run(
            &["init", "--admin-email", ADMIN_EMAIL, "--json"],
            Some(&admin_password),
        )?;
        let service = Service::start(
            "dailey-core",
            &folder.join("serve.log"),
            "/health",
            watch,
            |url, port| commands.serve(url, &port.to_string()),
        )?;
        Ok(Self {
            service,
            app_id: text(&made, "core_app_id")?,
            kid: text(&made, "kid")?,
            private_key_file: folder.join(text(&made, "private_key_file")?),
            commands,
            admin_password,
            client: client.clone(),
        })
    }

    /// Starts it again with the same data, at the same address; the process before must have ended.
    pub(crate) fn start_again(&mut self, watch: &Watch) -> Outcome<()> {
        let url = self.service.url().to_owned();
        let port = url.rsplit(':').next().unwrap_or_default();
        let command = self.commands.serve(&url, port);
        let log = self.commands.folder.join("serve.log");
        self.service = Service::start_again("dailey-core", &log, "/health", watch, &url, command)?;
        Ok(())
    }

    /// A command of its own; what it printed as JSON.
    pub(crate) fn command(&self, arguments: &[&str]) -> Outcome<Value> {
        self.commands.run(arguments, None)
    }

    /// The same, with a password on standard input.
    pub(crate) fn command_with_password(
        &self,
        arguments: &[&str],
        password: &str,
    ) -> Outcome<Value> {
        self.commands.run(arguments, Some(password))
    }

    /// The signing key, as PEM.
    pub(crate) fn signing_key_pem(&self) -> Outcome<String> {
        fs::read_to_string(&self.private_key_file)
            .map_err(|error| failed("cannot read Core's signing key", error))
    }

    /// A token for Core itself, of the first administrator.
    pub(crate) fn admin_token(&self) -> Outcome<String> {
        self.log_in(&self.app_id, ADMIN_EMAIL, &self.admin_password)
    }

    /// An access token, by logging in over HTTP.
    pub(crate) fn log_in(&self, app_id: &str, email: &str, password: &str) -> Outcome<String> {
        let url = format!("{}/api/auth/login", self.service.url());
        let body = json!({"app_id": app_id, "email": email, "password": password});
        text(
            &self.client.post(&url, None, &body)?.json(200)?,
            "access_token",
        )
    }

    /// An app, registered over HTTP as its administrator does; its id.
    pub(crate) fn register_app(
        &self,
        admin_token: &str,
        name: &str,
        scopes: &[&str],
    ) -> Outcome<String> {
        let url = format!("{}/api/apps", self.service.url());
        let answer = self.client.post(
            &url,
            Some(admin_token),
            &json!({"name": name, "scopes": scopes}),
        )?;
        text(&answer.json(201)?, "app_id")
    }

    /// The published key set.
    pub(crate) fn key_set(&self) -> Outcome<Answer> {
        self.client.get(
            &format!("{}/.well-known/jwks.json", self.service.url()),
            None,
        )
    }

    /// The kids it publishes.
    pub(crate) fn published_kids(&self) -> Outcome<Vec<String>> {
        let set = self.key_set()?.json(200)?;
        let keys = set["keys"]
            .as_array()
            .ok_or_else(|| Stop::because("the key set has no keys"))?;
        Ok(keys
            .iter()
            .filter_map(|key| key["kid"].as_str().map(str::to_owned))
            .collect())
    }
}

impl Commands {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        without_cargo_run(&mut command);
        for key in SETTINGS {
            command.env_remove(key);
        }
        command
            .args(arguments)
            .current_dir(&self.folder)
            .env("DAILEY_ENV", "development")
            .envs(self.settings.iter().map(|(key, value)| (key, value)));
        command
    }

    fn serve(&self, url: &str, port: &str) -> Command {
        let mut command = self.command(&["serve"]);
        command.env("PORT", port).env("JWT_ISSUER", url);
        command
    }

    fn run(&self, arguments: &[&str], password: Option<&str>) -> Outcome<Value> {
        let said = format!("dailey-core {}", arguments.join(" "));
        let input = password
            .map(|password| format!("{password}\n"))
            .unwrap_or_default();
        let output = answer_of(&said, self.command(arguments), &input)?;
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr);
            return Err(Stop::because(format!(
                "`{said}` was refused: {}",
                reason.trim()
            )));
        }
        serde_json::from_slice(&output.stdout)
            .map_err(|error| failed(format!("`{said}` did not print JSON"), error))
    }
}

/// A text member of an answer.
pub(crate) fn text(answer: &Value, member: &str) -> Outcome<String> {
    answer[member]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| Stop::because(format!("the answer has no text member `{member}`")))
}

/// A password that nobody knows.
pub(crate) fn new_password() -> String {
    uuid::Uuid::new_v4().to_string()
}
