//! `reload`: SIGHUP for those who do not know the process, after a look at what it would find.

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::{Failure, Output, settings};
use crate::service::Live;
use crate::settings::Purpose;

/// The name of this program, as the kernel knows it.
const NAME: &str = "dailey-core";

pub(super) fn run(output: Output) -> Result<(), Failure> {
    let settings = settings(Purpose::Serve)?;
    // The audience plays no part in what can be wrong.
    Live::load(&settings, None).map_err(Failure)?;
    let folder = std::env::current_dir()?;
    let serving = serving_from(&folder)?;
    if serving.is_empty() {
        return Err(Failure::new(format!(
            "no Core of ours serves from {}: run this where `serve` was started, as its user",
            folder.display()
        )));
    }
    for pid in &serving {
        kill_process(*pid, Signal::HUP)
            .map_err(|error| Failure::new(format!("process {pid} takes no signal: {error}")))?;
    }
    let ids: Vec<i32> = serving
        .iter()
        .map(|pid| pid.as_raw_nonzero().get())
        .collect();
    let text = format!("told process {ids:?} to reload; its log says what came of it");
    output.print(&json!({ "signalled": ids }), &text)
}

/// The processes that run `dailey-core serve` in this folder, as far as this user may know.
fn serving_from(folder: &Path) -> Result<Vec<Pid>, Failure> {
    let processes = std::fs::read_dir("/proc")?;
    Ok(processes
        .filter_map(|entry| {
            let process = entry.ok()?.path();
            let id: i32 = process.file_name()?.to_str()?.parse().ok()?;
            serves_from(&process, folder).then(|| Pid::from_raw(id))?
        })
        .collect())
}

fn serves_from(process: &Path, folder: &Path) -> bool {
    let read = |name: &str| std::fs::read(process.join(name)).unwrap_or_default();
    let is_ours = read("comm").trim_ascii_end() == NAME.as_bytes();
    // Its arguments, each ended by a zero byte (proc_pid_cmdline(5)).
    let serves = read("cmdline").split(|byte| *byte == 0).nth(1) == Some(b"serve");
    let here = std::fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == folder);
    is_ours && serves && here
}
