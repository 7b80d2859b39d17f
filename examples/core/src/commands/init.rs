//! `init`: makes what is missing and changes nothing that is there.

use serde_json::json;

use super::{Failure, Output, operator, password, settings, with_store};
use crate::email::Email;
use crate::keys::Rotation;
use crate::settings::Purpose;
use crate::store::{Store, UserRole};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Make an administrator with this address; the password is read from the terminal or from standard input.
    #[arg(long, value_name = "EMAIL")]
    admin_email: Option<String>,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let settings = settings(Purpose::Manage)?;
    let email = arguments
        .admin_email
        .as_deref()
        .map(Email::parse)
        .transpose()?;
    let key = Rotation::open(&settings.keys, jiff::Timestamp::now())?.first_key()?;
    with_store(&settings, async |store| {
        let app = store.ensure_core_app(operator()).await?;
        let admin_user_id = match email {
            Some(email) => Some(administrator(store, email).await?),
            None => first_administrator(store).await?,
        };
        let private_key_file = key.private_key_file.display().to_string();
        let json = json!({
            "kid": key.kid,
            "private_key_file": private_key_file,
            "core_app_id": app.app_id,
            "admin_user_id": admin_user_id,
        });
        let administrator = admin_user_id.map_or_else(
            || "none yet: run init again with --admin-email".to_owned(),
            |id| id.to_string(),
        );
        let text = format!(
            "signing key    {private_key_file} (kid {})\nCore's app id  {}\nadministrator  {administrator}",
            key.kid, app.app_id
        );
        arguments.output.print(&json, &text)
    })
}

/// The administrator with this address; one that is there keeps its password.
async fn administrator(store: &dyn Store, email: Email) -> Result<uuid::Uuid, Failure> {
    match store.user_by_email(email.clone()).await? {
        Some(user) if user.role == UserRole::Administrator => Ok(user.user_id),
        Some(_) => Err(Failure::new(
            "a user with this address exists and is no administrator: choose another address",
        )),
        None => {
            let hash = crate::password::hash(&password::read()?);
            Ok(store
                .create_user(email, hash, UserRole::Administrator, operator())
                .await?
                .user_id)
        }
    }
}

async fn first_administrator(store: &dyn Store) -> Result<Option<uuid::Uuid>, Failure> {
    let users = store.users().await?;
    let administrators = users
        .iter()
        .filter(|user| user.role == UserRole::Administrator);
    Ok(administrators
        .min_by_key(|user| user.created_at)
        .map(|user| user.user_id))
}
