//! The command `dailey-auth`: what a verifier says of a token, and why; what a key set is worth.
//!
//! | file | job |
//! | --- | --- |
//! | `arguments` | the command line, and refusing a wrong one without repeating it |
//! | `settings` | flags before environment, made into a verifier |
//! | `token` | the token, from standard input alone |
//! | `document` | one look at a key set document |
//! | `judgement` | the verdict, and what led to it |
//! | `verify` | says the verdict |
//! | `checks` | the checks in order, and which one a refusal comes from |
//! | `explain` | says every check |
//! | `inspect` | says what each key of a set is worth |
//! | `report` | text and JSON that drive no terminal; colour |
//!
//! No rule on tokens or keys is here: verdicts are the verifier's own, and what becomes of a key
//! is the key set's own word.

mod arguments;
mod checks;
mod document;
mod explain;
mod inspect;
mod judgement;
mod report;
mod settings;
mod token;
mod verify;

use std::io::Write as _;
use std::process::ExitCode;

use crate::error::ConfigError;

use arguments::{Arguments, Command, JwksCommand};

/// How the command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The token is accepted; the key set has a usable key.
    Accepted,
    /// The token is refused; no key of the set is usable.
    Refused,
    /// Nobody can say: the keys cannot be had.
    CannotDecide,
    /// The command line or a setting is wrong (`EX_USAGE` of sysexits.h).
    Usage,
}

impl From<End> for ExitCode {
    fn from(end: End) -> Self {
        Self::from(match end {
            End::Accepted => 0,
            End::Refused => 1,
            End::CannotDecide => 2,
            End::Usage => 64,
        })
    }
}

/// Something to be said on standard error in place of a result.
struct Failure {
    end: End,
    reason: String,
}

impl Failure {
    fn usage(reason: impl Into<String>) -> Self {
        Self {
            end: End::Usage,
            reason: reason.into(),
        }
    }

    fn cannot_decide(reason: impl Into<String>) -> Self {
        Self {
            end: End::CannotDecide,
            reason: reason.into(),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(error.to_string())
    }
}

/// Runs the command of this process.
pub fn run() -> ExitCode {
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(end) => return end.into(),
    };
    let done = match arguments.command {
        Command::Verify(verify) => verify::run(&verify),
        Command::Explain(explain) => explain::run(&explain),
        Command::Jwks(JwksCommand::Inspect(inspect)) => inspect::run(&inspect),
    };
    let end = done.unwrap_or_else(|failure| {
        complain(&failure.reason);
        failure.end
    });
    end.into()
}

/// One line on standard error. When nobody can read it, there is nobody to tell.
fn complain(reason: &str) {
    let _ = writeln!(
        std::io::stderr(),
        "dailey-auth: {}",
        report::harmless(reason)
    );
}

/// Writes a result, whole. Who has closed our output does not want to read it; the exit code
/// still says it.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(
            Failure::cannot_decide(format!("the result cannot be written: {error}")),
        ),
        _ => Ok(()),
    }
}
