//! The command `dailey-media`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use dailey_auth::Environment;
use dailey_http::logs;
use dailey_http::settings::process_environment;
use dailey_media::server;
use dailey_media::settings::Settings;

/// Refused or failed, in plain words on standard error.
const EXIT_REFUSED: u8 = 1;

/// How long work on the disk that nobody waits for may go on after the last answer.
const MAX_LAST_WORK: Duration = Duration::from_secs(5);

/// The command line is wrong (sysexits' `EX_USAGE`).
const EXIT_USAGE: u8 = 64;

/// DMAPI: objects over HTTP, each app's and each user's apart by the claims of their token.
#[derive(Parser)]
#[command(version, after_help = ENVIRONMENT)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT; SIGHUP fetches the key set at once.
    #[command(after_help = ENVIRONMENT)]
    Serve {
        /// Configuration file (TOML) [default: `DAILEY_CONFIG`, else `dailey-media.toml` if it is there]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

const ENVIRONMENT: &str = "\
Environment:
  JWT_ISSUER        exact issuer of the tokens, required
  CORE_APP_ID       app ids (GUIDs), comma-separated; or CORE_AUDIENCE
  CORE_JWKS_URL     address of the key set [default: DAILEY_CORE_URL or JWT_ISSUER + /.well-known/jwks.json]
  DAILEY_ENV        production [default; refused until this build has the preflight] or development
  PORT, BIND        where to listen [default: 4100 on 127.0.0.1; production: must be 4100]
  CORS_ORIGINS      exact origins, comma-separated
  TRUSTED_PROXIES   addresses or networks whose forwarding headers are believed, or `none` [default: loopback]
  LINK_SECRET_FILE  32 random bytes or more, mode 0600: signs list cursors; required in production
  RUST_LOG          log levels [default: info]

Signals:
  SIGHUP            fetch the key set now, whatever its age; the keys at hand stay when it fails
  SIGTERM, SIGINT   finish the requests under way and end

Exit: 0 ended as told, 1 refused or failed, 64 usage";

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are errors to clap, but not to whoever asked for them.
            let wrong = error.use_stderr();
            let _ = error.print();
            return if wrong {
                ExitCode::from(EXIT_USAGE)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match arguments.command {
        Command::Serve { config } => serve(config.as_deref()),
    }
}

fn serve(config: Option<&Path>) -> ExitCode {
    let settings = match Settings::read(&process_environment, config) {
        Ok(settings) => settings,
        Err(errors) => return refuse(&errors),
    };
    if let Err(error) = logs::init(settings.environment(), &process_environment) {
        return refuse(&[error]);
    }
    // Production promises that every outside part was proved before the port opens.
    if settings.environment() == Environment::Production {
        return refuse(&[
            "DAILEY_ENV: in production `serve` runs the preflight first, which this build does not have yet; \
             set it to `development` to try the service on this machine",
        ]);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&[error]),
    };
    let ended = runtime.block_on(server::run(&settings));
    // Dropping it would wait for a disk that may never answer.
    runtime.shutdown_timeout(MAX_LAST_WORK);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&[error]),
    }
}

fn refuse<E: std::fmt::Display>(errors: &[E]) -> ExitCode {
    for error in errors {
        eprintln!("dailey-media: {error}");
    }
    ExitCode::from(EXIT_REFUSED)
}
