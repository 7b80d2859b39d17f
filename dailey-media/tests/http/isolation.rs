//! Each app's and each user's objects are their own.

use reqwest::Method;

use crate::service::{APP, OTHER_APP, Service, json, problem};

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_or_touches_the_objects_of_another_user_or_app() {
    let service = Service::start().await;
    assert_eq!(service.put("secret", b"mine").await.status(), 201);
    let others = [
        service.token().claim("sub", "user-2"),
        service.token().claim("aud", OTHER_APP),
        // Subjects that would climb into the neighbour's folder.
        service.token().claim("sub", "../user-1"),
        service.token().claim("sub", "user-1.d"),
        service.token().claim("sub", "user-1/"),
        service.token().claim("sub", "x/../user-1"),
    ];
    for other in others {
        for method in [Method::GET, Method::HEAD, Method::DELETE] {
            let got = service
                .request_as(method, "/api/media/secret", &other)
                .send()
                .await
                .unwrap();
            assert_eq!(got.status(), 404);
        }
        let list = service
            .request_as(Method::GET, "/api/media", &other)
            .send()
            .await
            .unwrap();
        assert_eq!(json(list).await["objects"].as_array().unwrap().len(), 0);
        let put = service
            .request_as(Method::PUT, "/api/media/secret", &other)
            .body("theirs")
            .send()
            .await
            .unwrap();
        assert_eq!(put.status(), 201, "it is another object");
    }
    assert_eq!(service.get("secret").await.text().await.unwrap(), "mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_two_apps_of_this_service_opens_neither() {
    let service = Service::start().await;
    let both = service.token().claim("aud", vec![APP, OTHER_APP]);
    let got = service
        .request_as(Method::GET, "/api/media", &both)
        .send()
        .await
        .unwrap();
    assert_eq!(problem(got).await, (403, "audience_ambiguous".into()));
    let one_of_ours = service.token().claim("aud", vec![APP, "elsewhere"]);
    assert_eq!(
        service
            .request_as(Method::GET, "/api/media", &one_of_ours)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
}
