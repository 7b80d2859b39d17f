//! The command `dailey-auth`.

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    dailey_auth::cli::run()
}
