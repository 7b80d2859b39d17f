//! A disk that is full: said clearly, nothing half visible, and over as soon as there is room.

use reqwest::Method;

use super::pattern;
use crate::service::{Service, json, problem};

const MIB: usize = 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the right to mount a tmpfs in a namespace of its own"]
async fn a_full_disk_refuses_a_put_and_recovers_by_itself() {
    let service = Service::start_on_a_small_disk(32).await;
    let put = async |key: &str, bytes: usize| {
        let request = service.request(Method::PUT, &format!("/api/media/{key}"));
        request.body(pattern(bytes)).send().await.unwrap()
    };
    assert_eq!(put("filler", 20 * MIB).await.status(), 201);
    assert_eq!(service.put("small", b"old").await.status(), 201);
    let full = (507, "storage_full".to_owned());
    assert_eq!(problem(put("more", 20 * MIB).await).await, full);
    assert_eq!(problem(put("small", 20 * MIB).await).await, full);
    assert_eq!(service.get("more").await.status(), 404);
    assert_eq!(service.get("small").await.text().await.unwrap(), "old");
    let list = service
        .request(Method::GET, "/api/media")
        .send()
        .await
        .unwrap();
    assert_eq!(json(list).await["objects"].as_array().unwrap().len(), 2);
    // What did not fit has given its room back.
    assert_eq!(put("fits", 8 * MIB).await.status(), 201);

    let gone = service
        .request(Method::DELETE, "/api/media/filler")
        .send()
        .await
        .unwrap();
    assert_eq!(gone.status(), 204);
    assert_eq!(put("more", 20 * MIB).await.status(), 201);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the right to mount a tmpfs in a namespace of its own"]
async fn a_resumable_upload_waits_for_room_and_goes_on() {
    let service = Service::start_on_a_small_disk(40).await;
    let body = pattern(30 * MIB);
    let put = service
        .request(Method::PUT, "/api/media/filler")
        .body(pattern(18 * MIB));
    assert_eq!(put.send().await.unwrap().status(), 201);
    let path = service.begin("a", 30 * MIB as u64).await;
    let full = (507, "storage_full".to_owned());
    assert_eq!(problem(service.append(&path, 0, &body).await).await, full);
    let kept = service.offset(&path).await;
    assert_eq!(kept, 16 * MIB as u64, "the slices that fitted");
    let rest = &body[16 * MIB..];
    assert_eq!(problem(service.append(&path, kept, rest).await).await, full);
    assert_eq!(service.offset(&path).await, kept);
    assert_eq!(service.get("a").await.status(), 404);

    let gone = service
        .request(Method::DELETE, "/api/media/filler")
        .send()
        .await
        .unwrap();
    assert_eq!(gone.status(), 204);
    assert_eq!(service.append(&path, kept, rest).await.status(), 204);
    assert!(service.get("a").await.bytes().await.unwrap() == body);

    // Who gives up has the room back at once.
    let path = service.begin("b", 30 * MIB as u64).await;
    assert_eq!(problem(service.append(&path, 0, &body).await).await, full);
    let ended = service.tus(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(ended.status(), 204);
    let put = service
        .request(Method::PUT, "/api/media/c")
        .body(pattern(8 * MIB));
    assert_eq!(put.send().await.unwrap().status(), 201);
}
