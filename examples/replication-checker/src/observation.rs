//! Answers of a server read into what is known of it. Everything that could not be read says why.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use crate::gtid::GtidSet;
use crate::replica_status::ReplicaStatus;
use crate::row::Row;
use crate::statements::{Answer, Answers, Question};

/// The oldest server whose statements and columns have today's names.
const OLDEST_VERSION: [u64; 3] = [8, 0, 22];

/// Something that was read, or why it was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading<T> {
    /// It was read.
    Known(T),
    /// It was not, for this reason.
    Unknown(String),
}

impl<T> Reading<T> {
    /// What was read.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown(_) => None,
        }
    }

    /// Why it was not read.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Known(_) => None,
            Self::Unknown(reason) => Some(reason),
        }
    }
}

/// One of the two hosts.
#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    /// Its name for people.
    pub name: String,
    /// What is known of it.
    pub contact: Contact,
}

/// Whether a host could be asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Contact {
    /// It, its sshd or its MySQL did not answer, or did not let us in.
    Unreachable(String),
    /// It answers, and is not a server that this program understands.
    Unsupported(String),
    /// It answered.
    Observed(Box<Observed>),
}

/// What a server said.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// `9.7.4`.
    pub version: String,
    /// `server_id`.
    pub server_id: Option<u64>,
    /// `server_uuid`.
    pub server_uuid: Option<String>,
    /// `gtid_executed`.
    pub executed: Option<GtidSet>,
    /// `gtid_purged`.
    pub purged: Option<GtidSet>,
    /// Its replication; none when it has none configured.
    pub replica_status: Reading<Option<ReplicaStatus>>,
    /// Configuration, by lower-case name.
    pub variables: Reading<BTreeMap<String, String>>,
    /// When its certificate ends; none when it has none.
    pub certificate_ends: Option<Timestamp>,
    /// The error of a worker of its applier.
    pub worker_error: Reading<Option<String>>,
    /// The age of each server's heartbeat row here, in microseconds; none when there is no such table.
    pub heartbeats: Option<Reading<BTreeMap<String, i64>>>,
    /// `server_uuid` of connected replicas.
    pub replicas: Reading<Vec<String>>,
    /// The binary log that is written now.
    pub binlog_file: Option<String>,
    /// Its clock less ours, in milliseconds.
    pub clock_offset_ms: Option<i64>,
}

impl Host {
    /// What it said, when it could be asked.
    pub fn observed(&self) -> Option<&Observed> {
        match &self.contact {
            Contact::Observed(observed) => Some(observed),
            Contact::Unreachable(_) | Contact::Unsupported(_) => None,
        }
    }
}

impl Observed {
    /// Its replication, when it was read and is configured.
    pub fn status(&self) -> Option<&ReplicaStatus> {
        self.replica_status.known().and_then(Option::as_ref)
    }

    /// A variable.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.known()?.get(name).map(String::as_str)
    }

    /// A variable that is on or off.
    pub fn switch(&self, name: &str) -> Option<bool> {
        match self.variable(name)?.to_ascii_uppercase().as_str() {
            "ON" | "1" => Some(true),
            "OFF" | "0" => Some(false),
            _ => None,
        }
    }
}

impl Contact {
    /// Reads the answers of a server whose last one, the clock, came at `now`.
    pub fn from_answers(answers: &Answers, now: Timestamp) -> Self {
        let Some(identity) = row(answers, Question::Version) else {
            return Self::Unreachable(match answers.get(&Question::Version) {
                Some(Answer::Refused(_, said)) => {
                    format!("the server refused to say its version: {said}")
                }
                _ => "the server did not say its version".to_owned(),
            });
        };
        let version = identity.text("version").unwrap_or_default().to_owned();
        if let Some(reason) = unsupported(&version) {
            return Self::Unsupported(reason);
        }
        let replica_status = match rows(answers, Question::ReplicaStatus) {
            Reading::Known([]) => Reading::Known(None),
            Reading::Known([row]) => match ReplicaStatus::from_row(row) {
                Ok(status) => Reading::Known(Some(status)),
                Err(error) => return Self::Unsupported(error.to_string()),
            },
            Reading::Known(_) => {
                return Self::Unsupported(
                    "it replicates through several channels, and one source is expected".to_owned(),
                );
            }
            Reading::Unknown(reason) => Reading::Unknown(reason),
        };
        let sets = row(answers, Question::GtidSets);
        let set = |name: &str| GtidSet::parse(sets?.text(name)?).ok();
        Self::Observed(Box::new(Observed {
            server_id: identity.number("server_id"),
            version,
            server_uuid: sets
                .and_then(|row| row.filled("server_uuid"))
                .map(str::to_owned),
            executed: set("executed"),
            purged: set("purged"),
            replica_status,
            variables: read(answers, Question::Variables, |rows| {
                rows.iter().filter_map(pair).collect()
            }),
            certificate_ends: row(answers, Question::Certificate)
                .and_then(|row| certificate_time(row.text("Value")?)),
            worker_error: read(answers, Question::Workers, |rows| {
                rows.first()
                    .and_then(|row| row.filled("message"))
                    .map(str::to_owned)
            }),
            heartbeats: answers.contains_key(&Question::Heartbeat).then(|| {
                read(answers, Question::Heartbeat, |rows| {
                    rows.iter()
                        .filter_map(|row| {
                            Some((row.text("server_uuid")?.to_owned(), row.number("age_us")?))
                        })
                        .collect()
                })
            }),
            replicas: read(answers, Question::Replicas, |rows| {
                rows.iter()
                    .filter_map(|row| row.text("Replica_UUID").map(str::to_owned))
                    .collect()
            }),
            binlog_file: row(answers, Question::BinaryLog)
                .and_then(|row| row.filled("File"))
                .map(str::to_owned),
            clock_offset_ms: clock(answers).map(|utc| utc.as_millisecond() - now.as_millisecond()),
        }))
    }
}

