//! `users`: accounts, for the operator at the machine.

use serde_json::{Value, json};

use super::{Failure, Output, operator, password, settings, time, with_store};
use crate::email::Email;
use crate::settings::Purpose;
use crate::store::{Store, StoreError, User, UserRole};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a user; the password is read from the terminal or from standard input.
    Create {
        /// The address.
        email: String,
        /// May manage apps.
        #[arg(long)]
        admin: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Show every user.
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Give a user no more tokens, and end the sessions.
    Disable {
        /// The address.
        email: String,
        #[command(flatten)]
        output: Output,
    },
    /// Set a password, read from the terminal or from standard input, and end the sessions.
    SetPassword {
        /// The address.
        email: String,
        #[command(flatten)]
        output: Output,
    },
}

pub(super) fn run(command: Command) -> Result<(), Failure> {
    let settings = settings(Purpose::Manage)?;
    with_store(&settings, async |store| match command {
        Command::Create {
            email,
            admin,
            output,
        } => {
            let email = Email::parse(&email)?;
            let role = if admin {
                UserRole::Administrator
            } else {
                UserRole::Ordinary
            };
            let hash = crate::password::hash(&password::read()?);
            let user = store.create_user(email, hash, role, operator()).await?;
            output.print(
                &json!({ "user_id": user.user_id }),
                &format!("user id  {}", user.user_id),
            )
        }
        Command::List { output } => {
            let users = store.users().await?;
            let json: Vec<Value> = users.iter().map(shown).collect();
            output.print(
                &json!({ "users": json }),
                &users.iter().map(line).collect::<String>(),
            )
        }
        Command::Disable { email, output } => {
            let user = find(store, &email).await?;
            store.disable_user(user.user_id, operator()).await?;
            output.print(
                &json!({ "user_id": user.user_id }),
                &format!("disabled {}", user.user_id),
            )
        }
        Command::SetPassword { email, output } => {
            let user = find(store, &email).await?;
            let hash = crate::password::hash(&password::read()?);
            store.set_password(user.user_id, hash, operator()).await?;
            output.print(
                &json!({ "user_id": user.user_id }),
                &format!("password set for {}", user.user_id),
            )
        }
    })
}

async fn find(store: &dyn Store, email: &str) -> Result<User, Failure> {
    Ok(store
        .user_by_email(Email::parse(email)?)
        .await?
        .ok_or(StoreError::NoSuchUser)?)
}

fn shown(user: &User) -> Value {
    json!({
        "user_id": user.user_id,
        "email": user.email,
        "admin": user.role == UserRole::Administrator,
        "disabled": user.disabled_at.is_some(),
        "created_at": time(user.created_at),
    })
}

fn line(user: &User) -> String {
    let admin = if user.role == UserRole::Administrator {
        " (administrator)"
    } else {
        ""
    };
    let disabled = if user.disabled_at.is_some() {
        " (disabled)"
    } else {
        ""
    };
    format!("{}  {}{admin}{disabled}\n", user.user_id, user.email)
}
