//! Text of unknown origin, made fit to be shown: nothing of a token or a key set drives a terminal
//! or hides what stands beside it.

use std::fmt::Write as _;

use serde::Serialize;

/// Longest piece of unknown text that is shown, in characters.
const MAX_SHOWN: usize = 256;

/// Whether a character does something to a terminal or to the order of the text around it, or is
/// there without being seen: controls (C0, DEL, C1), line and paragraph separators, bidirectional
/// formatting, and what Unicode calls `Default_Ignorable_Code_Point`.
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// The text, cut where it is longer than anybody reads.
pub(in crate::cli) fn within_bounds(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The text on one line and within bounds, with harmful characters written out as `\u{1b}`.
pub(in crate::cli) fn harmless(text: &str) -> String {
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == MAX_SHOWN {
            shown.push('…');
            break;
        }
        if is_harmful(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Strict JSON on one line: without white space between its parts, and with harmful characters as
/// `\u001b`. The same JSON to every reader, its numbers and names as they were written.
pub(in crate::cli) fn one_line_json(json: &str) -> String {
    rewrite(json, |_, _, _| {})
}

/// The same for people: a line for each member.
pub(in crate::cli) fn spread_json(json: &str) -> String {
    rewrite(json, |out, before, next| match (before, next) {
        (Some('{' | '['), '}' | ']') => {}
        (Some('{' | '[' | ','), _) | (_, '}' | ']') => {
            let depth = out.depth - usize::from(matches!(next, '}' | ']'));
            out.text.push('\n');
            out.text.push_str(&"  ".repeat(depth));
        }
        (Some(':'), _) => out.text.push(' '),
        _ => {}
    })
}

struct Out {
    text: String,
    /// Open objects and arrays.
    depth: usize,
}

/// Copies strict JSON part by part; `space` puts what it wants between two characters outside
/// strings, the last one written and the next one.
fn rewrite(json: &str, space: impl Fn(&mut Out, Option<char>, char)) -> String {
    let mut out = Out {
        text: String::with_capacity(json.len()),
        depth: 0,
    };
    let mut before = None;
    let (mut in_string, mut escaped) = (false, false);
    for character in json.chars() {
        if in_string {
            push_in_string(&mut out.text, character);
            in_string = escaped || character != '"';
            escaped = !escaped && character == '\\';
            continue;
        }
        if character.is_ascii_whitespace() {
            continue;
        }
        space(&mut out, before, character);
        match character {
            '"' => in_string = true,
            '{' | '[' => out.depth += 1,
            '}' | ']' => out.depth = out.depth.saturating_sub(1),
            _ => {}
        }
        out.text.push(character);
        before = Some(character);
    }
    out.text
}

fn push_in_string(text: &mut String, character: char) {
    if is_harmful(character) {
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a String never fails.
            let _ = write!(text, "\\u{unit:04x}");
        }
    } else {
        text.push(character);
    }
}

/// A value of ours as harmless JSON on one line.
pub(in crate::cli) fn to_json(value: &impl Serialize) -> String {
    // Nothing of ours has a key that is no text, which is all that could fail.
    let json = serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned());
    one_line_json(&json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_drives_a_terminal() {
        let nasty = "a\u{1b}[2J\u{9b}31m\u{7f}\r\n\u{202e}b\u{200b}\u{e0041}é\u{fffd}";
        assert_eq!(
            harmless(nasty),
            "a\\u{1b}[2J\\u{9b}31m\\u{7f}\\u{d}\\u{a}\\u{202e}b\\u{200b}\\u{e0041}é\u{fffd}"
        );
        let json = to_json(&nasty);
        assert!(!json.chars().any(is_harmful), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), nasty);
        let cut = format!("{}…", "x".repeat(256));
        assert_eq!(harmless(&"x".repeat(300)), cut);
        assert_eq!(within_bounds(&"x".repeat(257)), cut);
        assert_eq!(within_bounds(&"é".repeat(256)), "é".repeat(256));
        for unseen in ['\u{3164}', '\u{34f}', '\u{fe0f}', '\u{e0100}', '\u{1d173}'] {
            assert!(is_harmful(unseen), "{unseen:?}");
        }
    }

    #[test]
    fn json_is_the_same_on_one_line_and_on_many() {
        let json =
            " {\"a\" : [ 1.50 ,\n2e0, { } ,[]] , \"b \\\" {\\\\\": \" : \\u001b \u{9b}\"}\r\n";
        assert_eq!(
            one_line_json(json),
            r#"{"a":[1.50,2e0,{},[]],"b \" {\\":" : \u001b \u009b"}"#
        );
        assert_eq!(
            spread_json(json),
            "{\n  \"a\": [\n    1.50,\n    2e0,\n    {},\n    []\n  ],\n  \"b \\\" {\\\\\": \" : \\u001b \\u009b\"\n}"
        );
    }
}
