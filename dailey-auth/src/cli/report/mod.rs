//! What is written: text that drives no terminal, colour where there is one, times as people say
//! them.

mod ink;
mod text;
mod times;

pub(super) use ink::Ink;
pub(super) use text::{harmless, one_line_json, spread_json, to_json, within_bounds};
pub(super) use times::{distance, relative, seconds, spoken};

use crate::error::VerifyError;

use super::judgement::{Judgement, Keys};

/// Lines under a headline.
pub(super) fn indented(lines: &[String]) -> String {
    format!("  {}\n", lines.join("\n  "))
}

/// What is wrong, without what to do about it.
pub(super) fn without_hint(error: VerifyError) -> String {
    let text = error.to_string();
    let hint = format!(" ({})", error.hint());
    text.strip_suffix(&hint).unwrap_or(&text).to_owned()
}

/// Which key the token asks for and which keys there are.
pub(super) fn kids(judgement: &Judgement) -> String {
    /// A set holds up to 64 keys; the first few show what kind of ids it has.
    const SHOWN: usize = 8;
    let asked = harmless(judgement.examination.kid.as_deref().unwrap_or_default());
    let Keys::Had { kids, .. } = &judgement.keys else {
        return format!("the token asks for the key {asked}");
    };
    let there: Vec<String> = kids.iter().take(SHOWN).map(|kid| harmless(kid)).collect();
    let more = if kids.len() > SHOWN { ", …" } else { "" };
    format!(
        "the token asks for the key {asked}; usable keys of the set: {}{more}",
        there.join(", ")
    )
}
