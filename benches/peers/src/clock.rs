//! A clock to turn by hand for programs of others: `clock.c`, built here and preloaded.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Names the file that the preloaded clock reads.
const CLOCK_FILE: &str = "CLOCK_FILE";

/// Whether this program was started with a clock that is turned.
pub fn is_turned() -> bool {
    std::env::var_os(CLOCK_FILE).is_some()
}

/// Turns the clock of every program that was started with it.
pub struct Clock {
    library: PathBuf,
    file: PathBuf,
    ahead: u64,
}

impl Clock {
    /// Builds it in a folder of its own.
    pub fn build(folder: &Path) -> Self {
        let library = folder.join("clock.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("clock.c");
        let status = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-o"])
            .args([&library, &source])
            .status()
            .expect("a C compiler");
        assert!(status.success(), "clock.c does not build");
        let clock = Self {
            library,
            file: folder.join("clock"),
            ahead: 0,
        };
        clock.write(&clock.ahead.to_string());
        clock
    }

    pub fn preload(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", &self.library)
            .env(CLOCK_FILE, &self.file);
    }

    /// All clocks are so many seconds ahead.
    pub fn set_ahead(&mut self, seconds: u64) {
        self.ahead = seconds;
        self.write(&seconds.to_string());
    }

    /// The calendar stands still at this time: edges of a second are judged where they are.
    pub fn stand_still_at(&self, seconds: u64) {
        self.write(&format!("={seconds}"));
    }

    pub fn ahead(&self) -> u64 {
        self.ahead
    }

    fn write(&self, text: &str) {
        // Ends in spaces: a shorter number written over a longer one leaves nothing of it.
        std::fs::write(&self.file, format!("{text:<24}")).expect("a file for the clock");
    }
}
