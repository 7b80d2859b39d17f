//! The command line: what it refuses, how, and with which exit status.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use crate::service::{APP, Service, command};

fn run(change: impl FnOnce(&mut Command)) -> (Option<i32>, String) {
    let folder = tempfile::TempDir::new().unwrap();
    let mut command = command(folder.path(), 4100);
    command
        .env("JWT_ISSUER", "https://core.dailey.cloud")
        .env("CORE_APP_ID", APP);
    change(&mut command);
    let Output {
        status,
        stderr,
        stdout,
    } = command.output().unwrap();
    (
        status.code(),
        String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned(),
    )
}

#[test]
fn usage_errors_exit_64_and_help_exits_0() {
    for arguments in [
        &[][..],
        &["nonsense"],
        &["serve", "--nonsense"],
        &["serve", "--config"],
    ] {
        assert_eq!(
            run(|command| _ = command.args(arguments)).0,
            Some(64),
            "{arguments:?}"
        );
    }
    let (status, text) = run(|command| _ = command.arg("--help"));
    assert_eq!(status, Some(0));
    assert!(
        text.contains("SIGHUP") && text.contains("CORE_JWKS_URL"),
        "{text}"
    );
}

#[test]
fn wrong_settings_exit_1_with_every_reason_and_unset_means_production() {
    let (status, text) = run(|command| {
        command
            .arg("serve")
            .env("PORT", "x")
            .env("CORS_ORIGINS", "*");
    });
    assert_eq!(status, Some(1));
    for key in ["PORT: ", "CORS_ORIGINS: ", "LINK_SECRET_FILE: "] {
        assert!(text.contains(key), "{key} in {text}");
    }
}

#[test]
fn a_secret_that_others_may_read_is_refused() {
    let folder = tempfile::TempDir::new().unwrap();
    let secret = folder.path().join("secret");
    let port = testbed::free_port().unwrap().to_string();
    let serve = |command: &mut Command| {
        command
            .arg("serve")
            .env("DAILEY_ENV", "development")
            .env("PORT", &port)
            .env("LINK_SECRET_FILE", &secret);
    };
    std::fs::write(&secret, [7; 32]).unwrap();
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o644)).unwrap();
    let (status, text) = run(serve);
    assert!(status == Some(1) && text.contains("chmod 600"), "{text}");
    std::fs::write(&secret, [7; 31]).unwrap();
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
    let (status, text) = run(serve);
    assert!(status == Some(1) && text.contains("32 to 4096"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_or_root_is_refused_in_plain_words() {
    let service = Service::start().await;
    let root = service.folder.path().join("data/media");
    let config = service.folder.path().join("config.toml");
    std::fs::write(&config, format!("[storage.local]\nroot = {root:?}\n")).unwrap();
    let taken = service.port.to_string();
    let free = testbed::free_port().unwrap().to_string();
    for (port, expected) in [
        (
            &taken,
            format!("port {taken} is taken: stop what listens there or set PORT"),
        ),
        (&free, "is in use by another process".to_owned()),
    ] {
        let (status, text) = run(|command| {
            command
                .args(["serve", "--config"])
                .arg(&config)
                .env("DAILEY_ENV", "development")
                .env("PORT", port);
        });
        assert_eq!(status, Some(1));
        assert!(text.contains(&expected), "{expected} in {text}");
    }
}
