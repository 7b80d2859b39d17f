//! `core-replica-seed`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    replication_checker::seed::command::main()
}
