//! The command `dailey-media`.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use dailey_auth::Environment;
use dailey_http::logs;
use dailey_http::settings::process_environment;
use dailey_media::audit;
use dailey_media::preflight;
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
    /// Prove that everything outside is as the service needs it; in production `serve` does it first.
    #[command(after_help = PREFLIGHT)]
    Preflight {
        /// Configuration file (TOML) [default: as for `serve`]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// One line of JSON in place of the table
        #[arg(long)]
        json: bool,
    },
    /// The audit log.
    #[command(subcommand)]
    Audit(Audit),
}

#[derive(Subcommand)]
enum Audit {
    /// Prove that an audit log is as it was written.
    #[command(after_help = VERIFY)]
    Verify {
        /// The file
        file: PathBuf,
        /// One line of JSON in place of a sentence
        #[arg(long)]
        json: bool,
        /// The log must end with the line of this hash
        #[arg(long, value_name = "HASH", value_parser = hash)]
        expect_hash: Option<String>,
        /// The log goes on after the line of this hash, the last of the file before
        #[arg(long, value_name = "HASH", value_parser = hash)]
        after_hash: Option<String>,
    },
}

fn hash(text: &str) -> Result<String, &'static str> {
    let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if digits && text.len() == 64 {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("not 64 hexadecimal digits")
    }
}

const VERIFY: &str = "\
Each line has the hash of the line before it. A line that was changed, removed, moved or added is named.
Lines that are missing at the end only show against a hash that was kept elsewhere: --expect-hash.

Exit: 0 intact, 1 broken or not readable, 64 usage";

const PREFLIGHT: &str = "\
Checks, all at once and each for at most 5 seconds:
  config              every setting can be used
  port                it is 4100 in production, and free
  core_health         Core's /health answers 200
  core_jwks           a usable RS256 key and no private one, from the issuer's origin in production
  clock               Core's clock and ours differ by at most 30 s
  storage             an object can be written, read back and deleted
  conditional_writes  a second create-only write is refused
  frontend_env        the front end's build settings name only https addresses of dailey.cloud, and no secret

In development a check is skipped where what it needs is not set.

Exit: 0 nothing failed, 1 a check failed, 64 usage";

const ENVIRONMENT: &str = "\
Environment:
  JWT_ISSUER        exact issuer of the tokens, required
  CORE_APP_ID       app ids (GUIDs), comma-separated; or CORE_AUDIENCE
  CORE_JWKS_URL     address of the key set [default: DAILEY_CORE_URL or JWT_ISSUER + /.well-known/jwks.json]
  DAILEY_ENV        production [default] or development
  PORT, BIND        where to listen [default: 4100 on 127.0.0.1; production: must be 4100]
  CORS_ORIGINS      exact origins, comma-separated
  DAILEY_CORE_URL   Core's base address, asked by the preflight; required in production
  FRONTEND_ENV_FILE the front end's .env.production, read by the preflight; required in production
  PUBLIC_ORIGIN     https origin that the public uses: production answers to its host alone, and sends plain http
                    to it [default: https://media.dailey.cloud, answering to every name below dailey.cloud]
  TRUSTED_PROXIES   addresses or networks whose forwarding headers are believed, or `none` [default: loopback]
  LINK_SECRET_FILE  32 random bytes or more, mode 0600: signs links and list cursors; required in production
  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY
                    the key of [storage.s3], where the file does not have it
  AUDIT_LOG_FILE    each change as one hash-chained line of JSON, mode 0600; checked by `audit verify`
  RATE_LIMIT        `off` switches the rate limits off, in development only
  UPLOAD_EXPIRY_SECONDS  how long a resumable upload may pause [default: 86400, a day]
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
        Command::Preflight { config, json } => preflight(config.as_deref(), json),
        Command::Audit(Audit::Verify {
            file,
            json,
            expect_hash,
            after_hash,
        }) => verify(&file, after_hash.as_deref(), expect_hash.as_deref(), json),
    }
}

fn verify(file: &Path, after: Option<&str>, end: Option<&str>, json: bool) -> ExitCode {
    let verified = audit::verify(file, after, end);
    let text = match &verified {
        Ok(intact) if json => with_verdict(true, intact),
        Err(finding) if json => with_verdict(false, finding),
        Ok(intact) => {
            let last = intact.last_hash.as_deref().unwrap_or("none");
            let (lines, torn) = (intact.lines, intact.torn_lines);
            format!("intact: {lines} lines, {torn} torn ones closed, last hash {last}")
        }
        Err(finding) => format!("broken: {finding}"),
    };
    let _ = writeln!(std::io::stdout(), "{text}");
    if verified.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_REFUSED)
    }
}

fn with_verdict(intact: bool, told: &impl serde::Serialize) -> String {
    let mut value = serde_json::to_value(told).unwrap_or_default();
    if let Some(members) = value.as_object_mut() {
        members.insert("intact".into(), intact.into());
    }
    value.to_string()
}

fn preflight(config: Option<&Path>, json: bool) -> ExitCode {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&[error]),
    };
    let report = runtime.block_on(preflight::run(&process_environment, config));
    let text = if json {
        report.to_json() + "\n"
    } else {
        report.to_table(wants_colour(&std::io::stdout()))
    };
    // Who closed our output does not want to read it.
    let _ = std::io::stdout().write_all(text.as_bytes());
    let _ = std::io::stdout().flush();
    runtime.shutdown_timeout(MAX_LAST_WORK);
    if report.ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_REFUSED)
    }
}

/// <https://no-color.org>: set and not empty.
fn wants_colour(output: &impl IsTerminal) -> bool {
    output.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    logs::gather(tokio::runtime::Builder::new_multi_thread().enable_all()).build()
}

fn serve(config: Option<&Path>) -> ExitCode {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&[error]),
    };
    // What cannot be read as a word for development is production.
    let environment = Environment::from_lookup(&process_environment).unwrap_or_default();
    if environment == Environment::Production {
        let report = runtime.block_on(preflight::run(&process_environment, config));
        if !report.ok() {
            eprint!("{}", report.to_table(wants_colour(&std::io::stderr())));
            runtime.shutdown_timeout(MAX_LAST_WORK);
            return ExitCode::from(EXIT_REFUSED);
        }
    }
    let settings = match Settings::read(&process_environment, config) {
        Ok(settings) => settings,
        Err(errors) => return refuse(&errors),
    };
    if let Err(error) = logs::init(settings.environment(), &process_environment) {
        return refuse(&[error]);
    }
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
