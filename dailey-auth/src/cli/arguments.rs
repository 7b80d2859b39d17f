//! The command line. What is wrong with one is said without repeating any of it: a token that was
//! given as an argument by mistake must not end up in a log as well.

use std::error::Error as _;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Parser, Subcommand};

use crate::text::base64url;

use super::{End, complain};

/// Largest time that is taken: up to 2^53 every whole number is exact everywhere.
const LATEST: u64 = 1 << 53;

/// Says whether Core's access tokens are good, and why not; says what a key set is worth.
#[derive(Parser)]
#[command(name = "dailey-auth", version, after_help = MORE)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Verify the token on standard input.
    ///
    /// The verdict is the one that a service with the same settings gives. For people, none of the
    /// token's claims is printed but what the settings say already, and its times; `--json` prints
    /// the claims of an accepted token.
    #[command(after_help = VERIFY_MORE)]
    Verify(VerifyArguments),
    /// List every check of the token on standard input, in order, and what to do about the first that fails.
    ///
    /// The first failure is what `verify` says. Claims are shown only with `--show-claims` and only
    /// of a token whose signature is good; the signature is never shown.
    #[command(after_help = EXPLAIN_MORE)]
    Explain(ExplainArguments),
    /// Look at key sets (JWKS, RFC 7517).
    #[command(subcommand)]
    Jwks(JwksCommand),
}

#[derive(Subcommand)]
pub(super) enum JwksCommand {
    /// Show each key, its RFC 7638 thumbprint, and whether it is used or why not.
    #[command(after_help = INSPECT_MORE)]
    Inspect(InspectArguments),
}

#[derive(Args)]
pub(super) struct VerifyArguments {
    #[command(flatten)]
    pub(super) judging: JudgingArguments,
    /// Print JSON: {"valid":true,"claims":…} or {"valid":false,"code":…,"claim":…,"hint":…}
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args)]
pub(super) struct ExplainArguments {
    #[command(flatten)]
    pub(super) judging: JudgingArguments,
    /// Print JSON: what `verify --json` prints, and the list "checks"; "claims" is null without --show-claims
    #[arg(long)]
    pub(super) json: bool,
    /// Show the claims of a token whose signature is good, accepted or not
    #[arg(long)]
    pub(super) show_claims: bool,
}

/// What a token is held against.
#[derive(Args)]
pub(super) struct JudgingArguments {
    /// Where the issuer's keys are: a file or an https address [default: `CORE_JWKS_URL`, see below]
    #[arg(long, value_name = "FILE|URL")]
    pub(super) jwks: Option<OsString>,
    /// The exact `iss` of the tokens [default: `JWT_ISSUER`]
    #[arg(long)]
    pub(super) issuer: Option<String>,
    /// Accepted `aud`, one or more [default: `CORE_APP_ID` or `CORE_AUDIENCE`]
    #[arg(long, num_args = 1..)]
    pub(super) audience: Vec<String>,
    /// Verify as of this time, in seconds since 1970 [default: now]
    #[arg(long, value_name = "UNIX_SECONDS", value_parser = time)]
    pub(super) at: Option<u64>,
    /// How far clocks may differ, 0 to 300 [default: 30]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(super) leeway: Option<u64>,
    /// Accepted `typ`, one or more [default: at+jwt]
    #[arg(long = "type", value_name = "TYPE", num_args = 1..)]
    pub(super) types: Vec<String>,
    /// Allow plain http to a literal loopback address (127.0.0.1), as `DAILEY_ENV=development` does
    #[arg(long)]
    pub(super) allow_loopback_http: bool,
}

#[derive(Args)]
pub(super) struct InspectArguments {
    /// A file or an https address
    #[arg(value_name = "FILE|URL")]
    pub(super) place: OsString,
    /// Print JSON: {"usable":…,"error":…,"keys":[…]}
    #[arg(long)]
    pub(super) json: bool,
    /// Allow plain http to a literal loopback address (127.0.0.1), as `DAILEY_ENV=development` does
    #[arg(long)]
    pub(super) allow_loopback_http: bool,
}

const MORE: &str = "\
Examples:
  dailey-auth explain --issuer https://core.dailey.cloud --audience APP_ID < token.txt
  dailey-auth jwks inspect https://core.dailey.cloud/.well-known/jwks.json

A token is given on standard input, never as an argument: other programs of the machine can read
command lines.

Exit: 0 accepted, 1 refused, 2 cannot decide, 64 usage";

const VERIFY_MORE: &str = "\
Examples:
  dailey-auth verify --issuer https://core.dailey.cloud --audience APP_ID < token.txt
  printf %s \"$TOKEN\" | dailey-auth verify --jwks keys.json --json    # with the service's environment

The token is standard input as it stands; one newline at its end is taken off, nothing else.

Environment, where no flag says it (as in the services):
  JWT_ISSUER                     exact issuer
  CORE_APP_ID or CORE_AUDIENCE   audiences, separated by commas
  CORE_JWKS_URL                  address of the key set [default: DAILEY_CORE_URL, else the issuer, + /.well-known/jwks.json]
  DAILEY_ENV                     production [default] or development
The keys are fetched once and anew; JWKS_SNAPSHOT_FILE is neither read nor written.

Exit: 0 accepted, 1 refused, 2 cannot decide (the keys cannot be had), 64 usage";

const EXPLAIN_MORE: &str = "\
Examples:
  dailey-auth explain --issuer https://core.dailey.cloud --audience APP_ID < token.txt
  dailey-auth explain --at 1800000000 --show-claims < token.txt    # as of the time of an incident

