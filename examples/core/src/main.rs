//! `dailey-core`: see [`dailey_core::commands`].

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    dailey_core::commands::run()
}
