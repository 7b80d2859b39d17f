//! The course of faults, one after the other: each made, named by the checker within some lines, mended, and gone from
//! its lines within some more. Fed with lines and the time; it waits for nothing and does nothing.

use std::fmt;
use std::time::{Duration, Instant};

use super::chance::{Chance, Deck};
use super::watcher::Line;
use super::wrong;
use crate::stop::Outcome;

/// Lines until a fault is named. What a line says was looked at when it began, so the first may be too early; a
/// connection that stalls is noticed after `replica_net_timeout`, 20 s.
const NAMED_WITHIN_LINES: u32 = 8;

/// Lines until all is well again: the replica tries its source every 10 s.
const WELL_WITHIN_LINES: u32 = 12;

/// So many lines running with an alarm that nobody made are wrong. Fewer may be true on a machine that has no time: who
/// does not answer for some seconds cannot be reached.
const FALSE_ALARMS: u32 = 4;

/// Longest time without any fault.
const PAUSE_MS: u64 = 4_000;

/// A fault of the replication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    FetchingStopped,
    ApplyingStopped,
    ReplicaKilled,
    RowBroken,
    ConnectionCut,
    ConnectionStalled,
    ReplicaWritable,
}

const FAULTS: [Fault; 7] = [
    Fault::FetchingStopped,
    Fault::RowBroken,
    Fault::ReplicaKilled,
    Fault::ConnectionCut,
    Fault::ApplyingStopped,
    Fault::ReplicaWritable,
    Fault::ConnectionStalled,
];

impl Fault {
    /// One of these must be said of it: a problem, or a problem and its host.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::FetchingStopped => &["io_stopped"],
            Self::ApplyingStopped | Self::RowBroken => &["sql_stopped"],
            Self::ReplicaKilled => &["host_unreachable@coredb2"],
            Self::ConnectionCut => &["io_connecting"],
            Self::ConnectionStalled => &["lag", "stale_data", "io_connecting"],
            Self::ReplicaWritable => &["both_writable", "replica_writable"],
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::FetchingStopped => "the replica stops fetching",
            Self::ApplyingStopped => "the replica stops applying",
            Self::ReplicaKilled => "kill -9 of the replica",
            Self::RowBroken => "a row that cannot be applied",
            Self::ConnectionCut => "no connection between the two",
            Self::ConnectionStalled => "nothing moves between the two",
            Self::ReplicaWritable => "the replica takes writes",
        })
    }
}

/// Where it stands; lines are counted from the last change.
#[derive(Clone, Copy)]
enum State {
    Well { next: Instant },
    Broken { fault: Fault, lines: u32 },
    Mended { fault: Fault, lines: u32 },
}

/// What a line means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Nothing,
    /// The fault is named and can be mended; in which line it was.
    Named(Fault, u32),
    /// It is gone.
    Gone(Fault, u32),
}

/// Where the faults stand.
pub(super) struct Faults {
    state: State,
    chance: Chance,
    deck: Deck<Fault>,
    /// Faults that were named and are gone.
    pub(super) named: u32,
    /// Until this many lines have come, an alarm may be an old one's.
    quiet: u32,
    /// Lines running with an alarm that nobody made.
    alarms: u32,
}

impl Faults {
    /// None yet, and none before this.
    pub(super) fn from(chance: Chance, next: Instant) -> Self {
        Self {
            state: State::Well { next },
            chance,
            deck: Deck::of(&FAULTS),
            named: 0,
            quiet: WELL_WITHIN_LINES,
            alarms: 0,
        }
    }

    /// The fault whose time has come; it is to be made.
    pub(super) fn due(&mut self, now: Instant) -> Option<Fault> {
        match self.state {
            State::Well { next } if now >= next => {
                let fault = self.deck.draw(&mut self.chance);
                self.state = State::Broken { fault, lines: 0 };
                Some(fault)
            }
            _ => None,
        }
    }

    /// Whether no fault is there or being mended.
    pub(super) fn is_well(&self) -> bool {
        matches!(self.state, State::Well { .. })
    }

    /// The primary was away: what is waited for is waited for anew, and alarms are nobody's fault for a while.
    pub(super) fn begin_anew(&mut self) {
        self.quiet = WELL_WITHIN_LINES;
        match &mut self.state {
            State::Well { .. } => {}
            State::Broken { lines, .. } | State::Mended { lines, .. } => *lines = 0,
        }
    }

