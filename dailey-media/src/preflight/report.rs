//! What came of the checks, for people and for programs.

use std::fmt::Write as _;
use std::time::Duration;

use dailey_auth::Environment;
use serde::Serialize;

use super::Outcome;

/// How the checks ended. Its JSON is `{"ok", "environment", "checks": [{"name", "status", "detail",
/// "hint", "ms"}]}`, each of them always there.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    ok: bool,
    environment: &'static str,
    checks: Vec<Check>,
}

/// How one check ended.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    name: &'static str,
    status: Status,
    detail: String,
    hint: Option<&'static str>,
    ms: u64,
    #[serde(skip)]
    unanswered: bool,
}

/// The word for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It holds.
    Ok,
    /// It does not.
    Failed,
    /// It was not tried.
    Skipped,
}

impl Check {
    pub(super) fn new(name: &'static str, outcome: Outcome, took: Duration) -> Self {
        let unanswered = matches!(outcome, Outcome::Unanswered { .. });
        let (status, detail, hint) = match outcome {
            Outcome::Proven(detail) => (Status::Ok, detail, None),
            Outcome::Failed { detail, hint } | Outcome::Unanswered { detail, hint } => {
                (Status::Failed, detail, Some(hint))
            }
            Outcome::Skipped(reason) => (Status::Skipped, reason.to_owned(), None),
        };
        Self {
            name,
            status,
            detail,
            hint,
            ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            unanswered,
        }
    }

    /// Whether nobody answered who could be judged.
    pub(super) fn is_unanswered(&self) -> bool {
        self.unanswered
    }

    /// Names another check as the one to look at, where this one had no answer.
    pub(super) fn look_at(&mut self, why: &str, hint: &'static str) {
        if self.unanswered {
            self.detail = format!("it cannot be tried: {why} ({})", self.detail);
            self.hint = Some(hint);
        }
    }

    /// Its name: a contract.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// How it ended.
    pub fn status(&self) -> Status {
        self.status
    }
}

impl Report {
    pub(super) fn new(environment: Environment, checks: Vec<Check>) -> Self {
        Self {
            ok: checks.iter().all(|check| check.status != Status::Failed),
            environment: environment.as_str(),
            checks,
        }
    }

    /// Whether no check failed.
    pub fn ok(&self) -> bool {
        self.ok
    }

    /// The checks, always the same ones in the same order.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// The report as one line of JSON.
    pub fn to_json(&self) -> String {
        // Texts, numbers and a flag: nothing that JSON cannot say.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The report as a table; `colour` for a terminal that wants it.
    pub fn to_table(&self, colour: bool) -> String {
        let paint = |text: &str, code: &str| {
            if colour {
                format!("\x1b[{code}m{text}\x1b[0m")
            } else {
                text.to_owned()
            }
        };
        let mut table = format!("preflight ({})\n", self.environment);
        for check in &self.checks {
            let sign = match check.status {
                Status::Ok => paint("✓", "32"),
                Status::Failed => paint("✗", "31"),
                Status::Skipped => paint("–", "33"),
            };
            let took = paint(&format!("{} ms", check.ms), "2");
            // Writing to a String does not fail.
            let _ = writeln!(
                table,
                "  {sign} {:<19} {}  {took}",
                check.name, check.detail
            );
            if let Some(hint) = check.hint {
                let _ = writeln!(table, "      → {hint}");
            }
        }
        let failed = self.checks.iter();
        let failed = failed
            .filter(|check| check.status == Status::Failed)
            .count();
        let _ = match failed {
            0 => writeln!(table, "{}", paint("nothing stands against a start", "32")),
            1 => writeln!(table, "{}", paint("1 check failed", "31")),
            many => writeln!(table, "{}", paint(&format!("{many} checks failed"), "31")),
        };
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::failed;

    fn report(outcome: Outcome) -> Report {
        let check = Check::new("port", outcome, Duration::from_millis(7));
        Report::new(Environment::Production, vec![check])
    }

    #[test]
    fn the_json_has_every_member_whatever_the_outcome() {
        let ok = r#"{"ok":true,"environment":"production","checks":[{"name":"port","status":"ok","detail":"d","hint":null,"ms":7}]}"#;
        assert_eq!(report(Outcome::Proven("d".into())).to_json(), ok);
        let failed = report(failed("d", "h"));
        let expected = r#"{"ok":false,"environment":"production","checks":[{"name":"port","status":"failed","detail":"d","hint":"h","ms":7}]}"#;
        assert_eq!(failed.to_json(), expected);
        assert!(
            report(Outcome::Skipped("d"))
                .to_json()
                .contains(r#""ok":true"#)
        );
    }

    #[test]
    fn the_table_says_what_to_do_and_is_plain_unless_asked() {
        let table = report(failed("taken", "free it")).to_table(false);
        assert_eq!(
            table,
            "preflight (production)\n  ✗ port                taken  7 ms\n      → free it\n1 check failed\n"
        );
        let colourful = report(Outcome::Proven("free".into())).to_table(true);
        assert!(colourful.contains("\u{1b}[32m✓\u{1b}[0m"), "{colourful}");
    }
}
