//! A large object in and out, beside nginx and a plain copy. What counts is the disk: DMAPI answers
//! when the bytes are on it.

use std::process::Command;
use std::time::Instant;

use super::load::{Rate, compare};
use super::transfer;
use super::world::World;

/// Of the large object.
pub(crate) const BYTES: usize = 100 * 1024 * 1024;

#[allow(clippy::cast_precision_loss)] // a hundred
const MEBIBYTES: f64 = (BYTES / 1024 / 1024) as f64;

pub(crate) fn measure(world: &World) {
    let file = world.folder().join("www/large");
    let (to_nginx, to_media) = (world.nginx("/up/large"), world.media("/api/media/large"));
    let token = Some(world.token());
    let copy = || {
        let started = Instant::now();
        let mut dd = Command::new("dd");
        dd.arg(format!("if={}", file.display()))
            .arg(format!("of={}", world.folder().join("copy").display()))
            .args(["bs=256K", "conv=fsync", "status=none"]);
        assert!(dd.status().expect("dd").success());
        MEBIBYTES / started.elapsed().as_secs_f64()
    };
    compare(
        "PUT of 100 MiB, MiB a second",
        &[
            Rate::new("dd, with fsync", copy),
            Rate::new("nginx, without fsync", || {
                MEBIBYTES / transfer::put(&to_nginx, &file, None)
            }),
            Rate::new("DMAPI, with fsync and SHA-256", || {
                MEBIBYTES / transfer::put(&to_media, &file, token)
            }),
        ],
    );
    let from_nginx = world.nginx("/large");
    compare(
        "GET of 100 MiB, MiB a second",
        &[
            Rate::new("nginx", || MEBIBYTES / transfer::get(&from_nginx, None)),
            Rate::new("DMAPI", || MEBIBYTES / transfer::get(&to_media, token)),
        ],
    );
}
