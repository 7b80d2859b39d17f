//! A bucket that is not as it must be is named by the right check, within its time.

use std::time::{Duration, Instant};

use serde_json::Value;
use testbed::s3::{ACCESS_KEY_ID, Kind, S3Server, SECRET_ACCESS_KEY};
use testbed::{Condition, Heard, Proxy, Traffic};

use super::gate::stays_shut;
use super::ground::{APP, Ground, causes, one, with_status, write};

/// A production set-up on a bucket, TLS and a proxy in front of it.
struct OnS3 {
    ground: Ground,
    proxy: Proxy,
    _server: S3Server,
}

const BUCKET: &str = "media";

impl OnS3 {
    async fn new(kind: Kind) -> Self {
        let mut ground = Ground::new().await;
        let folder = ground.path("s3");
        // From the test's own thread: the server dies with the thread that started it.
        let server = S3Server::start(kind, &folder).unwrap();
        server.make_bucket(BUCKET).unwrap();
        let proxy = Proxy::start(server.port()).unwrap();
        let port = ground.core.tls_in_front_of(proxy.port()).await;
        ground.set("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID);
        ground.set("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY);
        let on_s3 = Self {
            ground,
            proxy,
            _server: server,
        };
        on_s3.configure(port, BUCKET);
        on_s3
    }

    fn configure(&self, port: u16, bucket: &str) {
        self.configure_with(port, bucket, "");
    }

    fn configure_with(&self, port: u16, bucket: &str, further: &str) {
        let toml = format!(
            "[storage.s3]\nbucket = '{bucket}'\nregion = 'us-east-1'\nendpoint = 'https://localhost:{port}'\n{further}"
        );
        write(&self.ground.path("dailey-media.toml"), &toml);
    }

    /// The one check that must name it, and what it must say. No report shows a key.
    async fn names(&self, check: &str, said: &str) {
        let (report, status) = self.ground.preflight(&[]).await;
        assert_eq!(status, Some(1), "{report:#}");
        assert_eq!(causes(&report), [check], "{report:#}");
        let check = one(&report, check);
        let detail = check["detail"].as_str().unwrap();
        assert!(detail.contains(said), "{said} in {detail}");
        assert!(!report.to_string().contains(SECRET_ACCESS_KEY), "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn a_bucket_that_keeps_conditions_is_proven() {
    let on_s3 = OnS3::new(Kind::Moto).await;
    let (report, status) = on_s3.ground.preflight(&[]).await;
    assert_eq!(status, Some(0), "{report:#}");
    assert_eq!(with_status(&report, "ok").len(), 8, "{report:#}");
    // This server does not try `If-Match` where a multipart upload is completed, and is found out.
    let detail = &one(&report, "conditional_writes")["detail"];
    let said = "ignores that of a replace-if-unchanged multipart upload";
    assert!(detail.as_str().unwrap().contains(said), "{detail}");
}

/// The server knows no `If-Match` where a multipart upload is completed; from this on it does.
const MULTIPART_IF_UNCHANGED: Condition = Condition {
    method: "POST",
    text: "uploadId=",
    field: "if-match",
    heard: Heard::AsCreateOnly,
};

const NO_CREATE_ONLY_MULTIPART: Condition = Condition {
    method: "POST",
    text: "uploadId=",
    field: "if-none-match",
    heard: Heard::Never,
};

const NO_REPLACE_IF_UNCHANGED: Condition = Condition {
    method: "PUT",
    text: "",
    field: "if-match",
    heard: Heard::Never,
};

const NO_DELETE_IF_UNCHANGED: Condition = Condition {
    method: "DELETE",
    text: "",
    field: "if-match",
    heard: Heard::Never,
};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn a_condition_that_one_process_can_keep_by_itself_is_told() {
    let on_s3 = OnS3::new(Kind::Moto).await;
    for (changed, said) in [
        (
            &[][..],
            "but the store ignores that of a replace-if-unchanged multipart upload: run one dailey-media",
        ),
        (
            &[MULTIPART_IF_UNCHANGED, NO_DELETE_IF_UNCHANGED],
            "but the store ignores that of a delete-if-unchanged: run one dailey-media",
        ),
        (
            &[MULTIPART_IF_UNCHANGED],
            "conditions on writes, large ones and deletions too, are kept, under a race as well",
        ),
    ] {
        on_s3.proxy.set(Traffic::Changes(changed));
        let (report, status) = on_s3.ground.preflight(&[]).await;
        assert_eq!(status, Some(0), "{report:#}");
        let detail = &one(&report, "conditional_writes")["detail"];
        assert!(
            detail.as_str().unwrap().contains(said),
            "{said} in {detail}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn where_only_copies_are_conditional_the_setting_for_that_is_named_and_proven() {
    let on_s3 = OnS3::new(Kind::Moto).await;
    on_s3.proxy.set(Traffic::CopiesUnderConditions);
    let took = "the store took a create-only multipart upload";
    on_s3.names("conditional_writes", took).await;
    let (report, _) = on_s3.ground.preflight(&[]).await;
    let hint = &one(&report, "conditional_writes")["hint"];
    let setting = "large_writes = \"copy\"";
    assert!(hint.as_str().unwrap().contains(setting), "{hint}");

    let port = on_s3.ground.core.tls_in_front_of(on_s3.proxy.port()).await;
    on_s3.configure_with(port, BUCKET, setting);
    let (report, status) = on_s3.ground.preflight(&[]).await;
    assert_eq!(status, Some(0), "{report:#}");
    let detail = &one(&report, "conditional_writes")["detail"];
    let said = "large ones and deletions too, are kept";
    assert!(detail.as_str().unwrap().contains(said), "{detail}");
    // The server itself copies whatever the condition.
    on_s3.proxy.set(Traffic::Flows);
    let took = "the store took a create-only copy";
    on_s3.names("conditional_writes", took).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn where_the_settings_are_slow_the_last_check_has_what_they_leave() {
    const SLOW: Duration = Duration::from_secs(7);
    let on_s3 = OnS3::new(Kind::Moto).await;
    let toml = format!(
        "[storage.s3]\nbucket = '{BUCKET}'\nregion = 'us-east-1'\nendpoint = 'http://127.0.0.1:{}'\n",
        on_s3.proxy.port()
    );
    let config = on_s3.ground.path("slow.toml");
    write(&config, &toml);
    // `storage` is done by then, and this check alone is left.
    on_s3.proxy.set(Traffic::StallsAt("PUT", "/object"));
    let issuer = on_s3.ground.core.url();
    let port = testbed::free_port().unwrap().to_string();
    let lookup = |key: &str| {
        let value = match key {
            "DAILEY_ENV" => "development",
            "JWT_ISSUER" => &issuer,
            // Asked for once.
            "PORT" => {
                std::thread::sleep(SLOW);
                &port
            }
            "CORE_APP_ID" => APP,
            "AWS_ACCESS_KEY_ID" => ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY" => SECRET_ACCESS_KEY,
            _ => return None,
        };
        Some(value.to_owned())
    };
    // By its own time it would end two seconds later. This machine may pause for longer, but hardly each time.
    let mut reports = Vec::new();
    for _ in 0..3 {
        let started = Instant::now();
        let report = dailey_media::preflight::run(&lookup, Some(&config)).await;
        let took = started.elapsed();
        assert!(took >= SLOW, "{took:?}");
        let report: Value = serde_json::from_str(&report.to_json()).unwrap();
        let last = one(&report, "conditional_writes");
        assert_eq!(last["status"], "failed", "{report:#}");
        let in_time = took < Duration::from_secs(12) && last["ms"].as_u64().unwrap() < 4_900;
        if in_time && one(&report, "storage")["status"] == "ok" {
            let said = "not done when all checks had taken 10 seconds";
            assert!(last["detail"].as_str().unwrap().contains(said), "{last}");
            return;
        }
        reports.push(report);
    }
    panic!("{reports:#?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn what_is_wrong_with_a_bucket_is_named() {
    let on_s3 = OnS3::new(Kind::Moto).await;
    for (traffic, check, said) in [
        (
            Traffic::WithoutConditions,
            "conditional_writes",
            "the store took a create-only write",
        ),
        (
            Traffic::Changes(&[NO_REPLACE_IF_UNCHANGED]),
            "conditional_writes",
            "the store took a replace-if-unchanged write",
        ),
        (
            Traffic::Changes(&[NO_CREATE_ONLY_MULTIPART]),
            "conditional_writes",
            "the store took a create-only multipart upload",
        ),
        (
            Traffic::WithoutWrites,
            "storage",
            "does not take the access key for this (403 AccessDenied)",
        ),
        (Traffic::Stalls, "storage", "did not answer in time"),
        (Traffic::Breaks, "storage", "the object store"),
    ] {
        on_s3.proxy.set(traffic);
        on_s3.names(check, said).await;
    }
    on_s3.proxy.set(Traffic::WithoutConditions);
    stays_shut(&on_s3.ground, "conditional_writes");
    on_s3.proxy.set(Traffic::Flows);
    let port = on_s3.ground.core.tls_in_front_of(on_s3.proxy.port()).await;
    on_s3.configure(port, "another-bucket");
    on_s3.names("storage", "no such bucket").await;
    on_s3.configure(testbed::free_port().unwrap(), BUCKET);
    on_s3.names("storage", "cannot be reached").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs s3s-fs: `cargo xtask test` sets it up and runs this"]
async fn a_wrong_key_and_a_store_that_looks_first_and_writes_then_are_named() {
    let mut on_s3 = OnS3::new(Kind::S3sFs).await;
    // Of eight create-only writes at the same moment it takes more than one.
    let more_than_one = "more than one of several create-only writes";
    on_s3.names("conditional_writes", more_than_one).await;
    on_s3.ground.set("AWS_SECRET_ACCESS_KEY", "wrong");
    let said = "does not take the access key for this (403";
    on_s3.names("storage", said).await;
}
