//! How much memory and how many descriptors our processes have, from their warm-up to their end.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use super::wrong;
use crate::stop::Outcome;

/// Until a process has seen everything once.
const WARM_UP: Duration = Duration::from_secs(20);

/// How often a process is looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// What allocators keep back and caches fill up beyond the warm-up.
pub(super) const MEMORY_KIB: u64 = 16 * 1024;

/// Connections and files that are open at one moment and not at another.
const DESCRIPTORS: u64 = 40;

/// A process that is to be looked at.
pub(super) struct Process {
    pub(super) name: &'static str,
    pub(super) id: u32,
    /// How much it may grow.
    pub(super) memory_kib: u64,
}

/// All of them.
#[derive(Default)]
pub(super) struct Growth {
    processes: BTreeMap<u32, One>,
    /// By name: the most that one had beyond what it had when it was warm, and for how long one was looked at.
    most: BTreeMap<&'static str, Most>,
    looked: Option<Instant>,
}

struct One {
    since: Instant,
    warm: Option<Size>,
}

#[derive(Clone, Copy, Default)]
struct Most {
    memory_kib: u64,
    descriptors: u64,
    time: Duration,
}

#[derive(Clone, Copy)]
struct Size {
    memory_kib: u64,
    descriptors: u64,
}

impl Growth {
    /// Looks at all of them, now and then.
    pub(super) fn look(&mut self, processes: &[Process]) -> Outcome<()> {
        if self.looked.is_some_and(|last| last.elapsed() < INTERVAL) {
            return Ok(());
        }
        self.looked = Some(Instant::now());
        self.processes
            .retain(|id, _| processes.iter().any(|process| process.id == *id));
        processes.iter().try_for_each(|process| self.one(process))
    }

    fn one(&mut self, process: &Process) -> Outcome<()> {
        let one = self.processes.entry(process.id).or_insert_with(|| One {
            since: Instant::now(),
            warm: None,
        });
        let age = one.since.elapsed();
        // A process that was just killed has nothing to show.
        let Some(now) = Size::of(process.id).filter(|_| age >= WARM_UP) else {
            return Ok(());
        };
        let warm = *one.warm.get_or_insert(now);
        let grown = now.memory_kib.saturating_sub(warm.memory_kib);
        let opened = now.descriptors.saturating_sub(warm.descriptors);
        if grown > process.memory_kib {
            return Err(wrong(format!(
                "{} grew from {} to {} KiB",
                process.name, warm.memory_kib, now.memory_kib
            )));
        }
        if opened > DESCRIPTORS {
            return Err(wrong(format!(
                "{} went from {} to {} descriptors",
                process.name, warm.descriptors, now.descriptors
            )));
        }
        let most = self.most.entry(process.name).or_default();
        most.memory_kib = most.memory_kib.max(grown);
        most.descriptors = most.descriptors.max(opened);
        most.time = most.time.max(age);
        Ok(())
    }

    /// What to say of it.
    pub(super) fn said(&self) -> String {
        let all = self.most.iter().map(|(name, most)| {
            format!(
                "{name} +{:.1} MiB, +{} descriptors in {} s",
                f64::from(u32::try_from(most.memory_kib).unwrap_or(u32::MAX)) / 1024.0,
                most.descriptors,
                most.time.as_secs()
            )
        });
        all.collect::<Vec<_>>().join("; ")
    }
}

impl Size {
    fn of(process: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let memory = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        let open = fs::read_dir(format!("/proc/{process}/fd")).ok()?.count();
        Some(Self {
            memory_kib: memory.split_whitespace().next()?.parse().ok()?,
            descriptors: u64::try_from(open).ok()?,
        })
    }
}
