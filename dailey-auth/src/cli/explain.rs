//! `dailey-auth explain`: says every check in order, and what to do about the first that failed.

use serde::Serialize;

use super::arguments::ExplainArguments;
use super::checks::{Check, Status};
use super::judgement::Judgement;
use super::report::{self, Ink};
use super::settings::Settings;
use super::verify::{Refusal, advice, headline, tell_reason};
use super::{End, Failure, print, token};

pub(super) fn run(arguments: &ExplainArguments) -> Result<End, Failure> {
    let settings = Settings::read(&arguments.judging)?;
    let token = token::read()?;
    let judgement = Judgement::of(&token, &settings)?;
    if arguments.json {
        print(&format!("{}\n", json(&judgement, arguments.show_claims)))?;
        tell_reason(&judgement);
    } else {
        print(&text(&judgement, &token, &settings, arguments.show_claims))?;
    }
    Ok(judgement.end())
}

/// A check as JSON.
#[derive(Serialize)]
struct Row {
    check: &'static str,
    status: &'static str,
}

fn rows(judgement: &Judgement) -> impl Iterator<Item = (Check, Status)> {
    let failed = Check::that_failed(&judgement.examination);
    Check::ALL
        .into_iter()
        .map(move |check| (check, check.status(failed)))
}

/// What `verify --json` prints, with the checks; claims only where they are to be shown.
fn json(judgement: &Judgement, show_claims: bool) -> String {
    let claims = judgement
        .claims_json()
        .filter(|_| show_claims)
        .map_or_else(|| "null".to_owned(), report::one_line_json);
    let checks: Vec<Row> = rows(judgement)
        .map(|(check, status)| Row {
            check: check.as_str(),
            status: status.as_str(),
        })
        .collect();
    let checks = report::to_json(&checks);
    match judgement.error() {
        None => format!(r#"{{"valid":true,"claims":{claims},"checks":{checks}}}"#),
        Some(error) => {
            let refusal = report::to_json(&Refusal::from(error));
            let open = refusal.strip_suffix('}').unwrap_or_default();
            if show_claims {
                format!(r#"{open},"claims":{claims},"checks":{checks}}}"#)
            } else {
                format!(r#"{open},"checks":{checks}}}"#)
            }
        }
    }
}

fn text(judgement: &Judgement, token: &str, settings: &Settings, show_claims: bool) -> String {
    let ink = Ink::for_stdout();
    let mut text = String::new();
    for (check, status) in rows(judgement) {
        let name = check.as_str().replace('_', " ");
        let line = match status {
            Status::Passed => {
                let detail = detail(check, judgement, token, settings)
                    .map(|detail| format!(" ({detail})"))
                    .unwrap_or_default();
                format!(
                    "{} {name:<15} {}{}",
                    ink.good("✓"),
                    check.rule(),
                    ink.dim(&detail)
                )
            }
            Status::Failed => {
                let name = ink.bold(&format!("{name:<15}"));
                format!("{} {name} {}", ink.bad("✗"), check.rule())
            }
            Status::NotReached => ink.dim(&format!("· {name:<15} not reached")),
        };
        text.push_str(&line);
        text.push('\n');
    }
    text.push('\n');
    text.push_str(&headline(judgement, ink));
    text.push_str(&advice(judgement, token, settings));
    if show_claims {
        text.push('\n');
        match judgement.claims_json() {
            Some(claims) => {
                text.push_str("claims:\n");
                text.push_str(&report::spread_json(claims));
                text.push('\n');
            }
            None => text.push_str(
                "claims: not shown, since nobody knows who wrote them (the signature is not verified)\n",
            ),
        }
    }
    text
}

/// What a check that passed has seen; nothing of the claims but their times.
fn detail(check: Check, judgement: &Judgement, token: &str, settings: &Settings) -> Option<String> {
    let claims = judgement.examination.claims.as_ref();
    let now = report::seconds(settings.now());
    let time = |date: crate::NumericDate| report::relative(date.as_secs_f64() - now);
    match check {
        Check::Size => Some(format!("{} bytes", token.len())),
        Check::KeyId => judgement.examination.kid.as_deref().map(report::harmless),
        Check::Issuer => Some(report::harmless(settings.issuer())),
        Check::Audience => claims?
            .audiences()
            .find(|one| settings.audiences().iter().any(|own| own == one))
            .map(report::harmless),
        Check::Expiry => {
            let expires_at = claims?.expires_at();
            let only_by_leeway = expires_at.as_secs_f64() <= now;
            let (verb, by) = if only_by_leeway {
                ("expired", ", within the leeway")
            } else {
                ("expires", "")
            };
            Some(format!("{verb} {}{by}", time(expires_at)))
        }
        Check::NotBefore => claims?.not_before().map(time),
        Check::IssuedAt => Some(format!("issued {}", time(claims?.issued_at()))),
        Check::Lifetime => {
            let claims = claims?;
            let lifetime = claims.expires_at().as_secs_f64() - claims.issued_at().as_secs_f64();
            Some(report::spoken(lifetime))
        }
        _ => None,
    }
}
