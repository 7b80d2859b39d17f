//! The project's own commands, run as `cargo xtask …`: the demo, every test, and real servers.

#![forbid(unsafe_code)]

mod bench;
mod demo;
mod fuzz;
mod process;
mod services;
mod setup;
mod soak;
mod stop;
mod terminal;
mod test;
mod testbed;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::stop::Interrupt;
use crate::terminal::Terminal;
use crate::workspace::Workspace;

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Shows the whole line at work: Core and DMAPI as real processes, from nothing to a verified upload
    ///
    /// Builds dailey-core and dailey-media, starts both on free loopback ports with fresh data in a
    /// temporary folder, and goes through every step with the real commands and routes: one line for
    /// each, with its time and what it proves. Then it keeps serving and says what to try next, until
    /// Ctrl-C. Everything it started and wrote is gone afterwards, except what was built.
    ///
    /// Exit status: 0 when every step went well, 1 when one failed, 130 when it was interrupted before it served.
    #[command(verbatim_doc_comment)]
    Demo {
        /// Stop after the last step instead of serving until Ctrl-C
        #[arg(long)]
        once: bool,
    },
    /// Runs every test: formatting, lints, documentation, dependency rules, tests, outside verifiers
    ///
    /// Sets up what the tests need beyond a Rust toolchain, a C compiler, Python 3, Node, apt and ssh in
    /// target/testbed and in the user's cache folder (`XDG_CACHE_HOME` or `~/.cache`, folder dailey);
    /// nothing is installed in the system. The last line is `N passed, N failed`, counted from what
    /// really ran; a part that cannot be set up counts as failed.
    ///
    /// Exit status: 0 when nothing failed, 1 otherwise, 130 when it was interrupted.
    #[command(verbatim_doc_comment)]
    Test {
        /// Only what needs neither downloaded tools and servers nor Python and Node
        #[arg(long)]
        unit: bool,
    },
    /// Times ours against the bare RSA operation and beside the peers, in interleaved rounds
    ///
    /// Beside speed: the hostile corpus through every peer, and what each does to its issuer. Builds
    /// everything first (the peers: some minutes), then takes a few minutes that should be quiet. Tables
    /// are printed; target/bench-report/index.html has those of the last run of each bench, and plots of the peers.
    ///
    /// Where valgrind is installed, instructions are counted too, and held to those that are written down in
    /// benches/RESULTS.md; gungraun-runner is set up first where it is missing. That needs no quiet machine.
    #[command(verbatim_doc_comment)]
    Bench {
        /// One of them: verify, `token_cache`, refresh, services, peers, instructions; all when left out
        name: Option<String>,
    },
    /// Feeds the targets in fuzz/ with whatever libFuzzer thinks of, on as many processors as there are
    ///
    /// Builds them with cargo-fuzz (set up first where it is missing) and starts from the token corpus, the
    /// captures of MySQL, fuzz/seeds and fuzz/regressions. What is found lies in fuzz/artifacts; put it into
    /// fuzz/regressions/TARGET, from where every later run begins.
    ///
    /// Exit status: 0 when nothing was found, 1 otherwise, 130 when it was interrupted.
    #[command(verbatim_doc_comment)]
    Fuzz {
        /// One target; all of them when left out
        target: Option<String>,
        /// How long each target runs
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
        seconds: u32,
    },
    /// A mixed load on the whole house, with accidents drawn from a seed
    ///
    /// Core on a replicated MySQL, two DMAPIs on one S3 store, nginx with the deployed files before them, the
    /// replication checker in watch mode: all of it real. Keys are rotated, sessions and apps revoked, services
    /// restarted and killed, the store cut off and stalled, the primary killed, replication broken in seven ways.
    /// A model keeps what was acknowledged and compares while it goes on and in the end: nothing lost, nothing
    /// accepted that must be refused, an answer missing only where something it needs is disturbed, every fault of
    /// the replication named by the checker, memory and descriptors bounded. After a failure the logs are kept.
    ///
    /// MySQL, nginx and moto are set up first where they are missing. In the second half none of our processes is
    /// ended, so that one can be seen to grow.
    ///
    /// Exit status: 0 when all of that held, 1 otherwise, 130 when it was interrupted.
    #[command(verbatim_doc_comment)]
    Soak {
        /// How long the load goes on
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
        minutes: u32,
        /// What is drawn from: the same seed, the same order of accidents, of faults, and of each user's requests
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Real servers for working by hand, unpacked beside the system: MySQL, sshd
    ///
    /// They are downloaded once as Debian packages, through this machine's own apt settings but into
    /// the user's cache folder; nothing is installed in the system. Their data is under target/testbed.
    Testbed {
        #[command(subcommand)]
        action: testbed::Action,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let terminal = Terminal::new();
    let ready = Interrupt::listen().and_then(|interrupt| Ok((interrupt, Workspace::find()?)));
    let (interrupt, workspace) = match ready {
        Ok(ready) => ready,
        Err(stop) => return stop.report(&terminal),
    };
    match arguments.command {
        Command::Demo { once } => {
            let end = if once {
                demo::End::Stop
            } else {
                demo::End::Serve
            };
            demo::run(&workspace, &terminal, &interrupt, end)
        }
        Command::Test { unit } => {
            let selection = if unit {
                test::Selection::Unit
            } else {
                test::Selection::All
            };
            test::run(&workspace, &terminal, &interrupt, selection)
        }
        Command::Bench { name } => bench::run(&workspace, &terminal, &interrupt, name.as_deref()),
        Command::Fuzz { target, seconds } => fuzz::run(
            &workspace,
            &terminal,
            &interrupt,
            target.as_deref(),
            seconds,
        ),
        Command::Soak { minutes, seed } => {
            soak::run(&workspace, &terminal, &interrupt, minutes, seed)
        }
        Command::Testbed { action } => testbed::run(&workspace, &terminal, &interrupt, action),
    }
}
