//! Lists: complete, in order, page by page.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::Value;

use crate::service::{Service, json, problem};
use crate::store::{LONGEST_ON_S3S_FS, Lie};

const KEYS: [&str; 14] = [
    "a",
    "a!",
    "a-b",
    "a/1",
    "a/2",
    "a/b/c",
    "a/b/d",
    "a0",
    "b",
    "b/é",
    "b/ü/x",
    "c d",
    "z/deep/er/x",
    "é",
];

async fn page(service: &Service, query: &str) -> (Vec<String>, Vec<String>, Option<String>) {
    let got = service
        .request(Method::GET, &format!("/api/media?{query}"))
        .send()
        .await
        .unwrap();
    assert_eq!(got.status(), 200, "{query}");
    let body = json(got).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let objects = body["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| text(&object["key"]))
        .collect();
    let prefixes = body["prefixes"]
        .as_array()
        .unwrap()
        .iter()
        .map(text)
        .collect();
    (
        objects,
        prefixes,
        body["next_cursor"].as_str().map(str::to_owned),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_size_gives_every_object_once_and_in_order() {
    let service = Service::start().await;
    let length = if service.store.lies_about(Lie::LongKeys) {
        LONGEST_ON_S3S_FS - 2
    } else {
        200
    };
    let long = format!("{}/x", "l".repeat(length));
    let keys: Vec<&str> = KEYS
        .into_iter()
        .chain([&*long, &long[..length - 20], &long[..length]])
        .collect();
    let is_folder = |key: &&str| {
        let mut others = keys.iter();
        others.any(|other| {
            other
                .strip_prefix(key)
                .is_some_and(|rest| rest.starts_with('/'))
        })
    };
    // Where a key cannot be another's folder, what is below is there first.
    let (folders, mut keys): (Vec<&str>, Vec<&str>) = keys
        .iter()
        .partition(|key| service.store.lies_about(Lie::Folders) && is_folder(key));
    let put = async |key: &&str| {
        let path = format!("/api/media/{}", key.replace(' ', "%20"));
        let put = service.request(Method::PUT, &path).body("x");
        put.send().await.unwrap()
    };
    for key in &keys {
        assert_eq!(put(key).await.status(), 201, "{key}");
    }
    let mut told = join_all(folders.iter().map(put)).await;
    told.extend(join_all(folders.iter().map(|key| service.get(key))).await);
    for answer in told {
        let told = problem(answer).await;
        assert_eq!(told, (503, "storage_unavailable".into()));
    }
    keys.sort_unstable();
    for delimiter in ["", "/"] {
        for prefix in ["", "a", "a/", "a/b", "b/%C3%BC", "l", "nothing"] {
            let decoded = prefix.replace("%C3%BC", "ü");
            let whole: Vec<&str> = keys
                .iter()
                .copied()
                .filter(|key| key.starts_with(&decoded))
                .collect();
            let mut expected: Vec<String> = whole
                .iter()
                .map(|key| match key[decoded.len()..].find('/') {
                    Some(at) if delimiter == "/" => key[..=decoded.len() + at].to_owned(),
                    _ => (*key).to_owned(),
                })
                .collect();
            expected.dedup();
            for limit in [1, 2, 3, 5, 1000] {
                let query = format!("prefix={prefix}&delimiter={delimiter}&limit={limit}");
                let (mut seen, mut cursor) = (Vec::new(), None::<String>);
                loop {
                    let more = cursor
                        .as_ref()
                        .map(|cursor| format!("&cursor={cursor}"))
                        .unwrap_or_default();
                    let (objects, prefixes, next) = page(&service, &format!("{query}{more}")).await;
                    assert!(objects.len() + prefixes.len() <= limit);
                    let mut both = [objects, prefixes].concat();
                    both.sort();
                    seen.extend(both);
                    assert!(
                        seen.len() <= expected.len(),
                        "{query} repeats itself: {seen:?}"
                    );
                    cursor = next;
                    if cursor.is_none() {
                        break;
                    }
                }
                assert_eq!(seen, expected, "{query}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_takes_only_what_it_understands() {
    let service = Service::start().await;
    for key in ["a", "b"] {
        service.put(key, b"x").await;
    }
    let cursor = page(&service, "limit=1").await.2.unwrap();
    let theirs = service.token().claim("sub", "user-2");
    let stolen = service.request_as(
        Method::GET,
        &format!("/api/media?limit=1&cursor={cursor}"),
        &theirs,
    );
    assert_eq!(
        problem(stolen.send().await.unwrap()).await,
        (400, "cursor_invalid".into())
    );
    for (query, code) in [
        ("limit=0", "query_invalid"),
        ("limit=1001", "query_invalid"),
        ("limit=x", "query_invalid"),
        ("limit=1&limit=2", "query_invalid"),
        ("delimiter=-", "query_invalid"),
        ("unknown=1", "query_invalid"),
        ("cursor=AAAA", "cursor_invalid"),
        (&*format!("prefix=b&cursor={cursor}"), "cursor_invalid"),
    ] {
        let got = service
            .request(Method::GET, &format!("/api/media?{query}"))
            .send()
            .await
            .unwrap();
        assert_eq!(problem(got).await, (400, code.into()), "{query}");
    }
}
