//! `keys`: the rotation tool.

use serde_json::{Value, json};

use super::{Failure, Output, settings};
use crate::keys::{KeyState, Kid, Retirement, Rotation};
use crate::settings::Purpose;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a key that nobody knows yet.
    Generate {
        /// Name it, instead of by its RFC 7638 thumbprint.
        #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
        kid: Option<Kid>,
        #[command(flatten)]
        output: Output,
    },
    /// Show every key, where it stands, and since when.
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Let verifiers see a key, an hour before it signs.
    Publish {
        /// The key.
        #[arg(allow_hyphen_values = true)]
        kid: Kid,
        #[command(flatten)]
        output: Output,
    },
    /// Let a published key sign.
    Activate {
        /// The key.
        #[arg(allow_hyphen_values = true)]
        kid: Kid,
        #[command(flatten)]
        output: Output,
    },
    /// Stop publishing a key, after its last token has ended.
    Retire {
        /// The key.
        #[arg(allow_hyphen_values = true)]
        kid: Kid,
        /// At once: the key is compromised, and its tokens shall die.
        #[arg(long)]
        now: bool,
        #[command(flatten)]
        output: Output,
    },
}

const RELOAD: &str = "Reload Core now: send it SIGHUP.";

pub(super) fn run(command: Command) -> Result<(), Failure> {
    let settings = settings(Purpose::Manage)?;
    let mut rotation = Rotation::open(&settings.keys, jiff::Timestamp::now())?;
    match command {
        Command::Generate { kid, output } => {
            let made = rotation.generate(kid)?;
            let file = made.private_key_file.display();
            let text = format!(
                "{}\nin {file}; next: dailey-core keys publish {}",
                made.kid, made.kid
            );
            output.print(&to_json(&made)?, &text)
        }
        Command::List { output } => {
            let keys = rotation.list()?;
            let line = |key: &crate::keys::ListedKey| {
                let since = key
                    .since
                    .map_or_else(|| "unknown".to_owned(), |since| since.to_string());
                format!("{:<12} {} since {since}\n", word(key.state), key.kid)
            };
            output.print(
                &json!({ "keys": to_json(&keys)? }),
                &keys.iter().map(line).collect::<String>(),
            )
        }
        Command::Publish { kid, output } => {
            let published = rotation.publish(&kid)?;
            let text = format!(
                "{RELOAD}\nEvery verifier knows the key by {}; then: dailey-core keys activate {kid}",
                published.known_everywhere_at
            );
            output.print(&to_json(&published)?, &text)
        }
        Command::Activate { kid, output } => {
            let activated = rotation.activate(&kid)?;
            let mut lines: Vec<String> = activated
                .warnings
                .iter()
                .map(|text| format!("warning: {text}"))
                .collect();
            lines.push(RELOAD.to_owned());
            if activated.previous_kid != kid {
                let (previous, after) = (&activated.previous_kid, activated.retire_previous_after);
                lines.push(format!("{previous} may be retired after {after}"));
            }
            output.print(&to_json(&activated)?, &lines.join("\n"))
        }
        Command::Retire { kid, now, output } => {
            let retired = rotation.retire(
                &kid,
                if now {
                    Retirement::Now
                } else {
                    Retirement::AfterLastToken
                },
            )?;
            let text = format!(
                "{RELOAD}\nIf you do it now, every verifier that reaches Core has dropped the key by {}; one that does not reach it stops accepting tokens 24 hours after its last refresh.",
                retired.caches_refreshed_at
            );
            output.print(&to_json(&retired)?, &text)
        }
    }
}

fn word(state: KeyState) -> &'static str {
    match state {
        KeyState::Active => "active",
        KeyState::Published => "published",
        KeyState::Unpublished => "unpublished",
        KeyState::Retired => "retired",
    }
}

fn to_json(value: &impl serde::Serialize) -> Result<Value, Failure> {
    Ok(serde_json::to_value(value)?)
}
