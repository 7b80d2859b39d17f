//! The programs of this workspace, as the run of all tests builds them: beside the test itself.

use std::env;
use std::path::PathBuf;

/// What a machine or a page needs; the command `dailey-auth` is a feature of its package.
const PROGRAMS: [&str; 5] = [
    "core-replica-health",
    "dailey-auth",
    "dailey-core",
    "dailey-media",
    "example-axum",
];

/// The folder of the built programs.
///
/// A run of the whole workspace builds them anew; a run of this package alone does not, and says so where one is
/// missing.
pub fn built() -> PathBuf {
    let test = env::current_exe().unwrap();
    // target/debug/deps/edge-0123456789abcdef
    let folder = test.ancestors().nth(2).unwrap().to_owned();
    for program in PROGRAMS {
        assert!(
            folder.join(program).is_file(),
            "{program} is not built: run `cargo build --workspace --all-features --bins` first, or `cargo xtask test`"
        );
    }
    folder
}