/// Differences of GTID sets, as the source (or, without it, the replica) worked them out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences {
    /// What the source has now.
    pub executed: Option<GtidSet>,
    /// What of it is in no binary log of its any more.
    pub purged: Option<GtidSet>,
    /// What the replica has not.
    pub missing: Option<GtidSet>,
    /// What the replica has and the source has not.
    pub errant: Option<GtidSet>,
    /// What the replica needs and no binary log has any more.
    pub purge_gap: Option<GtidSet>,
    /// What the replica has fetched and not applied.
    pub not_applied: Option<GtidSet>,
    /// Whether the replica has what its source had at an earlier run.
    pub has_awaited: Option<bool>,
}

impl Differences {
    /// Reads the answer; why not, when there is none.
    pub fn from_answers(answers: &Answers) -> Result<Self, String> {
        let row = match rows(answers, Question::Differences) {
            Reading::Known([row]) => row,
            Reading::Known(_) => return Err("the server answered without a row".to_owned()),
            Reading::Unknown(reason) => return Err(reason),
        };
        let set = |name: &str| GtidSet::parse(row.text(name)?).ok();
        Ok(Self {
            executed: set("executed"),
            purged: set("purged"),
            missing: set("missing"),
            errant: set("errant"),
            purge_gap: set("purge_gap"),
            not_applied: set("not_applied"),
            has_awaited: row.number::<u8>("has_awaited").map(|value| value != 0),
        })
    }
}

fn rows(answers: &Answers, question: Question) -> Reading<&[Row]> {
    match answers.get(&question) {
        Some(Answer::Rows(rows)) => Reading::Known(rows),
        Some(Answer::Refused(number, said)) => Reading::Unknown(match number {
            // 1142, 1227: no privilege; 1146, 1049: no such table or schema.
            Some(1142 | 1227) => format!("not granted: {said}"),
            _ => said.clone(),
        }),
        None => Reading::Unknown("the server did not answer".to_owned()),
    }
}

fn row(answers: &Answers, question: Question) -> Option<&Row> {
    match rows(answers, question) {
        Reading::Known(rows) => rows.first(),
        Reading::Unknown(_) => None,
    }
}

fn read<T>(answers: &Answers, question: Question, of: impl FnOnce(&[Row]) -> T) -> Reading<T> {
    match rows(answers, question) {
        Reading::Known(rows) => Reading::Known(of(rows)),
        Reading::Unknown(reason) => Reading::Unknown(reason),
    }
}

fn pair(row: &Row) -> Option<(String, String)> {
    let name = row.text("name")?.to_ascii_lowercase();
    Some((name, row.text("value").unwrap_or_default().to_owned()))
}

fn clock(answers: &Answers) -> Option<Timestamp> {
    let text = row(answers, Question::Clock)?.text("utc")?;
    let time: DateTime = text.parse().ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// `Nov 20 11:39:28 2036 GMT`, with two spaces before a one-digit day.
fn certificate_time(text: &str) -> Option<Timestamp> {
    let words: Vec<&str> = text.trim_end_matches("GMT").split_whitespace().collect();
    let time = strtime::parse("%b %d %H:%M:%S %Y", words.join(" "))
        .ok()?
        .to_datetime()
        .ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// The numbers of `9.7.4-2`.
pub(crate) fn version_numbers(version: &str) -> Option<[u64; 3]> {
    let plain = version.split(['-', '+', ' ']).next()?;
    let mut parts = plain.split('.').map(|part| part.parse().ok());
    Some([parts.next()??, parts.next()??, parts.next()??])
}

/// Why a server of this version is not understood.
fn unsupported(version: &str) -> Option<String> {
    if version.contains("MariaDB") {
        return Some(format!(
            "it is MariaDB ({version}), whose replication this program does not know"
        ));
    }
    match version_numbers(version) {
        Some(numbers) if numbers >= OLDEST_VERSION => None,
        _ => Some(format!("it is MySQL {version}; 8.0.22 or newer is needed")),
    }
}
