//! The signing key is exchanged while requests go on: published, activated, and the old one retired.
//! Every step is a command of Core's followed by SIGHUP, as an operator does it, only faster.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;

use super::Stage;
use super::report::Report;
use super::traffic::{Count, Traffic};
use crate::services::{text, until};
use crate::stop::{Outcome, Stop, failed};

/// How long a reload may take to be seen.
const RELOAD_DEADLINE: Duration = Duration::from_secs(15);

/// Requests that must be answered with both tokens in use, so that a refusal would be seen.
const REQUESTS_WITH_BOTH: usize = 200;

/// The steps, with a token of the old key at hand.
pub(super) fn show(stage: &mut Stage<'_>, report: &mut Report<'_>, old_token: &str) -> Outcome<()> {
    report.chapter("A key rotation while requests go on");
    let old_kid = stage.core.kid.clone();
    let validate = stage.media.at("/api/auth/validate");
    let traffic = Traffic::start(validate.clone(), old_token);

    let new_kid = report.step_with("generate and publish", |_| {
        let new_kid = text(&stage.core.command(&["keys", "generate", "--json"])?, "kid")?;
        stage
            .core
            .command(&["keys", "publish", &new_kid, "--json"])?;
        stage.core.service.reload()?;
        published(stage, &new_kid, Published::Yes)?;
        Ok((
            new_kid,
            "Core's key set now names two keys; still signing with the old one".to_owned(),
        ))
    })?;
    let new_token = report.step_with("activate", |_| {
        stage
            .core
            .command(&["keys", "activate", &new_kid, "--json"])?;
        stage.core.service.reload()?;
        let new_token = until(
            "signing with the new key",
            RELOAD_DEADLINE,
            stage.interrupt,
            || {
                let token = stage.log_in()?;
                Ok((kid(&token)? == new_kid).then_some(token))
            },
        )?;
        Ok((
            new_token,
            "a login now gives a token of the new key".to_owned(),
        ))
    })?;
    report.step("new key, no restart", || {
        stage.client.get(&validate, Some(&new_token))?.expect(200)?;
        Ok(
            "DMAPI met a kid it did not know, fetched the key set and accepted the token"
                .to_owned(),
        )
    })?;
    report.step("no request refused", || {
        let before = traffic.sent();
        traffic.add(&new_token);
        until("enough traffic", RELOAD_DEADLINE, stage.interrupt, || {
            stage.watch.check()?;
            Ok((traffic.sent() >= before + REQUESTS_WITH_BOTH).then_some(()))
        })?;
        let count = none_refused(traffic.stop())?;
        Ok(format!(
            "0 of {} requests refused since before the new key, with old and new tokens",
            count.sent
        ))
    })?;

    let traffic = Traffic::start(validate.clone(), &new_token);
    report.step("retire the old key", || {
        stage
            .core
            .command(&["keys", "retire", &old_kid, "--now", "--json"])?;
        stage.core.service.reload()?;
        published(stage, &old_kid, Published::No)?;
        stage.media.service.reload()?;
        let code = until(
            "the refusal of the old token",
            RELOAD_DEADLINE,
            stage.interrupt,
            || {
                let answer = stage.client.get(&validate, Some(old_token))?;
                Ok((answer.status != 200).then(|| format!("{} {}", answer.status, answer.code())))
            },
        )?;
        if code != "401 kid_unknown" {
            return Err(Stop::because(format!(
                "expected 401 kid_unknown, but the answer is {code}"
            )));
        }
        Ok(format!(
            "{code}: the old token is refused now (its traffic stopped before, by design)"
        ))
    })?;
    report.step("the new key goes on", || {
        let count = none_refused(traffic.stop())?;
        Ok(format!(
            "0 of {} requests refused during the retirement",
            count.sent
        ))
    })?;
    stage.core.kid = new_kid;
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Published {
    Yes,
    No,
}

fn published(stage: &Stage<'_>, kid: &str, wanted: Published) -> Outcome<()> {
    until(
        "the change of the published key set",
        RELOAD_DEADLINE,
        stage.interrupt,
        || {
            let there = stage.core.published_kids()?.iter().any(|one| one == kid);
            Ok((there == (wanted == Published::Yes)).then_some(()))
        },
    )
}

fn none_refused(count: Count) -> Outcome<Count> {
    match (&count.first_refusal, count.refused) {
        (None, 0) => Ok(count),
        (first, refused) => {
            let first = first.as_deref().unwrap_or("unknown");
            Err(Stop::because(format!(
                "{refused} of {} requests were refused, the first with {first}",
                count.sent
            )))
        }
    }
}

/// The key a token names in its header (RFC 7515 section 4.1.4).
fn kid(token: &str) -> Outcome<String> {
    let header = token.split('.').next().unwrap_or_default();
    let header = BASE64URL_NOPAD
        .decode(header.as_bytes())
        .map_err(|error| failed("Core's token has no base64url header", error))?;
    let header: Value = serde_json::from_slice(&header)
        .map_err(|error| failed("Core's token has no JSON header", error))?;
    text(&header, "kid")
}
