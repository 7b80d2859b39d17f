//! Colour, only on a terminal that wants it.

use std::io::IsTerminal as _;

/// Whether to use colour.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Ink {
    colour: bool,
}

impl Ink {
    /// Colour on a terminal, unless `NO_COLOR` (<https://no-color.org>: set and not empty) or
    /// `TERM=dumb` say otherwise.
    pub(in crate::cli) fn for_stdout() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            colour: std::io::stdout().is_terminal() && !unwanted,
        }
    }

    pub(in crate::cli) fn good(self, text: &str) -> String {
        self.painted("32", text)
    }

    pub(in crate::cli) fn bad(self, text: &str) -> String {
        self.painted("31;1", text)
    }

    pub(in crate::cli) fn bold(self, text: &str) -> String {
        self.painted("1", text)
    }

    pub(in crate::cli) fn dim(self, text: &str) -> String {
        self.painted("2", text)
    }

    fn painted(self, code: &str, text: &str) -> String {
        if self.colour && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}
