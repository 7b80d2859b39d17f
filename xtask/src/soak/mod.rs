//! `cargo xtask soak`: a long load with accidents on the whole house. What happens when is decided here.
//!
//! | module | job |
//! | --- | --- |
//! | `house` | everything that runs |
//! | `edge` | nginx with the deployed files |
//! | `watcher` | the replication checker and its lines |
//! | `load` | what users do, each in a thread of its own |
//! | `model` | what was acknowledged, and so must be there |
//! | `weather` | what is disturbed, and so may not answer |
//! | `accidents` | what happens to services, store and database |
//! | `faults` | which fault of the replication is next, and what the checker must say of it |
//! | `replication` | the two databases, and how a fault is made and mended |
//! | `growth` | how much a process may grow |
//! | `chance` | what is drawn |

mod accidents;
mod chance;
mod edge;
mod faults;
mod growth;
mod house;
mod load;
mod model;
mod replication;
mod watcher;
mod weather;

use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use self::chance::{Chance, Deck};
use self::growth::Growth;
use self::house::House;
use self::load::Load;
use self::weather::Weather;
use crate::services::{CHECKER, CORE, MEDIA, build};
use crate::setup;
use crate::stop::{Interrupt, Outcome, Stop, failed};
use crate::terminal::{Terminal, spoken};
use crate::workspace::Workspace;

/// Users at once.
const USERS: u64 = 3;

/// Longest time between the end of an accident and the next.
const PAUSE_MS: u64 = 3_000;

/// How often is looked at everything.
const LOOK: Duration = Duration::from_millis(100);

/// How long faults and their aftermath may take to be over in the end.
const END_WITHIN: Duration = Duration::from_secs(120);

/// Runs it for so many minutes.
pub(crate) fn run(
    workspace: &Workspace,
    terminal: &Terminal,
    interrupt: &Interrupt,
    minutes: u32,
    seed: u64,
) -> ExitCode {
    let time = Duration::from_secs(u64::from(minutes) * 60);
    terminal.line(&format!("seed {seed}, {minutes} min"));
    let say = |text: &str| terminal.line(&terminal.dim(text));
    match soak(workspace, terminal, interrupt, time, seed, &say) {
        Ok(said) => {
            terminal.line(&format!("{} {said}", terminal.good("✓")));
            ExitCode::SUCCESS
        }
        Err(stop) => {
            if matches!(stop, Stop::Failed(_)) {
                let again = format!("cargo xtask soak --minutes {minutes} --seed {seed}");
                terminal.line(&format!("the same order of events again: {again}"));
            }
            stop.report(terminal)
        }
    }
}

/// The soak; what to say of it. What happens is said as it happens, and after a failure the logs are kept.
pub(crate) fn soak(
    workspace: &Workspace,
    terminal: &Terminal,
    interrupt: &Interrupt,
    time: Duration,
    seed: u64,
    say: &dyn Fn(&str),
) -> Outcome<String> {
    setup::soak_parts()?;
    let programs = build([CORE, MEDIA, CHECKER], workspace, terminal, interrupt)?;
    let folder = tempfile::tempdir()
        .map_err(|error| failed("cannot make a temporary folder (TMPDIR says where)", error))?;
    let nginx = workspace.root().join("deploy/nginx");
    let begun = Instant::now();
    let weather = Weather::default();
    let faults = chance_of(seed, "replication");
    let house = House::start(
        &programs,
        &nginx,
        folder.path(),
        terminal,
        interrupt,
        &weather,
        faults,
    );
    let ended = house.and_then(|house| {
        say(&format!(
            "the house stands after {}",
            spoken(begun.elapsed())
        ));
        live(house, &weather, terminal, time, seed, say)
    });
    if let Err(Stop::Failed(failure)) = ended {
        let logs = folder.keep();
        let (reason, logs) = (failure.reason, logs.display());
        return Err(Stop::because(format!("{reason}\n      logs: {logs}")));
    }
    ended
}

