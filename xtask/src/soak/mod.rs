//! `cargo xtask soak`: a long load with accidents. What happens next is drawn here; what must be true is
//! `model`'s, how much a process may grow `growth`'s.

mod chance;
mod growth;
mod house;
mod model;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use self::chance::Chance;
use self::house::House;
use crate::services::Watch;
use crate::stop::{Interrupt, Outcome, Stop, failed};
use crate::terminal::{Terminal, spoken};
use crate::workspace::Workspace;

/// Of a thousand turns this many are accidents.
const ACCIDENTS: u64 = 8;

/// Runs it for so many minutes.
pub(crate) fn run(
    workspace: &Workspace,
    terminal: &Terminal,
    interrupt: &Interrupt,
    minutes: u32,
    seed: u64,
) -> ExitCode {
    let time = Duration::from_secs(u64::from(minutes) * 60);
    match soak(workspace, terminal, interrupt, time, seed) {
        Ok(said) => {
            terminal.line(&format!("{} {said}", terminal.good("✓")));
            ExitCode::SUCCESS
        }
        Err(stop) => {
            terminal.line(&format!("with --seed {seed}:"));
            stop.report(terminal)
        }
    }
}

/// The soak; what to say of it.
pub(crate) fn soak(
    workspace: &Workspace,
    terminal: &Terminal,
    interrupt: &Interrupt,
    time: Duration,
    seed: u64,
) -> Outcome<String> {
    let folder = tempfile::tempdir()
        .map_err(|error| failed("cannot make a temporary folder (TMPDIR says where)", error))?;
    let mut chance = Chance::from(seed);
    let watch = Watch::default();
    let mut house = House::start(workspace, terminal, interrupt, &watch, folder.path())?;
    let started = Instant::now();
    while started.elapsed() < time {
        interrupt.check()?;
        if chance.below(1000) < ACCIDENTS {
            house.accident(&mut chance)?;
        } else {
            house.turn(&mut chance)?;
        }
        terminal.progress(&format!("{} {}", spoken(started.elapsed()), house.counts()));
    }
    house.compare()?;
    house.stop()?;
    Ok(format!(
        "{} in {}",
        house.counts(),
        spoken(started.elapsed())
    ))
}

/// What must not be.
fn wrong(what: impl std::fmt::Display) -> Stop {
    Stop::because(format!("what must not be: {what}"))
}
