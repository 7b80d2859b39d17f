//! Reading a password: from the terminal without echo, else from standard input. Never from an argument, which every
//! process list shows.

use std::io::{self, IsTerminal as _, Read as _};

use zeroize::Zeroizing;

use super::Failure;
use crate::password::Password;

/// Most bytes that are read: 256 characters of four bytes, and a line end.
const MAX_BYTES: usize = 4 * 256 + 2;

/// Reads a password and checks its bounds.
pub(super) fn read() -> Result<Password, Failure> {
    let text = if io::stdin().is_terminal() {
        ask()?
    } else {
        take()?
    };
    Ok(Password::parse(text)?)
}

fn ask() -> Result<Zeroizing<String>, Failure> {
    let first = Zeroizing::new(rpassword::prompt_password("Password: ")?);
    let second = Zeroizing::new(rpassword::prompt_password("Once more: ")?);
    if *first == *second {
        Ok(first)
    } else {
        Err(Failure::new("the two passwords differ"))
    }
}

fn take() -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::with_capacity(MAX_BYTES + 1));
    io::stdin()
        .lock()
        .take(MAX_BYTES as u64 + 1)
        .read_to_string(&mut text)?;
    let end = text.strip_suffix('\n').map_or(text.len(), |line| {
        line.strip_suffix('\r').unwrap_or(line).len()
    });
    text.truncate(end);
    if text.contains('\n') {
        return Err(Failure::new(
            "standard input holds more than one line: give the password alone",
        ));
    }
    Ok(text)
}
