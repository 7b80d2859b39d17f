//! From what was seen to a verdict: no network, no clock, no file. What was seen, the time and the memory
//! of earlier runs come in; problems, figures and the next memory go out.

mod configuration;
mod lag;
mod memory;
mod problem;
mod replication;
mod roles;

use std::collections::BTreeMap;

use jiff::Timestamp;

pub use lag::{LAG_WARNING_S, Lag, STALE_CRITICAL_S};
pub use memory::{Awaited, History, MEMORY_SCHEMA, Memory, Seen};
pub use problem::{Problem, ProblemId, Severity, Skipped};
pub use roles::{Roles, find as find_roles};

use crate::gtid::GtidSet;
use crate::observation::{Contact, Differences, Host, Observed};

/// Everything a verdict is made from.
#[derive(Debug, Clone)]
pub struct Seeing {
    /// The two hosts, in the order they are configured.
    pub hosts: [Host; 2],
    /// Who is who.
    pub roles: Roles,
    /// Differences of sets, or why there are none.
    pub differences: Result<Differences, String>,
    /// The delay that is announced, in seconds.
    pub expected_delay_s: u64,
    /// The time of this run.
    pub now: Timestamp,
}

/// What is to be said.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// Problems, the worst first.
    pub problems: Vec<Problem>,
    /// How long each of them has been seen, by its key.
    pub seen: BTreeMap<String, Seen>,
    /// Checks that were left out.
    pub skipped: Vec<Skipped>,
    /// How far behind the replica is.
    pub lag: Lag,
    /// For the next run.
    pub memory: Memory,
}

impl Verdict {
    /// The memory could not be written: the next process would compare with an older one, and might call well
    /// what stands still.
    pub fn cannot_be_kept(&mut self, host: &str, reason: &str) {
        let detail = format!("the state file cannot be written: {reason}");
        let problem = Problem::new(ProblemId::CheckIncomplete, host, detail);
        self.problems.push(problem);
        sort(&mut self.problems);
    }
}

/// The worst first.
fn sort(problems: &mut [Problem]) {
    problems.sort_by_key(|problem| (problem.severity, problem.id));
}

/// Problems and left-out checks as they are found.
#[derive(Debug, Default)]
struct Findings {
    problems: Vec<Problem>,
    skipped: Vec<Skipped>,
    /// Names of those that could be made with a grant or a table.
    degraded: Vec<String>,
}

impl Findings {
    fn add(&mut self, id: ProblemId, host: &str, detail: impl Into<String>) {
        self.problems.push(Problem::new(id, host, detail));
    }

    fn has(&self, id: ProblemId) -> bool {
        self.problems.iter().any(|problem| problem.id == id)
    }

    /// Left out because of something that is a problem by itself.
    fn skip(&mut self, check: &str, reason: impl Into<String>) {
        self.skipped.push(Skipped {
            check: check.to_owned(),
            reason: reason.into(),
        });
    }

    /// Left out for want of a grant or a table: worth knowing, not worth waking anybody.
    fn degrade(&mut self, check: &str, reason: impl Into<String>) {
        self.degraded.push(check.to_owned());
        self.skip(check, reason);
    }
}

impl Seeing {
    fn primary(&self) -> &Host {
        &self.hosts[self.roles.primary]
    }

    fn replica(&self) -> &Host {
        &self.hosts[self.roles.replica]
    }

    /// Both, when both could be asked.
    fn both(&self) -> Option<(&Observed, &Observed)> {
        Some((self.primary().observed()?, self.replica().observed()?))
    }
}

/// Judges.
pub fn judge(seeing: &Seeing, history: &History) -> Verdict {
    let mut findings = Findings::default();
    contacts(seeing, &mut findings);
    replication::judge(seeing, &mut findings);
    configuration::judge(seeing, &mut findings);
    let lag = lag::judge(seeing, history, &mut findings);
    if !findings.degraded.is_empty() || matches!(history, History::Begins(Some(_))) {
        degraded(seeing, history, &mut findings);
    }
    let Findings {
        mut problems,
        skipped,
        ..
    } = findings;
    soften(&mut problems, history);
    sort(&mut problems);
    let seen = seen(&problems, history, seeing.now);
    Verdict {
        memory: remember(seeing, history, &seen),
        problems,
        seen,
        skipped,
        lag,
    }
}

/// The worst of them; nothing when all is well, for what is only worth knowing is well.
pub fn worst(problems: &[Problem]) -> Option<Severity> {
    problems
        .iter()
        .map(|problem| problem.severity)
        .filter(|severity| *severity != Severity::Info)
        .min()
}

fn contacts(seeing: &Seeing, findings: &mut Findings) {
    for host in &seeing.hosts {
        match &host.contact {
            Contact::Observed(_) => {}
            Contact::Unreachable(detail) => {
                findings.add(ProblemId::HostUnreachable, &host.name, detail);
            }
            Contact::Unsupported(detail) => {
                findings.add(ProblemId::UnsupportedServer, &host.name, detail);
            }
        }
    }
}

fn degraded(seeing: &Seeing, history: &History, findings: &mut Findings) {
    let mut detail = String::new();
    if !findings.degraded.is_empty() {
        detail = format!("left out: {}", findings.degraded.join(", "));
    }
    if let History::Begins(Some(reason)) = history {
        if !detail.is_empty() {
            detail.push_str("; ");
        }
        detail.push_str(reason);
    }
    findings.add(ProblemId::CheckDegraded, &seeing.replica().name, detail);
}

/// What may pass by itself is less bad the first time it is seen.
fn soften(problems: &mut [Problem], history: &History) {
    for problem in problems {
        let first_time = match problem.id {
            ProblemId::IoConnecting => Severity::Warning,
            ProblemId::Lag => Severity::Info,
            _ => continue,
        };
        if !history.confirms(&problem.key()) {
            problem.severity = first_time;
        }
    }
}

fn seen(problems: &[Problem], history: &History, now: Timestamp) -> BTreeMap<String, Seen> {
    let before = |key: &str| history.memory().and_then(|memory| memory.problems.get(key));
    problems
        .iter()
        .map(|problem| {
            let key = problem.key();
            let seen = match before(&key) {
                Some(seen) => Seen {
                    since: seen.since,
                    runs: seen.runs.saturating_add(1),
                },
                None => Seen {
                    since: now,
                    runs: 1,
                },
            };
            (key, seen)
        })
        .collect()
}

fn remember(seeing: &Seeing, history: &History, seen: &BTreeMap<String, Seen>) -> Memory {
    let differences = seeing.differences.as_ref().ok();
    let executed = differences
        .and_then(|differences| differences.executed.as_ref())
        .or_else(|| seeing.primary().observed()?.executed.as_ref())
        .map(GtidSet::to_string);
    let before = history.memory();
    let has_awaited = differences.and_then(|differences| differences.has_awaited);
    let awaited = match before.and_then(|memory| memory.awaited.clone()) {
        // The replica has not got there yet, or nobody knows: it goes on being measured against it.
        Some(awaited) if has_awaited != Some(true) => Some(awaited),
        _ => executed.clone().map(|set| Awaited {
            set,
            at: seeing.now,
        }),
    };
    Memory {
        schema: MEMORY_SCHEMA,
        at: seeing.now,
        replica: seeing
            .roles
            .found
            .then(|| seeing.replica().name.clone())
            .or_else(|| before.and_then(|memory| memory.replica.clone())),
        primary_executed: executed,
        awaited,
        problems: seen.clone(),
    }
}
