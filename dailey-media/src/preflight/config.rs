//! Settings, and the port that follows from them.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use dailey_auth::Environment;
use tokio::net::TcpSocket;

use crate::audit;
use crate::link_secret::{self, IfMissing};
use crate::settings::{DEFAULT_PORT, Draft, LinkSecret};

use super::{Outcome, failed};

/// `config`: every setting can be used.
pub(super) async fn settings(draft: &Draft) -> Outcome {
    let mut reasons: Vec<String> = draft.errors.iter().map(ToString::to_string).collect();
    // In development it is made at the first start.
    if let Some(LinkSecret::File(path)) = draft.link_secret.clone() {
        // The disk may hang: no other check waits for it.
        let load = move || link_secret::load(&path, IfMissing::Fail).map(drop);
        match tokio::task::spawn_blocking(load).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => reasons.push(error.to_string()),
            Err(_) => reasons.push("LINK_SECRET_FILE: reading it ended unexpectedly".into()),
        }
    }
    if let Some(path) = draft.audit_log.clone() {
        let check = move || audit::check(&path);
        match tokio::task::spawn_blocking(check).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => reasons.push(error.to_string()),
            Err(_) => reasons.push("AUDIT_LOG_FILE: opening it ended unexpectedly".into()),
        }
    }
    if let Some(path) = draft.jwks_snapshot.clone() {
        let check = move || has_folder(&path);
        match tokio::task::spawn_blocking(check).await {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => reasons.push(reason),
            Err(_) => reasons.push("JWKS_SNAPSHOT_FILE: its folder cannot be looked at".into()),
        }
    }
    if reasons.is_empty() {
        return Outcome::Proven("every setting can be used".into());
    }
    failed(
        reasons.join("; "),
        "change what is named here; `dailey-media --help` lists every key",
    )
}

/// Whether the snapshot may be written one day: there need be none yet, and keys are taken without it.
fn has_folder(snapshot: &Path) -> Result<(), String> {
    let folder = snapshot.parent();
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let reason = match fs::metadata(folder) {
        Ok(metadata) if metadata.is_dir() => return Ok(()),
        Ok(_) => "it is not a folder".to_owned(),
        Err(error) => error.to_string(),
    };
    let folder = folder.display();
    Err(format!(
        "JWKS_SNAPSHOT_FILE: cannot use the folder {folder}: {reason}"
    ))
}

/// `port`: the right one, and free. Never listens: nobody may connect before the checks are done.
pub(super) fn port(draft: &Draft) -> Outcome {
    // With a text that is no port or address the defaults are looked at: `config` tells the rest.
    let port = draft.port.unwrap_or(DEFAULT_PORT);
    let address = SocketAddr::new(draft.bind.unwrap_or(Ipv4Addr::LOCALHOST.into()), port);
    if draft.environment == Environment::Production && port != DEFAULT_PORT {
        return failed(
            format!("PORT is {port}, not 4100"),
            "remove PORT: in production nginx and the checks rely on 4100",
        );
    }
    match bind(address) {
        Ok(()) => Outcome::Proven(format!("{address} is free")),
        Err(error) => failed(
            format!("{address} cannot be had: {error}"),
            "stop what listens there (perhaps an older dailey-media), or set BIND to an address of this machine",
        ),
    }
}

/// As the service itself will, up to listening.
fn bind(address: SocketAddr) -> std::io::Result<()> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)
}
