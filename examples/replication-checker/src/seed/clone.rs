//! Seeding by MySQL's clone plugin. The target restarts at the end: by its supervisor, or it only shuts
//! down, and somebody must start it.

use std::time::Duration;

use super::procedure::Channel;
use super::server::{Server, quoted};
use crate::connection::Failure;

/// Longest that copying may take.
const CLONE_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Longest that the target may be away for its restart.
const RESTART_LIMIT: Duration = Duration::from_secs(10 * 60);

/// "Restart server failed (mysqld is not managed by supervisor process)": the data is there.
const RESTART_FAILED: u16 = 3707;

/// Copies the source's data into the target and waits until the target serves it.
pub(super) async fn clone(
    source: &Server,
    target: &mut Server,
    channel: &Channel,
    uuid: &str,
) -> Result<(), String> {
    let (user, password) = source.account().ok_or("no account of the source")?;
    let donor = format!("{}:{}", channel.host, channel.port);
    target
        .run(&[
            &format!("SET GLOBAL clone_valid_donor_list = {}", quoted(&donor)),
            &format!("SET GLOBAL clone_ssl_ca = {}", quoted(&channel.ca_file)),
        ])
        .await?;
    let statement = format!(
        "CLONE INSTANCE FROM {}@{}:{} IDENTIFIED BY {} REQUIRE SSL",
        quoted(user),
        quoted(&channel.host),
        channel.port,
        quoted(password)
    );
    match target.rows_within(&statement, CLONE_LIMIT).await {
        // It restarts, or is about to.
        Ok(_) | Err(Failure::Refused(RESTART_FAILED, _) | Failure::Broken(_)) => {}
        Err(failure) => return Err(target.words(&failure)),
    }
    target.forget_connection();
    // It may answer once more before it goes down; its clone status counts, not that it answers.
    let deadline = std::time::Instant::now() + RESTART_LIMIT;
    loop {
        target.wait_until_back(RESTART_LIMIT).await?;
        let state = target
            .value("SELECT STATE FROM performance_schema.clone_status LIMIT 1")
            .await;
        match state.as_deref() {
            Ok("Completed") => break,
            Ok("Failed") => {
                let why = target
                    .value("SELECT ERROR_MESSAGE FROM performance_schema.clone_status LIMIT 1")
                    .await?;
                return Err(format!("clone failed: {why}"));
            }
            _ if std::time::Instant::now() > deadline => {
                return Err("the target does not say that its clone is complete".to_owned());
            }
            _ => tokio::time::sleep(Duration::from_millis(500)).await,
        }
    }
    if target.value("@@server_uuid").await? != uuid {
        return Err("another server answers at --target now".to_owned());
    }
    Ok(())
}
