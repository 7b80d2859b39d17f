//! DMAPI on local files, trusting one Core for one app.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Service, Watch};
use crate::stop::{Outcome, failed};

/// Settings that must not come from the user's own environment.
const SETTINGS: [&str; 14] = [
    "AUDIT_LOG_FILE",
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
        fs::create_dir(folder).map_err(|error| failed("cannot make DMAPI's folder", error))?;
        let service = Service::start(
            "dailey-media",
            &folder.join("serve.log"),
            "/health",
            watch,
            |_, port| {
                let mut command = Command::new(program);
                for key in SETTINGS {
                    command.env_remove(key);
                }
                command
                    .arg("serve")
                    .current_dir(folder)
                    .env("DAILEY_ENV", "development")
                    .env("PORT", port.to_string())
                    .env("DAILEY_CORE_URL", core_url)
                    .env("JWT_ISSUER", core_url)
                    .env("CORE_APP_ID", app_id)
                    // The traffic of the key rotation is far above what one client may send.
                    .env("RATE_LIMIT", "off");
                command
            },
        )?;
        Ok(Self { service })
    }

    /// An address of its own.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.service.url())
    }
}
