//! `cargo xtask test`: parts in order, each announced, timed and counted; failures shown where they
//! happen and named again at the end. The last line is `N passed, N failed`.

mod counting;
mod parts;
mod peers;

use std::process::ExitCode;
use std::time::Instant;

use self::counting::Tally;
use self::parts::{PARTS, Part};
use crate::setup::{Needs, Prerequisites};
use crate::stop::{Failure, Interrupt, Outcome, Stop};
use crate::terminal::{Terminal, spoken};
use crate::workspace::Workspace;

/// Which tests are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Selection {
    /// Everything.
    All,
    /// What needs neither downloaded tools nor Python and Node.
    Unit,
}

/// What a part has at hand.
struct Bench<'a> {
    workspace: &'a Workspace,
    terminal: &'a Terminal,
    interrupt: &'a Interrupt,
    prerequisites: Prerequisites,
}

/// What a part did: its counts, what to say in its line, and what was wrong if something was.
struct Result {
    tally: Tally,
    said: String,
    failure: Option<Failure>,
}

/// Runs the selected parts.
pub(crate) fn run(
    workspace: &Workspace,
    terminal: &Terminal,
    interrupt: &Interrupt,
    selection: Selection,
) -> ExitCode {
    match run_parts(workspace, terminal, interrupt, selection) {
        Ok(code) => code,
        Err(stop) => stop.report(terminal),
    }
}

fn run_parts(
    workspace: &Workspace,
    terminal: &Terminal,
    interrupt: &Interrupt,
    selection: Selection,
) -> Outcome<ExitCode> {
    let logs = workspace.testbed("logs")?;
    let (what, needs) = match selection {
        Selection::All => ("every test", Needs::OutsideVerifiers),
        Selection::Unit => ("every test that needs no outside part", Needs::Build),
    };
    terminal.line(&format!(
        "{}  {}",
        terminal.bold(what),
        terminal.dim(&format!("logs: {}", logs.display()))
    ));
    let started = Instant::now();
    let bench = Bench {
        workspace,
        terminal,
        interrupt,
        prerequisites: Prerequisites::look(needs),
    };
    let mut total = Tally::default();
    let mut failures = Vec::new();
    for part in PARTS
        .iter()
        .filter(|part| selection == Selection::All || part.in_unit())
    {
        announce(terminal, part);
        let part_started = Instant::now();
        let result = match (part.run)(&bench) {
            Ok(result) => result,
            // It could not be set up, or broke off: one failure, never none.
            Err(Stop::Failed(failure)) => Result {
                tally: Tally {
                    passed: 0,
                    failed: 1,
                },
                said: String::new(),
                failure: Some(failure),
            },
            Err(Stop::Interrupted) => return Err(Stop::Interrupted),
        };
        total = total + result.tally;
        show(terminal, part, &result, &spoken(part_started.elapsed()));
        if let Some(failure) = result.failure {
            failures.push((part.name, failure.reason));
        }
    }
    terminal.line("");
    for (part, reason) in &failures {
        terminal.line(&format!("{} {part}: {reason}", terminal.bad("failed")));
    }
    terminal.line(&format!("took {}", spoken(started.elapsed())));
    terminal.line(&total.to_string());
    Ok(if total.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn announce(terminal: &Terminal, part: &Part) {
    if terminal.is_live() {
        terminal.progress(&format!("{}: {}", part.name, part.what));
    } else {
        terminal.line(&format!("… {:<18}  {}", part.name, part.what));
    }
}

fn show(terminal: &Terminal, part: &Part, result: &Result, time: &str) {
    let mark = if result.failure.is_none() {
        terminal.good("✓")
    } else {
        terminal.bad("✗")
    };
    let said = match &result.failure {
        Some(failure) => &failure.reason,
        None => &result.said,
    };
    terminal.line(&format!("{mark} {:<18} {time:>12}  {said}", part.name));
    if let Some(failure) = &result.failure {
        failure.show_log(terminal);
    }
}
