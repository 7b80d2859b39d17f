//! A parent to be killed by a test: starts `sleep` as a child, says its id, and waits for ever.

use std::io::Write as _;
use std::process::Command;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let log = std::env::args_os()
        .nth(1)
        .ok_or("the log file is missing")?;
    let mut command = Command::new("sleep");
    command.arg("600");
    let child = testbed::Child::start("sleep", command, log.as_ref())?;
    writeln!(std::io::stdout(), "{}", child.id())?;
    loop {
        std::thread::park();
    }
}
