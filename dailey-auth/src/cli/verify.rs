//! `dailey-auth verify`: says the verdict.

use serde::Serialize;

use crate::error::VerifyError;

use super::arguments::VerifyArguments;
use super::judgement::Judgement;
use super::report::{self, Ink};
use super::settings::Settings;
use super::{End, Failure, complain, print, token};

pub(super) fn run(arguments: &VerifyArguments) -> Result<End, Failure> {
    let settings = Settings::read(&arguments.judging)?;
    let token = token::read()?;
    let judgement = Judgement::of(&token, &settings)?;
    if arguments.json {
        print(&format!("{}\n", verdict_json(&judgement)))?;
        tell_reason(&judgement);
    } else {
        let ink = Ink::for_stdout();
        let mut text = headline(&judgement, ink);
        text.push_str(&match judgement.error() {
            None => accepted(&judgement, &settings, ink),
            Some(_) => advice(&judgement, &token, &settings),
        });
        print(&text)?;
    }
    Ok(judgement.end())
}

/// The stable JSON of a verdict.
fn verdict_json(judgement: &Judgement) -> String {
    match judgement.error() {
        None => format!(
            r#"{{"valid":true,"claims":{}}}"#,
            report::one_line_json(judgement.claims_json().unwrap_or("null"))
        ),
        Some(error) => report::to_json(&Refusal::from(error)),
    }
}

/// A refusal as JSON, in the order of its members.
#[derive(Serialize)]
pub(super) struct Refusal {
    valid: bool,
    code: &'static str,
    claim: Option<&'static str>,
    hint: &'static str,
}

impl From<VerifyError> for Refusal {
    fn from(error: VerifyError) -> Self {
        Self {
            valid: false,
            code: error.code(),
            claim: error.claim(),
            hint: error.hint(),
        }
    }
}

/// Says on standard error why the keys could not be had: the JSON has no place for it.
pub(super) fn tell_reason(judgement: &Judgement) {
    if let Some(reason) = judgement.keys_problem() {
        complain(reason);
    }
}

/// The verdict in a line.
pub(super) fn headline(judgement: &Judgement, ink: Ink) -> String {
    match judgement.error() {
        None => format!("{}\n", ink.good("✓ accepted")),
        Some(error @ VerifyError::Rejected(_)) => {
            format!("{}\n", ink.bad(&format!("✗ refused: {}", error.code())))
        }
        Some(error @ VerifyError::Unavailable(_)) => {
            format!(
                "{}\n",
                ink.bad(&format!("? cannot decide: {}", error.code()))
            )
        }
    }
}

/// What is wrong with a token that is not accepted, and what to do.
pub(super) fn advice(judgement: &Judgement, token: &str, settings: &Settings) -> String {
    let Some(error) = judgement.error() else {
        return String::new();
    };
    let mut lines = vec![report::without_hint(error)];
    lines.extend(judgement.keys_problem().map(report::harmless));
    lines.extend(report::distance(judgement, settings));
    match error.code() {
        "token_malformed" => lines.extend(token::slip(token).map(str::to_owned)),
        "issuer_mismatch" => {
            lines.push(format!(
                "accepted issuer: {}",
                report::harmless(settings.issuer())
            ));
        }
        "audience_mismatch" => lines.push(format!(
            "accepted audiences: {}",
            report::harmless(&settings.audiences().join(", "))
        )),
        "kid_unknown" => lines.push(report::kids(judgement)),
        _ => {}
    }
    if let Some(key) = judgement.skipped_key() {
        lines.push(format!(
            "the set has a key of that id, but it is refused: {} (see `dailey-auth jwks inspect`)",
            key.reason()
        ));
    }
    lines.push(format!("→ {}", error.hint()));
    report::indented(&lines)
}

/// What can be said of an accepted token without telling its claims.
fn accepted(judgement: &Judgement, settings: &Settings, ink: Ink) -> String {
    let Some(claims) = &judgement.examination.claims else {
        return String::new();
    };
    let audience = claims
        .audiences()
        .find(|one| settings.audiences().iter().any(|own| own == one))
        .unwrap_or_default();
    let now = report::seconds(settings.now());
    let mut rows = vec![
        ("issuer", report::harmless(claims.issuer())),
        ("audience", report::harmless(audience)),
        (
            "key",
            report::harmless(judgement.examination.kid.as_deref().unwrap_or_default()),
        ),
        (
            "issued",
            report::relative(claims.issued_at().as_secs_f64() - now),
        ),
        (
            "expires",
            report::relative(claims.expires_at().as_secs_f64() - now),
        ),
    ];
    if let Some(not_before) = claims.not_before() {
        let begins = report::relative(not_before.as_secs_f64() - now);
        rows.push(("begins", begins));
    }
    let lines: Vec<String> = rows
        .iter()
        .map(|(name, value)| format!("{} {value}", ink.dim(&format!("{name:<9}"))))
        .collect();
    report::indented(&lines)
}
