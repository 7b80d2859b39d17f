//! One line for each step: number, verdict, name, time, and what it proves in one sentence.

use std::process::ExitCode;
use std::time::Instant;

use crate::services::Watch;
use crate::stop::{Interrupt, Outcome, Stop};
use crate::terminal::{Terminal, spoken};

/// What has been shown so far.
pub(super) struct Report<'a> {
    terminal: &'a Terminal,
    interrupt: &'a Interrupt,
    watch: Watch,
    started: Instant,
    steps: usize,
    failed: usize,
}

impl<'a> Report<'a> {
    pub(super) fn new(terminal: &'a Terminal, interrupt: &'a Interrupt, watch: Watch) -> Self {
        let title = terminal.bold("dailey, the whole line");
        terminal.line(&format!(
            "{title}: real processes on this machine, fresh data in a temporary folder\n"
        ));
        Self {
            terminal,
            interrupt,
            watch,
            started: Instant::now(),
            steps: 0,
            failed: 0,
        }
    }

    /// A step that only has to be shown.
    pub(super) fn step(
        &mut self,
        name: &str,
        run: impl FnOnce() -> Outcome<String>,
    ) -> Outcome<()> {
        self.step_with(name, |_| run().map(|proof| ((), proof)))
    }

    /// A step that gives something to the next ones, and what it proves.
    pub(super) fn step_with<T>(
        &mut self,
        name: &str,
        run: impl FnOnce(&Terminal) -> Outcome<(T, String)>,
    ) -> Outcome<T> {
        self.steps += 1;
        self.terminal.progress(name);
        let started = Instant::now();
        let result = self
            .interrupt
            .check()
            .and_then(|()| self.watch.check())
            .and_then(|()| run(self.terminal))
            .map_err(|stop| self.watch.blame(stop));
        let time = spoken(started.elapsed());
        match result {
            Ok((value, proof)) => {
                self.show(&self.terminal.good("✓"), name, &time, &proof);
                Ok(value)
            }
            Err(Stop::Failed(failure)) => {
                self.failed += 1;
                self.show(&self.terminal.bad("✗"), name, &time, &failure.reason);
                failure.show_log(self.terminal);
                Err(Stop::Failed(failure))
            }
            Err(Stop::Interrupted) => Err(Stop::Interrupted),
        }
    }

    /// A heading over some steps.
    pub(super) fn chapter(&self, text: &str) {
        self.terminal
            .line(&format!("\n{}", self.terminal.bold(text)));
    }

    /// A line between the steps.
    pub(super) fn line(&self, text: &str) {
        self.terminal.line(text);
    }

    /// Whether no step failed so far.
    pub(super) fn all_well(&self) -> bool {
        self.failed == 0
    }

    /// The last words, and the exit status.
    pub(super) fn close(self, played: Outcome<()>) -> ExitCode {
        let time = spoken(self.started.elapsed());
        match played {
            Err(stop @ Stop::Interrupted) => stop.report(self.terminal),
            // A reason that no step has shown yet.
            Err(stop @ Stop::Failed(_)) if self.failed == 0 => stop.report(self.terminal),
            Ok(()) if self.failed == 0 => {
                let all = format!("all {} steps went well", self.steps);
                self.terminal
                    .line(&format!("\n{} in {time}", self.terminal.good(&all)));
                ExitCode::SUCCESS
            }
            _ => {
                let some = format!("{} of {} steps failed", self.failed, self.steps);
                self.terminal.line(&format!(
                    "\n{} after {time}; everything was stopped",
                    self.terminal.bad(&some)
                ));
                ExitCode::FAILURE
            }
        }
    }

    fn show(&self, mark: &str, name: &str, time: &str, proof: &str) {
        self.terminal.line(&format!(
            "{:>3} {mark} {name:<22} {time:>8}  {proof}",
            self.steps
        ));
    }
}
