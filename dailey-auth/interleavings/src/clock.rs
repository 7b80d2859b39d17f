//! The library's clock, as far as the exchange uses it.

use std::time::Duration;

pub(crate) trait Clock: Send + Sync + 'static {
    fn monotonic(&self) -> Duration;
}
