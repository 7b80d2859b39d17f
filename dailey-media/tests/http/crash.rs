//! What a killed process leaves behind: everything that was acknowledged, and nothing else.

use std::time::{Duration, Instant};

use reqwest::Method;
use testbed::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::service::Service;

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_during_an_upload_leaves_the_old_object_and_no_half_one() {
    let mut service = Service::start().await;
    assert_eq!(service.put("kept", b"old").await.status(), 201);
    let uploads = service.folder.path().join("data/media/uploads");
    let bearer = service.bearer(&service.token());
    let mut streams = Vec::new();
    for key in ["kept", "new"] {
        let mut stream = TcpStream::connect(("127.0.0.1", service.port))
            .await
            .unwrap();
        let head = format!(
            "PUT /api/media/{key} HTTP/1.1\r\nhost: a\r\nauthorization: {bearer}\r\ncontent-length: 2000000\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b'x'; 1_000_000]).await.unwrap();
        streams.push(stream);
    }
    let under_way = || -> u64 {
        std::fs::read_dir(&uploads)
            .unwrap()
            .map(|file| file.unwrap().metadata().map_or(0, |data| data.len()))
            .sum()
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    while under_way() < 1_000_000 {
        assert!(
            Instant::now() < deadline,
            "the bytes never reached the disk"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    service.child.signal(Signal::Kill).unwrap();
    for mut stream in streams {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
    service.restart();
    assert_eq!(service.get("kept").await.text().await.unwrap(), "old");
    assert_eq!(service.get("new").await.status(), 404);
    assert_eq!(
        std::fs::read_dir(&uploads).unwrap().count(),
        0,
        "left-over uploads are swept"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_folders_that_a_kill_leaves_in_local_files_go_after_the_start() {
    let mut service = Service::start().await;
    assert_eq!(service.put("a/kept", b"x").await.status(), 201);
    let objects = service.folder.path().join("data/media/objects");
    let space = objects.join(format!("{}.d/user-1.d", crate::service::APP));
    service.child.signal(Signal::Kill).unwrap();
    // Where an object was about to be, or had just been.
    let left = [
        space.join("a.d/b.d"),
        space.join("gone.d"),
        space.with_file_name("user-2.d"),
    ];
    for folder in &left {
        std::fs::create_dir_all(folder.join("deeper.d")).unwrap();
    }
    service.restart();
    let deadline = Instant::now() + Duration::from_secs(20);
    while left.iter().any(|folder| folder.exists()) {
        assert!(Instant::now() < deadline, "empty folders stay");
        assert_eq!(service.put("gone/deeper/new", b"x").await.status(), 201);
        let deleted = service.request(Method::DELETE, "/api/media/gone/deeper/new");
        assert_eq!(deleted.send().await.unwrap().status(), 204);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(service.get("a/kept").await.text().await.unwrap(), "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_the_client_breaks_off_stores_nothing() {
    let service = Service::start().await;
    let bearer = service.bearer(&service.token());
    let mut stream = TcpStream::connect(("127.0.0.1", service.port))
        .await
        .unwrap();
    let head = format!(
        "PUT /api/media/half HTTP/1.1\r\nhost: a\r\nauthorization: {bearer}\r\ncontent-length: 10\r\n\r\nhalf"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let _ = stream.read_to_end(&mut Vec::new()).await;
    assert_eq!(service.get("half").await.status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_never_answers_does_not_keep_the_process_alive() {
    let mut service = Service::start().await;
    assert_eq!(service.put("a", b"x").await.status(), 201);
    let folder = service
        .folder
        .path()
        .join("data/media/objects")
        .join(format!("{}.d/user-1.d", crate::service::APP));
    // Opening a pipe that nobody writes to never returns.
    let made = std::process::Command::new("mkfifo")
        .arg(folder.join("stuck.o"))
        .status()
        .unwrap();
    assert!(made.success());
    let stuck = service
        .request(reqwest::Method::GET, "/api/media/stuck")
        .timeout(Duration::from_secs(1));
    assert!(stuck.send().await.unwrap_err().is_timeout());
    service.child.signal(Signal::Terminate).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while service.child.exited().is_none() {
        assert!(Instant::now() < deadline, "still there after SIGTERM");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
