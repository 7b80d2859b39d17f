//! What is written, and how: colour only on a terminal and without `NO_COLOR`, a progress line only
//! on a terminal, plain lines everywhere.

use std::cell::Cell;
use std::env;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

/// Widest progress line; a longer one would wrap and could not be taken back.
const PROGRESS_WIDTH: usize = 78;

const SPINNER: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/// Standard output.
pub(crate) struct Terminal {
    live: bool,
    colour: bool,
    turn: Cell<usize>,
    shown: Cell<bool>,
}

impl Terminal {
    pub(crate) fn new() -> Self {
        let live =
            io::stdout().is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb");
        // https://no-color.org: set and not empty.
        let colour = live && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self {
            live,
            colour,
            turn: Cell::new(0),
            shown: Cell::new(false),
        }
    }

    /// A line that stays.
    pub(crate) fn line(&self, text: &str) {
        self.clear();
        // Who closed our output does not want to read it.
        let _ = writeln!(io::stdout(), "{text}");
    }

    /// A line that is taken back by the next one; nothing where output is not a terminal.
    pub(crate) fn progress(&self, text: &str) {
        if !self.live {
            return;
        }
        let turn = self.turn.get();
        self.turn.set(turn + 1);
        let text: String = text.chars().take(PROGRESS_WIDTH - 4).collect();
        let spinner = SPINNER[turn % SPINNER.len()];
        let _ = write!(io::stdout(), "\r\x1b[2K  {spinner} {text}");
        let _ = io::stdout().flush();
        self.shown.set(true);
    }

    /// Whether there are progress lines; without them the beginning of something long is said once.
    pub(crate) fn is_live(&self) -> bool {
        self.live
    }

    pub(crate) fn good(&self, text: &str) -> String {
        self.painted("32", text)
    }

    pub(crate) fn bad(&self, text: &str) -> String {
        self.painted("31;1", text)
    }

    pub(crate) fn bold(&self, text: &str) -> String {
        self.painted("1", text)
    }

    pub(crate) fn dim(&self, text: &str) -> String {
        self.painted("2", text)
    }

    fn painted(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    fn clear(&self) {
        if self.shown.replace(false) {
            let _ = write!(io::stdout(), "\r\x1b[2K");
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A time as people say it: `8 ms`, `1.2 s`, `2 min 05 s`.
pub(crate) fn spoken(time: Duration) -> String {
    let seconds = time.as_secs();
    match time.as_millis() {
        0 => "< 1 ms".to_owned(),
        millis @ 1..1000 => format!("{millis} ms"),
        millis @ 1000..60_000 => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
        _ => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

/// `1234567` as people read it: `1 234 567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// Text moved to the right, each line of it.
pub(crate) fn indented(text: &str) -> String {
    text.lines()
        .map(|line| format!("      {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_the_unit_that_fits() {
        for (millis, said) in [
            (0, "< 1 ms"),
            (1, "1 ms"),
            (999, "999 ms"),
            (1_250, "1.2 s"),
            (59_999, "59.9 s"),
            (125_000, "2 min 05 s"),
        ] {
            assert_eq!(spoken(Duration::from_millis(millis)), said);
        }
    }

    #[test]
    fn large_numbers_are_grouped() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1 000"),
            (1_234_567, "1 234 567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}
