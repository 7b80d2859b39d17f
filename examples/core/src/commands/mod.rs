//! The command line. Exit codes: 0 done, 1 refused or failed (in plain words on standard error), 64 usage.

mod apps;
mod check;
mod init;
mod keys;
mod password;
mod reload;
mod serve;
mod users;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use dailey_http::settings::SettingsError;
use serde_json::Value;

use crate::dotenv::EnvironmentVariables;
use crate::settings::{Purpose, Settings};
use crate::store::{self, Context, Store, StoreError};

/// Wrong usage (`EX_USAGE` of sysexits.h).
const USAGE: u8 = 64;

/// Core: issues access tokens, publishes the keys to verify them, keeps users and apps.
///
/// Settings come from the environment and from .env in the working directory; the environment wins. A running Core
/// reads .env and the keys again on SIGHUP.
#[derive(Debug, Parser)]
#[command(
    name = "dailey-core",
    version,
    arg_required_else_help = true,
    infer_subcommands = false,
    after_help = ENVIRONMENT
)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

const ENVIRONMENT: &str = "\
Environment:
  JWT_ISSUER            Core's own address, exactly as tokens shall name it; required
  DAILEY_ENV            production [default] or development
  JWT_PRIVATE_KEY_FILE  the signing key [default in development: keys/core.pem]
  JWT_ACTIVE_KID        which key signs; required in production
  JWT_PUBLIC_KEYS_DIR   further keys to publish [default: public beside the signing key]
  JWT_TTL_SECONDS       life of an access token, 60 to 3600 [default: 600]
  REFRESH_TTL_SECONDS   life of a refresh token [default: 2592000]
  DATABASE_URL          sqlite:PATH [default: sqlite:core.db in the working directory], or
                        mysql://USER@HOST:PORT/DATABASE?ssl-ca=FILE&tls-hostname=NAME
  DATABASE_PASSWORD     the password for MySQL, or
  DATABASE_PASSWORD_FILE  a file that holds it
  ALLOWED_ORIGINS       exact origins, comma-separated [default: none]
  ALLOW_REGISTRATION    true lets anyone make an account [default: false]
  PORT, BIND            where to listen [default: 4000 on 127.0.0.1]
  TRUSTED_PROXIES       whose forwarding headers are believed, or `none` [default: loopback]
  RUST_LOG              log levels [default: info]

Signals:
  SIGHUP                read .env and the keys again; a bad new state is refused and the old one serves on
                        (`dailey-core reload` looks first and then sends it)
  SIGTERM, SIGINT       finish the requests under way and end

Exit: 0 done, 1 refused or failed, 64 usage";

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve: tokens, keys, apps.
    #[command(after_help = ENVIRONMENT)]
    Serve,
    /// Make what is missing: the signing key, the database, Core's own app, the first administrator.
    Init(init::Arguments),
    /// Make keys, publish them, let them sign, retire them.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Make apps, look at them, disable them, give them new secrets.
    #[command(subcommand)]
    Apps(apps::Command),
    /// Make users, look at them, disable them, set their passwords.
    #[command(subcommand)]
    Users(users::Command),
    /// Say everything that `serve` would refuse.
    Check(Output),
    /// Let the Core that serves from this folder read .env and the keys again, if it would not refuse them.
    Reload(Output),
}

/// How a result is printed.
#[derive(Debug, Clone, Copy, clap::Args)]
struct Output {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Output {
    /// Prints a result: the JSON, or the text for people.
    fn print(self, json: &Value, text: &str) -> Result<(), Failure> {
        let text = if self.json {
            json.to_string()
        } else {
            text.trim_end().to_owned()
        };
        writeln!(std::io::stdout(), "{text}")
            .map_err(|error| Failure::new(format!("the result cannot be printed: {error}")))
    }
}

/// Why a command did not do it, a line for each thing.
#[derive(Debug)]
struct Failure(Vec<String>);

impl Failure {
    fn new(line: impl Into<String>) -> Self {
        Self(vec![line.into()])
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(error.to_string())
    }
}

/// Runs the command of this process.
pub fn run() -> ExitCode {
    let command_line = match CommandLine::try_parse() {
        Ok(command_line) => command_line,
        Err(error) => {
            // Help and version are what was asked for; everything else is wrong usage.
            let asked = matches!(
                error.kind(),
                clap::error::ErrorKind::DisplayHelp | clap::error::ErrorKind::DisplayVersion
            );
            let _ = error.print();
            return if asked {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(USAGE)
            };
        }
    };
    let outcome = match command_line.command {
        Command::Serve => serve::run(),
        Command::Init(arguments) => init::run(&arguments),
        Command::Keys(command) => keys::run(command),
        Command::Apps(command) => apps::run(command),
        Command::Users(command) => users::run(command),
        Command::Check(output) => check::run(output),
        Command::Reload(output) => reload::run(output),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(lines)) => {
            for line in lines {
                let _ = writeln!(std::io::stderr(), "dailey-core: {line}");
            }
            ExitCode::FAILURE
        }
    }
}

/// The settings of this process.
fn settings(purpose: Purpose) -> Result<Settings, Failure> {
    let variables = EnvironmentVariables::read()?;
    Settings::read(&variables, purpose).map_err(|errors| failures(&errors))
}

fn failures(errors: &[SettingsError]) -> Failure {
    Failure(errors.iter().map(ToString::to_string).collect())
}

/// Opens the database and works with it.
fn with_store<T>(
    settings: &Settings,
    work: impl AsyncFnOnce(&dyn Store) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let store = open(settings).await?;
        let outcome = work(&*store).await;
        // What is done is done; a goodbye that fails changes nothing.
        let _ = store.close().await;
        outcome
    })
}

async fn open(settings: &Settings) -> Result<Box<dyn Store>, Failure> {
    store::open(&settings.database)
        .await
        .map_err(|error| database_failure(&error))
}

fn database_failure(error: &StoreError) -> Failure {
    Failure::new(format!("DATABASE_URL: {error}"))
}

/// An operator at the machine itself.
fn operator() -> Context {
    Context {
        actor: Some("operator".to_owned()),
        ..Context::default()
    }
}

/// A time as people and programs read it.
fn time(milliseconds: i64) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_millisecond(milliseconds).ok()
}