Settings and standard input are as for `dailey-auth verify --help`.

Exit: 0 accepted, 1 refused, 2 cannot decide (the keys cannot be had), 64 usage";

const INSPECT_MORE: &str = "\
Examples:
  dailey-auth jwks inspect https://core.dailey.cloud/.well-known/jwks.json
  dailey-auth jwks inspect keys.json --json

Exit: 0 a key is usable, 1 none is, 2 the set cannot be had or read, 64 usage";

/// What a command line with something unknown on it is told: that may be a token.
const NEVER_AN_ARGUMENT: &str = "a token is given on standard input, never as an argument: \
    dailey-auth verify < token.txt";

impl Arguments {
    /// Reads the command line, or says what is wrong with it or what was asked about it.
    pub(super) fn read() -> Result<Self, End> {
        let given: Vec<OsString> = std::env::args_os().collect();
        // Looked for before anything else: an option would swallow it.
        if given.iter().skip(1).any(holds_token) {
            complain("this is refused: a token was given as an argument");
            complain(NEVER_AN_ARGUMENT);
            complain(
                "whoever could see the command line has seen it; if others can, get a new one",
            );
            return Err(End::Usage);
        }
        Self::try_parse_from(given).map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                // Who has closed our output does not want to read it.
                let _ = error.print();
                End::Accepted
            }
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                let _ = error.print();
                End::Usage
            }
            kind => {
                complain(&problem(&error));
                if matches!(
                    kind,
                    ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand
                ) {
                    complain(NEVER_AN_ARGUMENT);
                }
                complain("see `dailey-auth --help`, `dailey-auth verify --help`");
                End::Usage
            }
        })
    }
}

/// What is wrong, in words of ours and names of ours alone.
fn problem(error: &clap::Error) -> String {
    let name = || match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(name)) => name.clone(),
        Some(ContextValue::Strings(names)) => names.join(", "),
        _ => "an option".to_owned(),
    };
    let suggestion = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand]
        .into_iter()
        .find_map(|kind| match error.get(kind)? {
            ContextValue::String(one) => Some(one.clone()),
            ContextValue::Strings(several) => several.first().cloned(),
            _ => None,
        })
        .map(|one| format!("; is `{one}` meant?"))
        .unwrap_or_default();
    match error.kind() {
        // Here, clap's context holds what was given: none of it is said.
        ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand => {
            format!("an argument is not one that this command takes{suggestion}")
        }
        ErrorKind::MissingRequiredArgument => format!("{} is missing", name()),
        ErrorKind::MissingSubcommand => "a command is missing".to_owned(),
        ErrorKind::ArgumentConflict => format!("{} is given more than once", name()),
        ErrorKind::InvalidValue => format!("{} needs a value", name()),
        ErrorKind::ValueValidation => {
            // Our own parsers' words, which hold nothing of the value.
            let expected = error.source().map(ToString::to_string);
            format!("{}: {}", name(), expected.unwrap_or_default())
        }
        ErrorKind::InvalidUtf8 => "an argument is not UTF-8".to_owned(),
        _ => "the arguments do not fit this command".to_owned(),
    }
}

/// Whether something in an argument looks like a token, whatever is around it: a JSON object in
/// base64url, and a dot behind it.
fn holds_token(argument: &OsString) -> bool {
    let of_a_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    argument
        .to_string_lossy()
        .split(|c| !of_a_token(c))
        .filter_map(|text| text.split_once('.'))
        .any(|(header, _)| begins_an_object(header.trim_start_matches('-')))
}

/// Whether base64url text decodes to a brace and, behind it, white space and a quote.
fn begins_an_object(segment: &str) -> bool {
    let Some(start) = segment.get(..8).and_then(base64url::decode::<8>) else {
        return false;
    };
    let Some(inside) = start.trim_ascii_start().strip_prefix(b"{") else {
        return false;
    };
    matches!(inside.trim_ascii_start(), [] | [b'"', ..])
}

fn time(text: &str) -> Result<u64, &'static str> {
    number(text)
        .filter(|seconds| *seconds <= LATEST)
        .ok_or("give whole seconds since 1970-01-01T00:00:00Z")
}

fn seconds(text: &str) -> Result<u64, &'static str> {
    number(text).ok_or("give whole seconds, 0 to 300")
}

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_defined() {
        <Arguments as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn what_looks_like_a_token_is_found_wherever_it_stands() {
        for token in [
            "eyJhbGciOi.eyJpc3Mi.c2ln",
            "--token=eyJhbGciOi.eyJpc3Mi.c2ln",
            "bearer eyAiYWxnIjoi.eyJpc3Mi.c2ln",
            "x='ewogImFsZyI6.eyJpc3Mi.c2ln'",
            "IHsiYWxnIjoi.eyJpc3Mi",
            "https://core.example/?t=eyJhbGciOi.eyJpc3Mi.c2ln",
            "--eyJhbGciOi.eyJpc3Mi.c2ln",
            "Bearer eyJhbGciOi.eyJpc3Mi.c2ln",
            "\"eyJhbGciOi.eyJpc3Mi.c2ln\"",
        ] {
            assert!(holds_token(&token.into()), "{token}");
        }
        for other in [
            "--issuer=https://core.example",
            "keys.json",
            "eyJ",
            "verify",
        ] {
            assert!(!holds_token(&other.into()), "{other}");
        }
    }
}