/// From the first request to the last comparison.
fn live(
    mut house: House<'_>,
    weather: &Weather,
    terminal: &Terminal,
    time: Duration,
    seed: u64,
    say: &dyn Fn(&str),
) -> Outcome<String> {
    let place = house.place();
    let started = Instant::now();
    let mut growth = Growth::default();
    let mut accidents = 0;
    let mut loads = Vec::new();
    for number in 1..=USERS {
        let email = format!("user-{number}@example.com");
        let user = house.new_user(&email)?;
        let chance = chance_of(seed, &email);
        loads.push(Load::new(&place, weather, &house.client, chance, user));
    }
    let lines = thread::scope(|scope| {
        let users: Vec<_> = loads
            .into_iter()
            .map(|load| scope.spawn(|| load.run()))
            .collect();
        let mut course = Course {
            house: &mut house,
            growth: &mut growth,
            terminal,
            say,
            chance: chance_of(seed, "accidents"),
            started,
            time,
            accidents: 0,
        };
        let ended = course.run();
        accidents = course.accidents;
        match &ended {
            Ok(()) => weather.end(),
            Err(_) => weather.break_off(),
        }
        let users = users.into_iter().map(|user| {
            user.join()
                .unwrap_or_else(|_| Err(Stop::because("a user's thread broke")))
        });
        let said: Outcome<Vec<String>> = users.collect();
        match (ended, said) {
            // Users see first what the death of a service does.
            (Ok(()), Err(stop)) => Err(house.watch.blame(stop)),
            (Err(stop), _) => Err(stop),
            (Ok(()), said) => said,
        }
    })?;
    house.compare()?;
    let named = house.replication.faults.named;
    house.stop()?;
    for (number, line) in lines.iter().enumerate() {
        say(&format!("user {}: {line}", number + 1));
    }
    say(&growth.said());
    Ok(format!(
        "{} requests, {} excused, {accidents} accidents, {named} faults of the replication named and gone, in {} \
         with seed {seed}",
        weather.turns.load(Ordering::Relaxed),
        weather.excused.load(Ordering::Relaxed),
        spoken(started.elapsed())
    ))
}

/// The time of the load.
struct Course<'h, 'a, 't> {
    house: &'h mut House<'a>,
    growth: &'h mut Growth,
    terminal: &'t Terminal,
    say: &'t dyn Fn(&str),
    chance: Chance,
    started: Instant,
    time: Duration,
    accidents: u32,
}

impl Course<'_, '_, '_> {
    /// Accident after accident, until the time is over and everything is mended.
    fn run(&mut self) -> Outcome<()> {
        let mut rough = Deck::of(&accidents::ALL);
        let mut gentle = Deck::of(&accidents::WITHOUT_AN_END);
        let mut next = Instant::now() + Duration::from_secs(1);
        while self.started.elapsed() < self.time && !self.house.weather.is_broken() {
            self.look(false)?;
            if Instant::now() < next {
                thread::sleep(LOOK);
                continue;
            }
            // Each of them once; in the second half no process of ours is ended, so that it can be seen to grow.
            let is_late = self.started.elapsed() > self.time / 2 && rough.rounds > 0;
            let deck = if is_late { &mut gentle } else { &mut rough };
            let accident = deck.draw(&mut self.chance);
            let begun = Instant::now();
            self.house.befall(accident, &mut self.chance)?;
            self.accidents += 1;
            self.note(&format!("{accident}: {}", spoken(begun.elapsed())));
            next = Instant::now() + Duration::from_millis(self.chance.below(PAUSE_MS));
        }
        let ending = Instant::now();
        while !self.house.weather.is_broken() {
            self.look(true)?;
            if self.house.replication.faults.is_well() && self.house.weather.is_calm() {
                break;
            }
            if ending.elapsed() > END_WITHIN {
                return Err(wrong("the house does not come to rest in the end"));
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    fn look(&mut self, is_last: bool) -> Outcome<()> {
        self.house.interrupt.check()?;
        self.house.check()?;
        self.growth.look(&self.house.processes())?;
        for said in self.house.replication.step(is_last)? {
            self.note(&said);
        }
        let turns = self.house.weather.turns.load(Ordering::Relaxed);
        self.terminal.progress(&format!(
            "{}  {turns} requests, {} accidents, {} faults",
            spoken(self.started.elapsed()),
            self.accidents,
            self.house.replication.faults.named
        ));
        Ok(())
    }

    fn note(&self, said: &str) {
        (self.say)(&format!("{:>12}  {said}", spoken(self.started.elapsed())));
    }
}

/// A source of its own for each who draws, so that the others' haste changes nothing.
fn chance_of(seed: u64, who: &str) -> Chance {
    // FNV-1a.
    let mixed = who
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325 ^ seed, |mixed, byte| {
            (mixed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    Chance::from(mixed)
}

/// What must not be.
fn wrong(what: impl std::fmt::Display) -> Stop {
    Stop::because(format!("what must not be: {what}"))
}
