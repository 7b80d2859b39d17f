//! Six tokens that DMAPI must refuse, each for its own reason. One Core really issued, for another
//! app; the others are forged, all but one with Core's true key, so that only the one thing is wrong.

use std::time::{SystemTime, UNIX_EPOCH};

use dailey_auth::testing::{SigningKey, TokenBuilder};

use super::report::Report;
use super::{Stage, USER_EMAIL};
use crate::stop::{Outcome, Stop, failed};

/// How long ago the expired token expired; far beyond the leeway.
const EXPIRED_AGO_SECONDS: i64 = 600;

struct Refusal {
    name: &'static str,
    code: &'static str,
    why: &'static str,
    token: String,
}

/// The steps. A token that is not refused as it should be is shown and does not keep the next from it.
pub(super) fn show(stage: &Stage<'_>, report: &mut Report<'_>) -> Outcome<()> {
    report.chapter("Six tokens that DMAPI refuses, each for its own reason");
    let refusals = report.step_with("make six tokens", |_| {
        let proof = "one from Core, for its second app; five made with Core's key file at hand";
        refusals(stage).map(|refusals| (refusals, proof.to_owned()))
    })?;
    for refusal in refusals {
        let shown = report.step(refusal.name, || {
            let answer = stage
                .client
                .get(&stage.media.at("/api/auth/validate"), Some(&refusal.token))?;
            let code = answer.code();
            if answer.status != 401 || code != refusal.code {
                let (status, expected) = (answer.status, refusal.code);
                return Err(Stop::because(format!(
                    "expected 401 {expected}, but the answer is {status} {code}"
                )));
            }
            Ok(format!("401 {code:<22} {}", refusal.why))
        });
        match shown {
            // A service that died is a reason to end; another code is not.
            Err(Stop::Failed(_)) => stage.watch.check()?,
            other => other?,
        }
    }
    Ok(())
}

fn refusals(stage: &Stage<'_>) -> Outcome<Vec<Refusal>> {
    let (issuer, kid) = (stage.core.service.url(), stage.core.kid.as_str());
    let true_key = SigningKey::from_pem(&stage.core.signing_key_pem()?)
        .map_err(|error| failed("Core's signing key cannot be used", error))?;
    let other_key = SigningKey::generate();
    let valid = || TokenBuilder::new(issuer, &stage.app_id).header("kid", kid);
    let now = now()?;
    Ok(vec![
        Refusal {
            name: "from another issuer",
            code: "issuer_mismatch",
            why: "signed with Core's true key, but `iss` names someone else",
            token: TokenBuilder::new("https://core.example.com", &stage.app_id)
                .header("kid", kid)
                .sign(&true_key),
        },
        Refusal {
            name: "for another app",
            code: "audience_mismatch",
            why: "a real token of the same user, which Core issued for the second app",
            token: stage
                .core
                .log_in(&stage.other_app_id, USER_EMAIL, &stage.user.password)?,
        },
        Refusal {
            name: "too old",
            code: "expired",
            why: "signed with Core's true key, expired ten minutes ago",
            token: valid()
                .issued_at(now - 2 * EXPIRED_AGO_SECONDS)
                .expires_at(now - EXPIRED_AGO_SECONDS)
                .sign(&true_key),
        },
        Refusal {
            name: "signed by another key",
            code: "signature_invalid",
            why: "names Core's kid, but was signed with a key of its own",
            token: valid().sign(&other_key),
        },
        Refusal {
            name: "without an algorithm",
            code: "algorithm_not_allowed",
            why: "`alg` is `none`: refused before any key is looked at",
            token: valid().header("alg", "none").sign(&true_key),
        },
        Refusal {
            name: "not an access token",
            code: "type_not_allowed",
            why: "signed with Core's true key, but `typ` is `JWT`, not `at+jwt`",
            token: valid().header("typ", "JWT").sign(&true_key),
        },
    ])
}

fn now() -> Outcome<i64> {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_secs()).ok())
        .ok_or_else(|| Stop::because("the clock of this machine is set before 1970"))
}
