//! tus-js-client uploads a large file while everything around it is killed.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{Context, SHA256};
use testbed::{Child, Signal};

use super::pattern;
use crate::service::{Service, header};

const MIB: usize = 1024 * 1024;
const FILE_MIB: usize = 1024;

/// Most that the service's memory may grow by while it takes the file.
const MAX_GROWTH_KIB: u64 = 24 * 1024;

/// Longest wait for the next step.
const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Node packages: `cargo xtask test` sets them up and runs this"]
async fn a_gibibyte_arrives_whole_though_both_sides_are_killed() {
    // The file is as large as what a user may store by default.
    let mut service = Service::configured("[limits]\nuser_quota_bytes = 0\n").await;
    let folder = service.folder.path().to_owned();
    let file = folder.join("film.bin");
    let sha256 = write_large(&file);
    let token = folder.join("token");
    std::fs::write(&token, service.token().sign(&service.key)).unwrap();
    warm_up(&service).await;

    let mut growth = 0;
    let mut client = client(&service, &file, &token, "client-1.log");
    for accepted in [200 * MIB, 450 * MIB] {
        let before = memory_kib(&service, "VmRSS:");
        wait_for(&mut client, accepted).await;
        growth = growth.max(memory_kib(&service, "VmHWM:").saturating_sub(before));
        service.child.signal(Signal::Kill).unwrap();
        service.restart();
        warm_up(&service).await;
    }
    wait_for(&mut client, 600 * MIB).await;
    client.signal(Signal::Kill).unwrap();
    let before = memory_kib(&service, "VmRSS:");
    let mut client = self::client(&service, &file, &token, "client-2.log");
    wait_for(&mut client, FILE_MIB * MIB).await;
    let deadline = Instant::now() + DEADLINE;
    while client.exited().is_none() {
        assert!(Instant::now() < deadline, "the client does not end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    growth = growth.max(memory_kib(&service, "VmHWM:").saturating_sub(before));
    let said = std::fs::read_to_string(client.log()).unwrap();
    assert!(said.starts_with("goes on"), "{said}");
    assert!(said.ends_with("done\n"), "{said}");
    assert!(growth <= MAX_GROWTH_KIB, "memory grew by {growth} KiB");

    let mut got = service.get("film").await;
    assert_eq!(got.status(), 200);
    assert_eq!(header(&got, "content-type"), "video/mp4");
    let mut digest = Context::new(&SHA256);
    while let Some(bytes) = got.chunk().await.unwrap() {
        digest.update(&bytes);
    }
    assert_eq!(digest.finish().as_ref(), sha256);
}

/// Makes the file; its digest.
fn write_large(path: &Path) -> Vec<u8> {
    let mut file = File::create(path).unwrap();
    let mut digest = Context::new(&SHA256);
    let mut block = pattern(MIB);
    for n in 0..FILE_MIB as u64 {
        block[..8].copy_from_slice(&n.to_le_bytes());
        digest.update(&block);
        file.write_all(&block).unwrap();
    }
    digest.finish().as_ref().to_vec()
}

/// What every process takes once is not growth.
async fn warm_up(service: &Service) {
    assert!(service.put("warm", b"x").await.status().is_success());
    assert_eq!(service.get("warm").await.status(), 200);
}

fn client(service: &Service, file: &Path, token: &Path, log: &str) -> Child {
    let peers = std::env::var_os("DAILEY_PEERS").map_or_else(
        || {
            PathBuf::from(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../target/testbed/peers"
            ))
        },
        PathBuf::from,
    );
    let folder = service.folder.path();
    let mut command = Command::new("node");
    command
        .arg(peers.join("node/upload.mjs"))
        .arg(format!("http://127.0.0.1:{}/api/uploads", service.port))
        .args([file, Path::new("film"), token, &folder.join("kept")]);
    Child::start("tus-js-client", command, &folder.join(log)).unwrap()
}

/// Until the client knows that this much is kept.
async fn wait_for(client: &mut Child, accepted: usize) {
    let mut deadline = Instant::now() + DEADLINE;
    let mut last = 0;
    loop {
        let said = std::fs::read_to_string(client.log()).unwrap();
        let known = said.lines().filter_map(|line| line.parse::<usize>().ok());
        let known = known.max().unwrap_or_default();
        if known >= accepted {
            return;
        }
        assert!(
            client.exited().is_none() || said.ends_with("done\n"),
            "{said}"
        );
        if known > last {
            (last, deadline) = (known, Instant::now() + DEADLINE);
        }
        assert!(Instant::now() < deadline, "no progress: {said}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn memory_kib(service: &Service, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", service.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse().unwrap()
}
