//! Who asks, and when.

use std::sync::Arc;

use super::Context;

/// Tells the time in milliseconds UTC.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The machine's clock.
pub fn system_clock() -> Clock {
    Arc::new(|| jiff::Timestamp::now().as_millisecond())
}

/// Who asks, and the time at which the store came to it: not when the request began, which may have waited since.
#[derive(Debug, Clone)]
pub(super) struct Occasion {
    pub(super) now: i64,
    pub(super) address: Option<String>,
    pub(super) request_id: Option<String>,
    pub(super) actor: Option<String>,
}

impl Occasion {
    pub(super) fn new(context: Context, now: i64) -> Self {
        let Context {
            address,
            request_id,
            actor,
        } = context;
        Self {
            now,
            address,
            request_id,
            actor,
        }
    }

    /// What the audit says beside the event.
    pub(super) fn detail(&self) -> Option<String> {
        self.actor.as_ref().map(|actor| format!("by {actor}"))
    }
}
