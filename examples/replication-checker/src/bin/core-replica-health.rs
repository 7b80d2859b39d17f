//! `core-replica-health`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    replication_checker::health::main()
}
