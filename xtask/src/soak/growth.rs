//! How much memory and how many descriptors a process has, from its warm-up to its end.

use std::fs;

use super::wrong;
use crate::stop::Outcome;

/// Turns until a process has seen everything once.
const WARM_UP_TURNS: u64 = 300;

/// What allocators keep back and caches fill up beyond the warm-up.
pub(super) const MEMORY_KIB: u64 = 48 * 1024;

/// The same for Core: a password's hash takes 19 MiB, which the allocator keeps once for each of its arenas,
/// and there are eight of them for each processor.
pub(super) const CORE_MEMORY_KIB: u64 = 16 * 19 * 1024 + MEMORY_KIB;

/// Connections and files that are open at one moment and not at another.
const DESCRIPTORS: u64 = 40;

/// One process.
pub(super) struct Growth {
    name: &'static str,
    process: u32,
    memory_kib: u64,
    turns: u64,
    warm: Option<(u64, u64)>,
}

impl Growth {
    /// A process that may grow by so much.
    pub(super) fn of(name: &'static str, process: u32, memory_kib: u64) -> Self {
        Self {
            name,
            process,
            memory_kib,
            turns: 0,
            warm: None,
        }
    }

    /// Looks at it, now and then.
    pub(super) fn turn(&mut self) -> Outcome<()> {
        self.turns += 1;
        if !self.turns.is_multiple_of(WARM_UP_TURNS) {
            return Ok(());
        }
        // A process that was just killed has nothing to show.
        let Some((memory, descriptors)) = self.now() else {
            return Ok(());
        };
        let (warm_memory, warm_descriptors) = *self.warm.get_or_insert((memory, descriptors));
        if memory > warm_memory + self.memory_kib {
            return Err(wrong(format!(
                "{} grew from {warm_memory} to {memory} KiB",
                self.name
            )));
        }
        if descriptors > warm_descriptors + DESCRIPTORS {
            return Err(wrong(format!(
                "{} went from {warm_descriptors} to {descriptors} descriptors",
                self.name
            )));
        }
        Ok(())
    }

    fn now(&self) -> Option<(u64, u64)> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process)).ok()?;
        let memory = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        let memory = memory.split_whitespace().next()?.parse().ok()?;
        let descriptors = fs::read_dir(format!("/proc/{}/fd", self.process))
            .ok()?
            .count();
        Some((memory, u64::try_from(descriptors).ok()?))
    }
}
