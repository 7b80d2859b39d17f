//! Texts of servers and programs before they are shown: one line, bounded, without secrets, and on
//! request without the values that error messages quote.

/// Longest text that is shown, in characters.
pub const MAX_TEXT_CHARS: usize = 512;

/// How texts of others are shown.
#[derive(Debug, Clone, Default)]
pub struct Scrub {
    secrets: Vec<String>,
    redact_quoted: bool,
}

impl Scrub {
    /// Takes out `secrets` wherever they appear, and with `redact_quoted` everything between quotes:
    /// `Duplicate entry '…'` holds a row's value.
    pub fn new(secrets: Vec<String>, redact_quoted: bool) -> Self {
        Self {
            secrets: secrets
                .into_iter()
                .filter(|secret| !secret.is_empty())
                .collect(),
            redact_quoted,
        }
    }

    /// A text as it may be shown.
    pub fn text(&self, text: &str) -> String {
        let mut shown = text.to_owned();
        for secret in &self.secrets {
            shown = shown.replace(secret.as_str(), "[secret]");
        }
        if self.redact_quoted {
            shown = without_quoted(&shown);
        }
        let flat: String = shown
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        bounded(flat.trim(), MAX_TEXT_CHARS)
    }

    /// The same, for a text that is often empty.
    pub fn filled(&self, text: Option<&str>) -> Option<String> {
        text.filter(|text| !text.trim().is_empty())
            .map(|text| self.text(text))
    }
}

/// The beginning of a text, with a mark when something is missing.
pub fn bounded(text: &str, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A row's value in a message; it may hold quotes itself, so it ends at the last place it can.
const VALUE_START: &str = "Duplicate entry '";
const VALUE_END: &str = "' for key";

fn without_quoted(text: &str) -> String {
    if let Some(start) = text.find(VALUE_START) {
        let value = start + VALUE_START.len();
        let end = text[value..]
            .rfind(VALUE_END)
            .map_or(text.len(), |end| value + end);
        let before = without_pairs(&text[..start]);
        let after = text.get(end + 1..).unwrap_or_default();
        return format!("{before}{VALUE_START}…'{}", without_pairs(after));
    }
    without_pairs(text)
}

/// An apostrophe inside a word (`can't`) or after one (`servers'`) opens nothing, and inside a word closes
/// nothing.
fn without_pairs(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut previous = ' ';
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let is_quote = character == '\'';
        let in_word = characters.peek().is_some_and(|next| next.is_alphanumeric());
        if quoted && is_quote && !in_word {
            quoted = false;
            shown.push_str("…'");
        } else if !quoted {
            quoted = is_quote && !previous.is_alphanumeric();
            shown.push(character);
        }
        previous = character;
    }
    if quoted {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_one_bounded_line_without_secrets() {
        let scrub = Scrub::new(vec!["hunter2".to_owned(), String::new()], false);
        assert_eq!(scrub.text("a\nb hunter2\tc "), "a b [secret] c");
        let long = scrub.text(&"ä".repeat(600));
        assert_eq!(long.chars().count(), MAX_TEXT_CHARS + 1);
    }

    #[test]
    fn quoted_values_are_taken_out_on_request() {
        let scrub = Scrub::new(Vec::new(), true);
        for (said, shown) in [
            (
                "Duplicate entry 'me@example.com' for key 't.PRIMARY', and 'un",
                "Duplicate entry '…' for key '…', and '…",
            ),
            (
                "Duplicate entry 'a' b' for key 't.k'",
                "Duplicate entry '…' for key '…'",
            ),
            ("Can't find record in 't'", "Can't find record in '…'"),
            (
                "the source's log of 'O'Brien' is",
                "the source's log of '…' is",
            ),
        ] {
            assert_eq!(scrub.text(said), shown);
        }
    }
}
