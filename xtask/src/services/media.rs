//! DMAPI, trusting one Core for one app: on local files, unless it is told otherwise.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Service, Settings, Watch};
use crate::stop::{Outcome, failed};

/// Settings that must not come from the user's own environment.
const SETTINGS: [&str; 16] = [
    "AUDIT_LOG_FILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "BIND",
    "CORE_AUDIENCE",
    "CORE_JWKS_URL",
    "CORS_ORIGINS",
    "DAILEY_CONFIG",
    "FRONTEND_ENV_FILE",
    "JWKS_SNAPSHOT_FILE",
    "LINK_SECRET_FILE",
    "NODE_ENV",
    "PUBLIC_ORIGIN",
    "PORT",
    "RATE_LIMIT",
    "TRUSTED_PROXIES",
];

/// A running DMAPI with fresh data.
pub(crate) struct Media {
    pub(crate) service: Service,
    start: Start,
}

/// How it was started.
struct Start {
    program: PathBuf,
    folder: PathBuf,
    core_url: String,
    app_id: String,
    settings: Settings,
}

impl Media {
    /// Starts it in a new folder.
    pub(crate) fn start(
        program: &Path,
        folder: &Path,
        core_url: &str,
        app_id: &str,
        watch: &Watch,
    ) -> Outcome<Self> {
        Self::start_with(program, folder, core_url, app_id, watch, Settings::new())
    }

    /// The same with settings of the caller's, another store for one.
    pub(crate) fn start_with(
        program: &Path,
        folder: &Path,
        core_url: &str,
        app_id: &str,
        watch: &Watch,
        settings: Settings,
    ) -> Outcome<Self> {
        fs::create_dir(folder).map_err(|error| failed("cannot make DMAPI's folder", error))?;
        let start = Start {
            program: program.to_owned(),
            folder: folder.to_owned(),
            core_url: core_url.to_owned(),
            app_id: app_id.to_owned(),
            settings,
        };
        let service = Service::start(
            "dailey-media",
            &folder.join("serve.log"),
            "/health",
            watch,
            |_, port| start.serve(&port.to_string()),
        )?;
        Ok(Self { service, start })
    }

    /// Starts it again with the same data, at the same address; the process before must have ended.
    pub(crate) fn start_again(&mut self, watch: &Watch) -> Outcome<()> {
        let url = self.service.url().to_owned();
        let command = self.start.serve(url.rsplit(':').next().unwrap_or_default());
        let log = self.start.folder.join("serve.log");
        self.service = Service::start_again("dailey-media", &log, "/health", watch, &url, command)?;
        Ok(())
    }

    /// An address of its own.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.service.url())
    }
}

impl Start {
    fn serve(&self, port: &str) -> Command {
        let mut command = Command::new(&self.program);
        for key in SETTINGS {
            command.env_remove(key);
        }
        command
            .arg("serve")
            .current_dir(&self.folder)
            .env("DAILEY_ENV", "development")
            .env("PORT", port)
            .env("DAILEY_CORE_URL", &self.core_url)
            .env("JWT_ISSUER", &self.core_url)
            .env("CORE_APP_ID", &self.app_id)
            // The traffic of the key rotation is far above what one client may send.
            .env("RATE_LIMIT", "off")
            .envs(self.settings.iter().map(|(key, value)| (key, value)));
        command
    }
}
