//! `apps`: what administrators do over HTTP, for the operator at the machine.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Failure, Output, operator, settings, time, with_store};
use crate::app_name::AppName;
use crate::scope::Scopes;
use crate::secret::Secret;
use crate::settings::Purpose;
use crate::store::{App, AppChange, Availability, OldSecrets, StoreError};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make an app; its secret is shown once.
    Create {
        /// Its name.
        name: String,
        /// A scope its tokens may carry, like media:read; may be given several times.
        #[arg(long = "scope", value_name = "S")]
        scopes: Vec<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Show every app.
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Show one app.
    Show {
        /// Its id.
        app_id: Uuid,
        #[command(flatten)]
        output: Output,
    },
    /// Give an app no more tokens.
    Disable {
        /// Its id.
        app_id: Uuid,
        #[command(flatten)]
        output: Output,
    },
    /// Give an app a new secret, shown once; the old one works for another day.
    RotateSecret {
        /// Its id.
        app_id: Uuid,
        /// The old one stops working at once.
        #[arg(long)]
        revoke_old: bool,
        #[command(flatten)]
        output: Output,
    },
}

pub(super) fn run(command: Command) -> Result<(), Failure> {
    let settings = settings(Purpose::Manage)?;
    with_store(&settings, async |store| match command {
        Command::Create {
            name,
            scopes,
            output,
        } => {
            let name = AppName::parse(&name)?.into_string();
            let scopes = Scopes::from_items(scopes.iter().map(String::as_str))?;
            let secret = Secret::generate();
            let app = store
                .create_app(name, scopes, secret.hash(), operator())
                .await?;
            print_secret(output, &app, &secret)
        }
        Command::List { output } => {
            let apps = store.apps().await?;
            let json: Vec<Value> = apps.iter().map(shown).collect();
            output.print(
                &json!({ "apps": json }),
                &apps.iter().map(line).collect::<String>(),
            )
        }
        Command::Show { app_id, output } => {
            let app = store.app(app_id).await?.ok_or(StoreError::NoSuchApp)?;
            output.print(&shown(&app), &line(&app))
        }
        Command::Disable { app_id, output } => {
            let change = AppChange {
                availability: Some(Availability::Disabled),
                ..AppChange::default()
            };
            let app = store.change_app(app_id, change, operator()).await?;
            output.print(&shown(&app), &line(&app))
        }
        Command::RotateSecret {
            app_id,
            revoke_old,
            output,
        } => {
            let old = if revoke_old {
                OldSecrets::Revoked
            } else {
                OldSecrets::WorkOneMoreDay
            };
            let secret = Secret::generate();
            let app = store
                .rotate_app_secret(app_id, secret.hash(), old, operator())
                .await?;
            print_secret(output, &app, &secret)
        }
    })
}

fn print_secret(output: Output, app: &App, secret: &Secret) -> Result<(), Failure> {
    let json = json!({
        "app_id": app.app_id,
        "client_secret": secret.reveal(),
        "name": app.name,
        "scopes": app.scopes.to_vec(),
    });
    let text = format!(
        "app id         {}\nclient secret  {} (shown only now)\nname           {}\nscopes         {}",
        app.app_id,
        secret.reveal(),
        app.name,
        app.scopes
    );
    output.print(&json, &text)
}

fn shown(app: &App) -> Value {
    json!({
        "app_id": app.app_id,
        "name": app.name,
        "scopes": app.scopes.to_vec(),
        "disabled": app.disabled_at.is_some(),
        "created_at": time(app.created_at),
    })
}

fn line(app: &App) -> String {
    let disabled = if app.disabled_at.is_some() {
        " (disabled)"
    } else {
        ""
    };
    format!("{}  {}{disabled}  {}\n", app.app_id, app.name, app.scopes)
}
