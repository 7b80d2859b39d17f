//! What a table's threads meet through, in one place: the package `interleavings` puts models of
//! the same names here, and runs `table` through every order of its steps.

pub(super) use std::sync::atomic::{AtomicU64, Ordering};

pub(super) use arc_swap::ArcSwapOption as Slot;
