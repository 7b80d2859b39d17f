//! Crashes and full disks.

use testbed::Signal;

use super::pattern;
use super::together::half_sent_from;
use crate::service::Service;

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_loses_one_slice_at_most_and_the_upload_goes_on() {
    let mut service = Service::start().await;
    let body = pattern(30_000_000);
    let path = service.begin("a", 30_000_000).await;
    let mut offset = 0;
    for round in 0..2 {
        let end = offset + 12_000_000;
        let stream = half_sent_from(&service, &path, offset, &body[offset..end]).await;
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        // At least the first slice of the two is on disk.
        while at(&service, &path).await < offset + 8 * 1024 * 1024 {
            assert!(std::time::Instant::now() < deadline, "nothing is kept");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let told = at(&service, &path).await;
        service.child.signal(Signal::Kill).unwrap();
        drop(stream);
        service.restart();
        offset = at(&service, &path).await;
        assert!(offset >= told, "round {round}");
    }
    assert_eq!(service.get("a").await.status(), 404);
    assert_eq!(
        service
            .append(&path, offset as u64, &body[offset..])
            .await
            .status(),
        204
    );
    assert!(service.get("a").await.bytes().await.unwrap() == body);
}

async fn at(service: &Service, path: &str) -> usize {
    service.offset(path).await.try_into().unwrap()
}
