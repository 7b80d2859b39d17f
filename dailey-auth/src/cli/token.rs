//! The token, from standard input alone: a command line can be read by others.

use std::io::{BufRead as _, IsTerminal as _, Read as _};

use crate::token::MAX_TOKEN_BYTES;

use super::{Failure, complain};

/// One byte more than the largest token and its newline, so that "too large" is seen. No more is
/// read, whatever comes.
const MAX_INPUT_BYTES: u64 = MAX_TOKEN_BYTES as u64 + 2;

/// What a terminal passes on of one line, on Linux: the rest is lost.
const TERMINAL_LINE_BYTES: usize = 4095;

/// What stands on standard input, less one newline at its end.
///
/// Nothing else is mended: what a service would refuse is refused here.
pub(super) fn read() -> Result<String, Failure> {
    let stdin = std::io::stdin();
    let interactive = stdin.is_terminal();
    let mut input = stdin.lock().take(MAX_INPUT_BYTES);
    let mut bytes = Vec::new();
    let read = if interactive {
        complain("waiting for the token on standard input: paste it and press Enter");
        input.read_until(b'\n', &mut bytes)
    } else {
        input.read_to_end(&mut bytes)
    };
    read.map_err(|error| {
        Failure::cannot_decide(format!("standard input cannot be read: {error}"))
    })?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    if interactive && bytes.len() >= TERMINAL_LINE_BYTES {
        return Err(Failure::cannot_decide(
            "a terminal cuts a line as long as this one: put the token into a file and give it with `< FILE`",
        ));
    }
    Ok(text(bytes))
}

/// The bytes as text of the same length. No byte outside ASCII is of a token's alphabet, so where
/// they are no text, another stranger stands for each: what is said of the token is the same.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| {
        let bytes = error.into_bytes();
        let stranger = |byte: u8| if byte.is_ascii() { byte as char } else { '!' };
        bytes.into_iter().map(stranger).collect()
    })
}

/// The most likely slip behind a token that is not one, if it shows.
pub(super) fn slip(token: &str) -> Option<&'static str> {
    let starts_with = |word: &str| {
        token
            .get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    if starts_with("bearer ") {
        Some("the input begins with `Bearer `: leave that word and the space out")
    } else if starts_with("authorization:") {
        Some("the input is a whole header: leave out everything before the token")
    } else if token.ends_with('\r') {
        Some("the input ends with a carriage return (a Windows line end): take it off")
    } else if token.ends_with('\n') {
        Some("the input ends with several newlines: leave at most one")
    } else if token.starts_with(['"', '\'']) {
        Some("the input is in quotes: take them off")
    } else if token.starts_with('{') {
        Some("the input is JSON: give the access token alone")
    } else if token.contains(char::is_whitespace) {
        Some("the input has spaces or line breaks: give the token alone, on one line")
    } else {
        None
    }
}
