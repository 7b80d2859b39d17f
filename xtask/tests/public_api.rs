//! What `dailey-auth` shows the outside, with all its features, is what `dailey-auth/public-api.txt` lists: whoever
//! changes it sees it, and so does who reads the change.
//!
//! The list is made of rustdoc's JSON, which only a nightly toolchain writes unless `RUSTC_BOOTSTRAP` is set. It is set
//! for rustdoc alone: build scripts look at it, and everything would be built again. The crate `public-api` reads the JSON
//! of certain toolchains: it goes up with `rust-toolchain.toml`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the list is, from the checkout.
const LIST: &str = "dailey-auth/public-api.txt";

/// Set to write the list anew.
const UPDATE: &str = "UPDATE_PUBLIC_API";

#[test]
fn the_public_surface_of_dailey_auth_is_what_its_list_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies in the checkout");
    let list = root.join(LIST);
    let found = surface(root);
    if std::env::var_os(UPDATE).is_some() {
        fs::write(&list, &found).expect("the list can be written");
    }
    let listed = fs::read_to_string(&list).unwrap_or_default();
    let differences = differences(&listed, &found);
    assert!(
        differences.is_empty(),
        "{LIST} (-) is not what there is (+):\n{differences}\n\
         If it is meant to change: {UPDATE}=1 cargo nextest run -p xtask --test public_api, and a line in CHANGELOG.md"
    );
}

/// One line for each item: its path, its type, and which traits it has, `Send` and `Sync` among them.
fn surface(root: &Path) -> String {
    let json = json_of(root);
    let surface = public_api::Builder::from_rustdoc_json(&json)
        // They come with every type.
        .omit_blanket_impls(true)
        .build()
        .expect("the crate public-api reads the JSON of this toolchain's rustdoc");
    surface.to_string()
}

/// Has rustdoc write its JSON; where that is.
fn json_of(root: &Path) -> PathBuf {
    // target/debug/xtask
    let program = Path::new(env!("CARGO_BIN_EXE_xtask"));
    let target = program
        .ancestors()
        .nth(2)
        .expect("it lies in the target folder");
    let json = target.join("doc/dailey_auth.json");
    // What lies there may be of another day.
    let _ = fs::remove_file(&json);
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let rustdoc = folder.path().join("rustdoc");
    fs::write(
        &rustdoc,
        "#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc \"$@\"\n",
    )
    .and_then(|()| fs::set_permissions(&rustdoc, fs::Permissions::from_mode(0o755)))
    .expect("a script can be written");
    let output = Command::new(env!("CARGO"))
        .args(["rustdoc", "--package", "dailey-auth", "--lib"])
        .args(["--all-features", "--target-dir"])
        .arg(target)
        .args(["--", "-Z", "unstable-options", "--output-format", "json"])
        .env("RUSTDOC", &rustdoc)
        .env_remove("RUSTDOCFLAGS")
        .current_dir(root)
        .output()
        .expect("cargo can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && json.is_file(), "{said}");
    json
}

/// Lines that only one of the two has.
fn differences(listed: &str, found: &str) -> String {
    let only = |mark: char, one: &str, other: &str| {
        let others: Vec<&str> = other.lines().collect();
        let lines = one.lines().filter(|line| !others.contains(line));
        let marked = lines.map(|line| format!("{mark} {line}\n"));
        marked.collect::<Vec<_>>().concat()
    };
    only('-', listed, found) + &only('+', found, listed)
}

#[test]
fn what_only_one_list_has_is_a_difference() {
    assert_eq!(differences("a\nb\n", "a\nb\n"), "");
    assert_eq!(differences("a\nb\n", "b\nc\n"), "- a\n+ c\n");
}
