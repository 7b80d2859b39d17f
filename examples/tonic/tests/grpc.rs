//! The example as a process, attacked by a real gRPC client.

#![allow(clippy::unwrap_used)] // what fails here says so by failing

use dailey_auth::testing::{Fault, SigningKey};
use example_black_box::Service;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

/// `message Empty {}`
#[derive(Clone, PartialEq, prost::Message)]
struct Empty {}

/// `message Text { string text = 1; }`
#[derive(Clone, PartialEq, prost::Message)]
struct Text {
    #[prost(string, tag = "1")]
    text: String,
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_example-tonic");

/// The text of a method's answer to a call with these `authorization` values.
async fn call(service: &Service, method: &str, authorization: &[&str]) -> Result<String, Status> {
    let channel = Channel::from_shared(format!("http://127.0.0.1:{}", service.port()));
    let mut grpc = Grpc::new(channel.unwrap().connect().await.unwrap());
    grpc.ready().await.unwrap();
    let mut request = Request::new(Empty {});
    for value in authorization {
        let metadata = request.metadata_mut();
        metadata.append("authorization", value.parse().unwrap());
    }
    let path = format!("/example.Example/{method}").parse().unwrap();
    let answer = grpc.unary(request, path, ProstCodec::<Empty, Text>::default());
    answer.await.map(|answer| answer.into_inner().text)
}

#[track_caller]
fn assert_refused(answer: Result<String, Status>, code: Code, ours: &str) {
    let status = answer.unwrap_err();
    assert_eq!(status.code(), code, "{status:?}");
    let metadata = status.metadata();
    assert_eq!(metadata.get("dailey-auth-code").unwrap(), ours);
    let pushback = metadata.get("grpc-retry-pushback-ms");
    assert_eq!(pushback.is_some(), code == Code::Unavailable, "{status:?}");
}

/// `async` tests would start the child on a thread that ends before it.
fn run(test: impl AsyncFnOnce()) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(test());
}

#[test]
fn a_good_token_gets_in_and_its_scope_counts() {
    let service = Service::start(PROGRAM);
    run(async || {
        let bearer = format!("bearer {}", service.sign(&service.token()));
        let text = |text: &str| Ok::<_, Code>(text.to_owned());
        for (method, expected) in [
            ("Hello", "hello user-1"),
            ("Reports", "the reports of user-1"),
            ("Public", "welcome back user-1"),
        ] {
            let answer = call(&service, method, &[&bearer]).await;
            assert_eq!(answer.map_err(|status| status.code()), text(expected));
        }
        let short = service.token().claim("scope", "reports:write");
        let bearer = format!("Bearer {}", service.sign(&short));
        assert!(call(&service, "Hello", &[&bearer]).await.is_ok());
        assert_refused(
            call(&service, "Reports", &[&bearer]).await,
            Code::PermissionDenied,
            "insufficient_scope",
        );
    });
}

#[test]
fn without_one_good_token_a_call_is_unauthenticated() {
    let service = Service::start(PROGRAM);
    let good = format!("Bearer {}", service.sign(&service.token()));
    let bearer = |token: String| format!("Bearer {token}");
    let foreign = bearer(service.sign(&service.token().claim("aud", "other")));
    let old = service.token().issued_at(1000).expires_at(1600);
    let old = bearer(service.sign(&old));
    let unknown = bearer(service.token().sign(&SigningKey::generate()));
    run(async || {
        for (authorization, code) in [
            (&[][..], "token_missing"),
            (&[good.as_str(), good.as_str()], "token_missing"),
            (&["Basic dXNlcjpwYXNz"], "token_missing"),
            (&["Bearer garbage"], "token_malformed"),
            (&[foreign.as_str()], "audience_mismatch"),
            (&[old.as_str()], "expired"),
            (&[unknown.as_str()], "kid_unknown"),
        ] {
            for method in ["Hello", "Reports", "Public"] {
                let answer = call(&service, method, authorization).await;
                if method == "Public" && authorization.is_empty() {
                    assert_eq!(answer.unwrap(), "welcome");
                } else {
                    assert_refused(answer, Code::Unauthenticated, code);
                }
            }
        }
    });
}

#[test]
fn without_keys_there_is_no_verdict() {
    let service = Service::start_with(PROGRAM, Some(Fault::Status(500)));
    let bearer = format!("Bearer {}", service.sign(&service.token()));
    run(async || {
        let answer = call(&service, "Hello", &[&bearer]).await;
        assert_refused(answer, Code::Unavailable, "keys_unavailable");
        let answer = call(&service, "Hello", &[]).await;
        assert_refused(answer, Code::Unauthenticated, "token_missing");
    });
}

#[test]
fn no_token_is_ever_printed() {
    let mut service = Service::start(PROGRAM);
    let tokens = [
        service.sign(&service.token()),
        service.sign(&service.token().issued_at(1000).expires_at(1600)),
    ];
    run(async || {
        for token in &tokens {
            let bearer = format!("Bearer {token}");
            call(&service, "Hello", &[&bearer]).await.ok();
            call(&service, "Hello", &[&bearer, &bearer]).await.ok();
        }
    });
    let printed = service.stop();
    assert!(printed.contains("listening"), "it logs: {printed}");
    for segment in tokens.iter().flat_map(|token| token.split('.')) {
        assert!(!printed.contains(segment), "{printed}");
    }
}
