//! What large bodies cost DMAPI in memory: the highest that its resident set has been, from /proc.

use std::fs::File;

use super::large;
use super::transfer;
use super::world::World;

pub(crate) fn measure(world: &World) {
    let token = Some(world.token());
    let sizes = [
        ("4 KiB", 4096),
        ("100 MiB", large::BYTES),
        ("1 GiB", 1 << 30),
    ];
    println!("highest resident set of a DMAPI that was just started, MiB");
    let media = world.fresh_media();
    let mut before = None;
    for (name, bytes) in sizes {
        let path = world.folder().join("body");
        let file = File::create(&path).expect("a writable folder");
        file.set_len(bytes as u64).expect("a writable folder");
        transfer::put(&media.at("/api/media/body"), &path, token);
        transfer::get(&media.at("/api/media/body"), token);
        let peak = highest(media.process());
        let first = *before.get_or_insert(peak);
        println!("  {name:<40} {peak:>10.1} {:>+10.1}", peak - first);
    }
}

/// `VmHWM` (proc(5)), in MiB.
fn highest(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("/proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.expect("VmHWM").trim().trim_end_matches(" kB");
    kibibytes.parse::<f64>().expect("a number") / 1024.0
}
