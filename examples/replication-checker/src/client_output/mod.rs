//! What MySQL's command-line client prints, read back into rows: `--vertical`, tab-separated (`--batch`)
//! and `--xml`. Only XML tells NULL from the word, so that is what the checker asks for.

mod tsv;
mod vertical;
mod xml;

pub use tsv::rows as tsv;
pub use vertical::rows as vertical;
pub use xml::{ResultSet, result_sets as xml};

/// Largest output that is looked at, in bytes: far above sixty columns with large GTID sets.
pub const MAX_OUTPUT_BYTES: usize = 4 * 1024 * 1024;

/// What was printed is not what the client prints.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the client's output cannot be read: {0}")]
pub struct OutputError(pub(crate) &'static str);

fn within_bounds(text: &str) -> Result<(), OutputError> {
    if text.len() > MAX_OUTPUT_BYTES {
        return Err(OutputError("it is larger than 4 MiB"));
    }
    Ok(())
}