    /// The checker's next line.
    pub(super) fn hear(&mut self, line: &Line, now: Instant) -> Outcome<Heard> {
        let is_ok = line.status == "ok";
        self.quiet = if is_ok {
            0
        } else {
            self.quiet.saturating_sub(1)
        };
        match &mut self.state {
            State::Well { .. } => {
                let is_alarm = line.is_critical && self.quiet == 0;
                self.alarms = if is_alarm { self.alarms + 1 } else { 0 };
                if self.alarms < FALSE_ALARMS {
                    return Ok(Heard::Nothing);
                }
                Err(wrong(format!(
                    "the checker says {:?}, and nothing was done to the replication",
                    line.problems
                )))
            }
            State::Broken { fault, lines } => {
                let (fault, line_number) = (*fault, *lines + 1);
                if fault.names().iter().any(|name| line.says(name)) {
                    self.state = State::Mended { fault, lines: 0 };
                    return Ok(Heard::Named(fault, line_number));
                }
                *lines = line_number;
                if line_number > NAMED_WITHIN_LINES {
                    return Err(wrong(format!(
                        "{fault} is not reported within {NAMED_WITHIN_LINES} lines; the last says {} {:?}",
                        line.status, line.problems
                    )));
                }
                Ok(Heard::Nothing)
            }
            State::Mended { fault, lines } => {
                let (fault, line_number) = (*fault, *lines + 1);
                if is_ok {
                    self.named += 1;
                    let next = now + Duration::from_millis(self.chance.below(PAUSE_MS));
                    self.state = State::Well { next };
                    return Ok(Heard::Gone(fault, line_number));
                }
                *lines = line_number;
                if line_number > WELL_WITHIN_LINES {
                    return Err(wrong(format!(
                        "{fault} was mended {WELL_WITHIN_LINES} lines ago, and the checker says {:?}",
                        line.problems
                    )));
                }
                Ok(Heard::Nothing)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(status: &str, problems: &[&str]) -> Line {
        Line {
            status: status.to_owned(),
            problems: problems.iter().map(|one| (*one).to_owned()).collect(),
            is_critical: status == "critical",
        }
    }

    fn broken(now: Instant) -> (Faults, Fault) {
        let mut faults = Faults::from(Chance::from(1), now);
        faults.hear(&line("ok", &[]), now).unwrap();
        let fault = faults.due(now).unwrap();
        assert!(faults.due(now).is_none(), "one after the other");
        (faults, fault)
    }

    #[test]
    fn a_fault_is_named_mended_and_gone_before_the_next() {
        let now = Instant::now();
        let (mut faults, fault) = broken(now);
        assert_eq!(faults.hear(&line("ok", &[]), now).unwrap(), Heard::Nothing);
        let named = line("critical", &[fault.names()[0]]);
        assert_eq!(faults.hear(&named, now).unwrap(), Heard::Named(fault, 2));
        // It is still said once.
        assert_eq!(faults.hear(&named, now).unwrap(), Heard::Nothing);
        assert!(!faults.is_well());
        assert_eq!(
            faults.hear(&line("ok", &[]), now).unwrap(),
            Heard::Gone(fault, 2)
        );
        assert!(faults.is_well() && faults.named == 1);
        assert!(faults.due(now + Duration::from_millis(PAUSE_MS)).is_some());
    }

    #[test]
    fn silence_about_a_fault_is_wrong_and_so_is_another_name() {
        let now = Instant::now();
        for said in [line("ok", &[]), line("critical", &["purge_gap@coredb2"])] {
            let (mut faults, _) = broken(now);
            for _ in 0..NAMED_WITHIN_LINES {
                faults.hear(&said, now).unwrap();
            }
            faults.hear(&said, now).unwrap_err();
        }
    }

    #[test]
    fn an_alarm_that_stays_is_wrong_and_so_is_one_that_nobody_made() {
        let now = Instant::now();
        let (mut faults, fault) = broken(now);
        let named = line("critical", &[fault.names()[0]]);
        faults.hear(&named, now).unwrap();
        for _ in 0..WELL_WITHIN_LINES {
            faults.hear(&named, now).unwrap();
        }
        faults.hear(&named, now).unwrap_err();

        let mut faults = Faults::from(Chance::from(1), now);
        faults.hear(&line("ok", &[]), now).unwrap();
        faults.begin_anew();
        faults.hear(&named, now).unwrap();
        for _ in 0..2 {
            faults.hear(&line("ok", &[]), now).unwrap();
            for _ in 1..FALSE_ALARMS {
                faults.hear(&named, now).unwrap();
            }
        }
        faults.hear(&named, now).unwrap_err();
    }
}
