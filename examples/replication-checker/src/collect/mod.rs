//! Asks the two servers: in rounds, each with a deadline. The replica's set is read before the source is
//! asked what is in it, so that nothing that is on its way counts as errant.

mod direct;
mod ssh;

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use crate::gtid::GtidSet;
use crate::observation::{Contact, Differences, Host};
use crate::settings::{Settings, Targets};
use crate::statements::{self, Answers, Statement};
use crate::verdict::{History, Seeing, find_roles};

/// Longest that the first round may take; both hosts are asked at once.
const FIRST_ROUND: Duration = Duration::from_secs(15);

/// Longest that the second round may take.
const SECOND_ROUND: Duration = Duration::from_secs(10);

/// Longest that connecting may take.
const CONNECT: Duration = Duration::from_secs(5);

/// No run takes longer than this.
pub const HARD_DEADLINE: Duration = Duration::from_secs(30);

/// Everything that is to be known of the two. Rounds end sooner when the time of a run is shorter.
pub async fn see(settings: &Settings, history: &History, limit: Duration) -> Seeing {
    let now = Timestamp::now();
    let first = statements::first(settings.heartbeat.as_ref());
    let first_round = FIRST_ROUND.min(limit / 2);
    let (one, other) = tokio::join!(
        contact(settings, 0, &first, first_round),
        contact(settings, 1, &first, first_round)
    );
    let hosts = [
        Host {
            name: name(settings, 0),
            contact: one,
        },
        Host {
            name: name(settings, 1),
            contact: other,
        },
    ];
    let roles = find_roles(
        &hosts,
        history
            .memory()
            .and_then(|memory| memory.replica.as_deref()),
    );
    let second_round = SECOND_ROUND.min(limit / 3);
    let differences = differences(settings, &hosts, roles.primary, history, second_round).await;
    Seeing {
        hosts,
        roles,
        differences,
        expected_delay_s: settings.expected_delay_s,
        now,
    }
}

/// The hosts' names, in the order they are configured.
pub fn names(settings: &Settings) -> [String; 2] {
    [name(settings, 0), name(settings, 1)]
}

fn name(settings: &Settings, at: usize) -> String {
    match &settings.targets {
        Targets::Ssh(targets) => targets.hosts[at].name.clone(),
        Targets::Direct(hosts) => hosts[at].name.clone(),
    }
}

async fn contact(
    settings: &Settings,
    at: usize,
    statements: &[Statement],
    limit: Duration,
) -> Contact {
    match ask(settings, at, statements, limit).await {
        Ok((answers, now)) => Contact::from_answers(&answers, now),
        Err(detail) => Contact::Unreachable(detail),
    }
}

/// Asks one host, and says when the last answer had come.
async fn ask(
    settings: &Settings,
    at: usize,
    statements: &[Statement],
    limit: Duration,
) -> Result<(Answers, Timestamp), String> {
    let password = &settings.password;
    let answers = async {
        match &settings.targets {
            Targets::Ssh(targets) => ssh::ask(targets, at, password, statements).await,
            Targets::Direct(hosts) => direct::ask(&hosts[at], password, statements).await,
        }
    };
    match timeout(limit, answers).await {
        Ok(answers) => answers.map(|answers| (answers, Timestamp::now())),
        Err(_) => Err(format!("no answer within {} s", limit.as_secs())),
    }
}

async fn differences(
    settings: &Settings,
    hosts: &[Host; 2],
    primary: usize,
    history: &History,
    limit: Duration,
) -> Result<Differences, String> {
    let Some(replica) = hosts[1 - primary].observed() else {
        return Err("the replica could not be asked".to_owned());
    };
    // What the status and the variables say is read at two instants; the later one is the larger.
    let executed = replica
        .executed
        .as_ref()
        .ok_or("the replica's gtid_executed cannot be read")?;
    let empty = GtidSet::default();
    let retrieved = replica
        .status()
        .and_then(|status| status.retrieved.as_ref())
        .unwrap_or(&empty);
    let awaited = history
        .memory()
        .and_then(|memory| GtidSet::parse(&memory.awaited.as_ref()?.set).ok())
        .unwrap_or_default();
    let (at, statements) = if hosts[primary].observed().is_some() {
        (
            primary,
            statements::differences(executed, retrieved, &awaited),
        )
    } else {
        (
            1 - primary,
            statements::differences_without_source(executed, retrieved, &awaited),
        )
    };
    let (answers, _) = ask(settings, at, &statements, limit).await?;
    Differences::from_answers(&answers)
}
