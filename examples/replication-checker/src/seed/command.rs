//! The command line of `core-replica-seed`.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use serde_json::json;

use super::plan::{Method, Wish};
use super::procedure::{Progress, Seeding, Step, Stop};
use super::server::Server;
use crate::scrub::Scrub;
use crate::settings::direct_host;

/// What a wrong call exits with (`EX_USAGE`).
const USAGE: u8 = 64;

/// Nothing was touched.
const REFUSED: u8 = 2;

/// Makes one MySQL server a true copy of another, and its replica
///
/// The target is erased; it is named twice, by its address and by its `server_uuid`. Nothing is touched
/// before both servers were looked at: a target that replicas follow, or that has transactions which the
/// source has not, is refused. In the end it is proven: sets of transactions, threads, and the checksums of
/// some tables, which writers wait for meanwhile.
///
/// A cloned target restarts; without a supervisor it only shuts down, and is to be started within ten minutes.
///
/// Exit status: 0 seeded and proven, 1 failed (what is left is said), 2 refused, 64 wrong call.
#[derive(Debug, Parser)]
#[command(name = "core-replica-seed", version, verbatim_doc_comment, after_help = ENVIRONMENT)]
struct Arguments {
    /// The server that is copied: `mysql://user@host:port/?ssl-ca=FILE&tls-hostname=NAME`
    #[arg(long, value_name = "URL")]
    source: String,
    /// The server that is erased, in the same form
    #[arg(long, value_name = "URL")]
    target: String,
    /// `server_uuid` of the server that is erased
    #[arg(long, value_name = "UUID")]
    erase_target: String,
    /// How data gets over; `auto` clones where it can
    #[arg(long, default_value = "auto")]
    method: MethodArgument,
    /// The account that replicates
    #[arg(long, default_value = "replicator", value_name = "USER")]
    repl_user: String,
    /// Where the target reaches the source; without it where it did, else the host of --source
    #[arg(long, value_name = "HOST")]
    repl_host: Option<String>,
    /// The port there
    #[arg(long, value_name = "PORT")]
    repl_port: Option<u16>,
    /// Lose transactions that only the target has
    #[arg(long)]
    discard_errant: bool,
    /// Say one JSON object in the end
    #[arg(long)]
    json: bool,
}

/// The keys, for `--help`.
const ENVIRONMENT: &str = "\
Environment:
  SEED_SOURCE_PASS, SEED_TARGET_PASS   passwords of the accounts in --source and --target
  SEED_REPL_PASS                       password of the account that replicates";

#[derive(Debug, Clone, Copy, ValueEnum)]
enum MethodArgument {
    Auto,
    Clone,
    Dump,
}

/// Runs the command with the arguments and the environment of this process.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    match seed(&arguments) {
        Ok(code) => code,
        Err(what) => {
            let _ = writeln!(io::stderr(), "core-replica-seed: {what}");
            ExitCode::from(USAGE)
        }
    }
}

fn seed(arguments: &Arguments) -> Result<ExitCode, String> {
    let password = |key: &str| {
        std::env::var(key)
            .ok()
            .filter(|value| !value.is_empty() && !value.chars().any(|c| c.is_control() || c == '"'))
            .ok_or_else(|| format!("{key}: not set, or with a control character or a \" in it"))
    };
    let source_password = password("SEED_SOURCE_PASS")?;
    let target_password = password("SEED_TARGET_PASS")?;
    let repl_password = password("SEED_REPL_PASS")?;
    let address = |option: &str, url: &str| {
        direct_host(url, None).map_err(|error| format!("{option}: {}", error.what))
    };
    let source = address("--source", &arguments.source)?;
    let target = address("--target", &arguments.target)?;
    let scrub = Scrub::new(
        vec![
            source_password.clone(),
            target_password.clone(),
            repl_password.clone(),
        ],
        false,
    );
    let of_source = (source.user.clone(), source_password);
    let of_target = (target.user.clone(), target_password);
    let (names, servers) = (
        [source.name.clone(), target.name.clone()],
        (
            Server::new(source, vec![of_source.clone()], scrub.clone()),
            // Copied data brings the source's accounts along.
            Server::new(target, vec![of_target, of_source], scrub.clone()),
        ),
    );
    let wish = Wish {
        erase_target: arguments.erase_target.clone(),
        method: match arguments.method {
            MethodArgument::Auto => None,
            MethodArgument::Clone => Some(Method::Clone),
            MethodArgument::Dump => Some(Method::Dump),
        },
        discard_errant: arguments.discard_errant,
    };
    let mut telling = Telling {
        is_quiet: arguments.json,
        is_live: io::stdout().is_terminal(),
        shown_mib: 0,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    let mut seeding = Seeding::new(
        servers,
        wish,
        (arguments.repl_host.clone(), arguments.repl_port),
        (arguments.repl_user.clone(), repl_password),
        &mut telling,
    );
    let outcome = runtime.block_on(seeding.run());
    runtime.shutdown_background();
    let [source, target] = names;
    let (code, object, line) = match outcome {
        Ok((method, proof)) => (
            0,
            json!({"method": method, "proof": proof}),
            format!("{target} is a true copy of {source} and follows it"),
        ),
        Err(Stop::Refused(refusal)) => (
            REFUSED,
            json!({"refused": refusal.code, "error": refusal.what, "left": "untouched"}),
            format!("refused ({}): {}", refusal.code, refusal.what),
        ),
        Err(Stop::Failed(step, error)) => {
            let error = scrub.text(&error);
            let line = format!(
                "failed while {}: {error}\n{target} is left: {}",
                step.doing(),
                step.leaves()
            );
            (
                1,
                json!({"step": step.doing(), "error": error, "left": step.leaves()}),
                line,
            )
        }
    };
    telling.end(code, &source, &target, object, &line);
    Ok(ExitCode::from(code))
}

struct Telling {
    is_quiet: bool,
    is_live: bool,
    shown_mib: u64,
}

impl Telling {
    fn end(&self, code: u8, source: &str, target: &str, object: serde_json::Value, line: &str) {
        let mut output = io::stdout().lock();
        let _ = if self.is_quiet {
            let mut whole = json!({
                "schema": 1, "ok": code == 0, "exit_code": code, "source": source, "target": target,
                "method": null, "step": null, "refused": null, "error": null, "left": null, "proof": null,
            });
            if let (Some(whole), serde_json::Value::Object(fields)) =
                (whole.as_object_mut(), object)
            {
                whole.extend(fields);
            }
            writeln!(output, "{whole}")
        } else {
            writeln!(output, "{line}")
        };
    }
}

impl Progress for Telling {
    fn step(&mut self, step: Step, method: Option<Method>) {
        if !self.is_quiet {
            let how = match (step, method) {
                (Step::Copy, Some(Method::Clone)) => " by clone",
                (Step::Copy, Some(Method::Dump)) => " by dump",
                _ => "",
            };
            let _ = writeln!(io::stdout(), "{}{how}", step.doing());
        }
    }

    fn bytes(&mut self, bytes: u64) {
        let mib = bytes / (1024 * 1024);
        if !self.is_quiet && self.is_live && mib > self.shown_mib {
            self.shown_mib = mib;
            let _ = write!(io::stdout(), "\r\x1b[2K  {mib} MiB\r");
            let _ = io::stdout().flush();
        }
    }
}
