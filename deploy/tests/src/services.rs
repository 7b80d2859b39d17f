//! Core and DMAPI in production on the machine, on their own ports, as `docs/operate.md` has them.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use testbed::{Child, wait_for_http};

use crate::world::World;

/// Longer than a start may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The password of everybody here.
pub const PASSWORD: &str = "correct horse battery staple";

/// The first administrator.
pub const ADMIN: &str = "admin@example.com";

/// Core, set up and running.
#[derive(Debug)]
pub struct Core {
    /// The process.
    pub child: Child,
    /// The app that DMAPI is.
    pub app_id: String,
    /// Core's own app.
    pub core_app_id: String,
}

/// Sets Core up in `/srv/dailey/core` and starts it.
pub fn core(world: &World, programs: &Path) -> Core {
    let folder = Path::new("/srv/dailey/core");
    fs::create_dir_all(folder).unwrap();
    let command = |arguments: &[&str]| {
        let mut command = world.on_machine(programs.join("dailey-core"));
        command
            .args(arguments)
            .current_dir(folder)
            .env("DAILEY_ENV", "production")
            .env("JWT_ISSUER", "https://core.dailey.cloud")
            .env("JWT_PRIVATE_KEY_FILE", folder.join("keys/core.pem"));
        command
    };
    let made = run(
        command(&["init", "--admin-email", ADMIN, "--json"]),
        PASSWORD,
    );
    let kid = made["kid"].as_str().unwrap().to_owned();
    let with_kid = |arguments: &[&str]| {
        let mut command = command(arguments);
        command.env("JWT_ACTIVE_KID", &kid);
        command
    };
    let create = [
        "apps",
        "create",
        "photos",
        "--scope",
        "media:read",
        "--scope",
        "media:write",
        "--json",
    ];
    let app = run(with_kid(&create), "");
    run(
        with_kid(&["users", "create", "user@example.com", "--json"]),
        PASSWORD,
    );
    let child = Child::start("dailey-core", with_kid(&["serve"]), &folder.join("log")).unwrap();
    Core {
        child,
        app_id: app["app_id"].as_str().unwrap().to_owned(),
        core_app_id: made["core_app_id"].as_str().unwrap().to_owned(),
    }
}

/// Starts DMAPI in `/srv/dailey/dmapi`. It asks Core at its public address before it listens, so the edge must be up.
pub fn dmapi(world: &World, programs: &Path, app_id: &str, authority: &Path) -> Child {
    let folder = Path::new("/srv/dailey/dmapi");
    fs::create_dir_all(folder).unwrap();
    let secret = folder.join("link-secret");
    fs::write(&secret, [7; 32]).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let frontend = folder.join("frontend.env");
    fs::write(&frontend, "VITE_API=https://media.dailey.cloud\n").unwrap();
    let mut command = world.on_machine(programs.join("dailey-media"));
    command
        .arg("serve")
        .current_dir(folder)
        .env("DAILEY_ENV", "production")
        .env("SSL_CERT_FILE", authority)
        .env("JWT_ISSUER", "https://core.dailey.cloud")
        .env("DAILEY_CORE_URL", "https://core.dailey.cloud")
        .env("PUBLIC_ORIGIN", "https://media.dailey.cloud")
        .env("CORE_APP_ID", app_id)
        .env("LINK_SECRET_FILE", secret)
        .env("FRONTEND_ENV_FILE", frontend);
    Child::start("dailey-media", command, &folder.join("log")).unwrap()
}

/// Waits until a service of the machine says on the machine itself that it is well.
pub fn wait(world: &World, child: &mut Child, port: u16) {
    let url = format!("http://127.0.0.1:{port}/health");
    world
        .at_machine(|| wait_for_http(child, &url, PATIENCE))
        .unwrap_or_else(|error| panic!("{error}"));
}

fn run(mut command: Command, input: &str) -> Value {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(format!("{input}\n").as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}
