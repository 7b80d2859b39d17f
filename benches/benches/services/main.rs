//! The services under load: DMAPI beside nginx, plain axum and itself without its layers; Core beside
//! nginx and the bare signature. Everything on loopback, one machine for client and server.
//!
//! `cargo xtask bench services` builds the programs first; they are looked for beside this one.

#![allow(clippy::print_stdout)] // reports

mod large;
mod load;
mod memory;
mod own;
mod transfer;
mod world;

use std::time::Duration;

use benches::bare_signature;
use dailey_auth::testing::SigningKey;

use self::load::{Load, Rate, compare};
use self::world::World;

/// Times that each row is measured, in turn with the others.
const ROUNDS: usize = 7;

fn main() {
    // The servers of this program's own are processes like the others.
    match std::env::args().nth(1).as_deref() {
        Some(own::PLAIN) => return own::serve_plain(),
        Some(own::WITHOUT_LAYERS) => return own::serve_without_layers(),
        _ => {}
    }
    let world = World::start();
    let load = Load::new(&world);

    compare(
        "4 KiB, requests a second",
        &[
            load.get("nginx, a file", &world.nginx("/4k")),
            load.get("axum, from memory", &world.plain("/4k")),
            load.with_token("DMAPI, with a token", &world.media("/api/media/4k")),
            load.with_token(
                "the same without its layers",
                &world.without_layers("/api/media/4k"),
            ),
        ],
    );
    compare(
        "the smallest answer, requests a second",
        &[
            load.get("nginx, a file of 2 bytes", &world.nginx("/ok")),
            load.get("nginx, `return 200`", &world.nginx("/return")),
            load.get("axum, 2 bytes", &world.plain("/ok")),
            load.get("DMAPI, /health/live", &world.media("/health/live")),
        ],
    );
    compare(
        "the key set, requests a second",
        &[
            load.get("nginx, a file", &world.nginx("/jwks.json")),
            load.get("Core", &world.core("/.well-known/jwks.json")),
        ],
    );
    let sign = bare_signature(SigningKey::generate());
    compare(
        "tokens, a second",
        &[
            Rate::new("bare RSA-2048 signature, two threads", || both(&sign)),
            load.client_credentials("Core, client_credentials", &world.core("/oauth/token")),
        ],
    );
    large::measure(&world);
    memory::measure(&world);
}

/// How often both processors do it in a second.
fn both(run: &(impl Fn() + Sync)) -> f64 {
    let count = || {
        let (started, mut count) = (std::time::Instant::now(), 0_u32);
        while started.elapsed() < Duration::from_secs(1) {
            run();
            count += 1;
        }
        f64::from(count) / started.elapsed().as_secs_f64()
    };
    std::thread::scope(|scope| {
        let threads = [scope.spawn(count), scope.spawn(count)];
        threads
            .into_iter()
            .map(|thread| thread.join().expect("it only counts"))
            .sum()
    })
}
