//! Verifiers of other people and languages, on a token that a running Core really issued.

use std::process::{Command, Output};

use super::{Bench, Result};
use crate::process::answer_of;
use crate::services::{CORE, Client, Core, Watch, build};
use crate::stop::{Outcome, Stop, failed};

/// An audience that no token here has.
const OTHER_AUDIENCE: &str = "00000000-0000-4000-8000-000000000000";

/// The peer accepts the token, and refuses it for another audience with `refusal`.
pub(super) fn verifies_a_real_token(
    bench: &Bench<'_>,
    peer: Command,
    refusal: &str,
) -> Outcome<Result> {
    let [core] = build([CORE], bench.workspace, bench.terminal, bench.interrupt)?;
    let folder =
        tempfile::tempdir().map_err(|error| failed("cannot make a temporary folder", error))?;
    let core = Core::start(
        &core,
        &folder.path().join("core"),
        &Client::new(),
        &Watch::default(),
    )?;
    let token = core.admin_token()?;
    let jwks_url = format!("{}/.well-known/jwks.json", core.service.url());
    let mut peer = Peer {
        command: peer,
        jwks_url,
        issuer: core.service.url().to_owned(),
    };

    let accepted = peer.verify(&core.app_id, &token)?;
    if !accepted.status.success() {
        return Err(Stop::because(format!(
            "the peer refused a good token: {}",
            said(&accepted)
        )));
    }
    let refused = peer.verify(OTHER_AUDIENCE, &token)?;
    if refused.status.code() != Some(1) || said(&refused) != refusal {
        let reason = format!(
            "the peer did not refuse a wrong audience with {refusal}: {}",
            said(&refused)
        );
        return Err(Stop::because(reason));
    }
    core.service.stop()?;
    Ok(Result::passed(format!(
        "accepts a real token, refuses a wrong audience ({refusal})"
    )))
}

struct Peer {
    command: Command,
    jwks_url: String,
    issuer: String,
}

impl Peer {
    fn verify(&mut self, audience: &str, token: &str) -> Outcome<Output> {
        let mut command = Command::new(self.command.get_program());
        command
            .args(self.command.get_args())
            .args([&self.jwks_url, &self.issuer, audience]);
        answer_of("outside verifier", command, &format!("{token}\n"))
    }
}

/// What it printed, or what it complained of; neither holds the token.
fn said(output: &Output) -> String {
    let printed = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if printed.is_empty() {
        String::from_utf8_lossy(&output.stderr).trim().to_owned()
    } else {
        printed
    }
}
