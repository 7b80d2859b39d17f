//! One thing broken at a time.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::{Value, json};

use super::core::{Ahead, Answer};
use super::ground::{self, Ground, causes, one, with_status, write};

const NAMES: [&str; 8] = [
    "config",
    "port",
    "core_health",
    "core_jwks",
    "clock",
    "storage",
    "conditional_writes",
    "frontend_env",
];

fn text(body: &str) -> Answer {
    Answer::Says(200, "application/json", body.to_owned())
}

/// Breaks one thing on a ground of its own; returns the report.
async fn broken(break_it: impl FnOnce(&mut Ground)) -> Value {
    let mut ground = Ground::new().await;
    break_it(&mut ground);
    let (report, status) = ground.preflight(&[]).await;
    assert_eq!(status, Some(1), "{report}");
    assert_eq!(report["ok"], false);
    // In production a check that cannot be tried has failed.
    assert!(with_status(&report, "skipped").is_empty(), "{report:#}");
    report
}

/// The one check that must name it, and a piece of what it must say; returns its hint.
async fn names(check: &str, said: &str, break_it: impl FnOnce(&mut Ground)) -> String {
    let report = broken(break_it).await;
    assert_eq!(causes(&report), [check], "{said}: {report:#}");
    let failed = one(&report, check);
    let detail = failed["detail"].as_str().unwrap();
    assert!(detail.contains(said), "{said} in {detail}");
    let hint = failed["hint"].as_str().unwrap();
    assert!(hint.len() > 10, "{hint}");
    hint.to_owned()
}

#[tokio::test]
async fn where_nothing_is_wrong_all_eight_are_ok() {
    let ground = Ground::new().await;
    let (report, status) = ground.preflight(&[]).await;
    assert_eq!(status, Some(0), "{report:#}");
    assert_eq!(report["ok"], true);
    assert_eq!(report["environment"], "production");
    assert_eq!(with_status(&report, "ok"), NAMES);
    for check in report["checks"].as_array().unwrap() {
        assert!(
            check["detail"].is_string() && check["ms"].is_u64(),
            "{check}"
        );
        assert!(check["hint"].is_null(), "{check}");
    }
}

#[tokio::test]
async fn a_broken_health_of_core_is_named() {
    for (answer, said) in [
        (Answer::Says(503, "application/json", "{}".into()), "503"),
        (Answer::Says(404, "text/html", "no".into()), "404"),
        (Answer::Says(204, "text/html", String::new()), "204"),
        (Answer::Redirect("https://localhost/".into()), "302"),
        (Answer::HangsUp, "/health: "),
        (Answer::Stalls, "no answer in time"),
    ] {
        names("core_health", said, |ground| ground.core.health(answer)).await;
    }
    // Nobody listens there, while the keys are where they were.
    names("core_health", "no connection", |ground| {
        let port = testbed::free_port().unwrap();
        ground.set("DAILEY_CORE_URL", format!("https://localhost:{port}"));
        ground.set(
            "CORE_JWKS_URL",
            ground.core.url() + "/.well-known/jwks.json",
        );
    })
    .await;
}

#[tokio::test]
async fn a_broken_key_set_is_named() {
    let private = |ground: &Ground| {
        let mut jwk = ground.core.key.jwk();
        jwk["d"] = "AQAB".into();
        jwk["kid"] = "another".into();
        json!({ "keys": [ground.core.key.jwk(), jwk] }).to_string()
    };
    let says = |status, body: &str| Answer::Says(status, "text/html", body.to_owned());
    let is_reached = "to where its key set is reached";
    let is_another = "not the address of Core's key set: set CORE_JWKS_URL";
    let has_none = "`dailey-core keys`";
    for (answer, said, to_do) in [
        (Answer::Stalls, "took too long", is_reached),
        (Answer::HangsUp, "could not be reached", is_reached),
        (says(200, "<html>"), "content type", is_another),
        (says(404, "<html>"), "404", is_another),
        (text("<html>"), "key set", is_another),
        (text(""), "key set", is_another),
        (text(r#"{"keys":[]}"#), "key", has_none),
        (
            text(r#"{"keys":[{"kty":"EC","kid":"e"}]}"#),
            "key",
            has_none,
        ),
        (text(&" ".repeat(70 * 1024)), "65536", "retire old keys"),
        (
            Answer::Redirect("https://localhost/".into()),
            "redirect",
            "set CORE_JWKS_URL to the final address",
        ),
        (says(500, "{}"), "500", "look at Core's log"),
    ] {
        let hint = names("core_jwks", said, |ground| ground.core.jwks(answer)).await;
        assert!(hint.contains(to_do), "{said}: {hint}");
    }
    names("core_jwks", "private key", |ground| {
        let answer = text(&private(ground));
        ground.core.jwks(answer);
    })
    .await;
    names("core_jwks", "issuer's origin", |ground| {
        ground.set("JWT_ISSUER", "https://core.dailey.cloud");
        ground.set(
            "CORE_JWKS_URL",
            ground.core.url() + "/.well-known/jwks.json",
        );
    })
    .await;
}

#[tokio::test]
async fn a_clock_that_is_off_is_named() {
    let minute = Duration::from_secs(60);
    for ahead in [Ahead::By(minute), Ahead::Behind(minute)] {
        names("clock", "differ by", |ground| ground.core.clock(ahead)).await;
    }
    names("clock", "no time", |ground| ground.core.clock(None)).await;
}

#[tokio::test]
async fn an_answer_from_a_cache_is_no_clock_that_is_off() {
    let ground = Ground::new().await;
    ground.core.clock(Ahead::Cached(Duration::from_secs(300)));
    let (report, status) = ground.preflight(&[]).await;
    assert_eq!(status, Some(0), "{report:#}");
}

#[tokio::test]
async fn a_pipe_that_nobody_writes_to_holds_nothing_up() {
    let pipe = |ground: &Ground, name: &str| {
        let path = ground.path(name);
        ground::pipe(&path);
        path.display().to_string()
    };
    names("config", "not a file", |ground| {
        let path = pipe(ground, "pipe");
        ground.set("LINK_SECRET_FILE", path);
    })
    .await;
    names("config", "not a file", |ground| {
        let path = pipe(ground, "pipe");
        ground.set("DAILEY_CONFIG", path);
    })
    .await;
    names("config", "not a file", |ground| {
        ground.set("DAILEY_CONFIG", "/dev/zero");
    })
    .await;
    names("frontend_env", "not a file", |ground| {
        let path = pipe(ground, "pipe");
        ground.set("FRONTEND_ENV_FILE", path);
    })
    .await;
    // Opening the store's lock waits for ever.
    names("storage", "longer than 5 seconds", |ground| {
        let root = ground.path("data/media");
        std::fs::create_dir_all(&root).unwrap();
        pipe(ground, "data/media/lock");
    })
    .await;
}

#[tokio::test]
async fn a_core_that_is_away_altogether_is_named_once() {
    let bad_gateway = || Answer::Says(502, "text/html", "<html>".into());
    let none = "none of Core's addresses answers";
    for (answer, said, of_clock) in [
        (bad_gateway(), "the issuer answered with status 502", None),
        (
            Answer::HangsUp,
            "the issuer could not be reached",
            Some(none),
        ),
        (Answer::Stalls, "the issuer took too long", Some(none)),
    ] {
        let report = broken(|ground| {
            ground.core.health(answer.clone());
            ground.core.jwks(answer);
        })
        .await;
        assert_eq!(causes(&report), ["core_health"], "{report:#}");
        let away = |said: &str| format!("it cannot be tried: Core is not well ({said})");
        let detail = |check| one(&report, check)["detail"].as_str().unwrap();
        let keys = away(&format!("the key set cannot be used: {said}"));
        assert_eq!(detail("core_jwks"), keys);
        if let Some(said) = of_clock {
            assert_eq!(detail("clock"), away(said));
        }
    }
    // Something answers on Core's address, but not Core.
    let report = broken(|ground| {
        ground
            .core
            .health(Answer::Says(404, "text/html", "no".into()));
        ground.core.jwks(bad_gateway());
    })
    .await;
    assert_eq!(causes(&report), ["core_health", "core_jwks"], "{report:#}");
    // What answers is not kept back.
    let report = broken(|ground| {
        ground.core.health(Answer::HangsUp);
        ground.core.jwks(text(r#"{"keys":[]}"#));
    })
    .await;
    assert_eq!(causes(&report), ["core_health", "core_jwks"], "{report:#}");
    // Nor is what is away at another place.
    let report = broken(|ground| {
        let port = testbed::free_port().unwrap();
        ground.core.health(Answer::HangsUp);
        ground.set("JWT_ISSUER", format!("https://localhost:{port}"));
        ground.set("CORE_JWKS_URL", format!("https://localhost:{port}/jwks"));
    })
    .await;
    assert_eq!(causes(&report), ["core_health", "core_jwks"], "{report:#}");
}

#[tokio::test]
async fn where_only_the_key_set_is_known_it_is_named_by_that() {
    let mut ground = Ground::new().await;
    ground.set("DAILEY_ENV", "development");
    ground.set("PORT", testbed::free_port().unwrap().to_string());
    ground.unset("DAILEY_CORE_URL");
    ground.core.jwks(Answer::HangsUp);
    let (report, status) = ground.preflight(&[]).await;
    assert_eq!(status, Some(1), "{report:#}");
    assert_eq!(causes(&report), ["core_jwks"], "{report:#}");
}

#[tokio::test]
async fn a_port_that_is_wrong_or_taken_is_named() {
    names("port", "PORT is 4000", |ground| ground.set("PORT", "4000")).await;
    names("port", "cannot be had", |ground| {
        ground.set("BIND", "203.0.113.1");
    })
    .await;
    let ground = Ground::new().await;
    let _taken = std::net::TcpListener::bind(ground.address()).unwrap();
    let (report, status) = ground.preflight(&[]).await;
    assert_eq!(status, Some(1));
    assert_eq!(with_status(&report, "failed"), ["port"], "{report:#}");
}

#[tokio::test]
async fn a_store_that_cannot_be_used_is_named() {
    let with_root = |ground: &mut Ground, root: &str| {
        let text = format!("[storage.local]\nroot = {root:?}\n");
        write(&ground.path("dailey-media.toml"), &text);
    };
    names("storage", "", |ground| {
        write(&ground.path("file"), "");
        let root = ground.path("file").join("root").display().to_string();
        with_root(ground, &root);
    })
    .await;
    names("storage", "", |ground| with_root(ground, "/proc/nowhere")).await;
    names("storage", "in use", |ground| {
        // Held by a store that lives as long as this process.
        let root = ground.path("held");
        let store = dailey_media::storage::local::LocalStorage::open(&root).unwrap();
        std::mem::forget(store);
        with_root(ground, &root.display().to_string());
    })
    .await;
}

#[tokio::test]
async fn wrong_build_settings_of_the_front_end_are_named() {
    for (line, said) in [
        ("A=http://media.dailey.cloud", "not https"),
        ("export A=\"http://media.dailey.cloud\"", "not https"),
        (
            "A=https://dailey.cloud.evil.example",
            "outside of dailey.cloud",
        ),
        (
            "A=https://media.dailey.cloud@evil.example",
            "cannot be read",
        ),
        ("API_SECRET=hush", "secret"),
        ("nonsense", "line 1"),
    ] {
        names("frontend_env", said, |ground| ground.frontend(line)).await;
    }
    names("frontend_env", "cannot be read", |ground| {
        std::fs::remove_file(ground.path("frontend.env")).unwrap();
    })
    .await;
    names("frontend_env", "larger than 64 KiB", |ground| {
        ground.frontend(&"# filler\n".repeat(8000));
    })
    .await;
    names("frontend_env", "not set", |ground| {
        ground.unset("FRONTEND_ENV_FILE");
    })
    .await;
}

#[tokio::test]
async fn every_wrong_setting_fails_config_alone_and_is_not_shown() {
    let many = (0..17).map(|n| format!("hush-{n}"));
    let too_many = many.collect::<Vec<_>>().join(",");
    let ids = (0..17).map(|n| format!("6f9619ff-8b86-4d01-b42d-0000000000{n:02}"));
    let too_many_ids = ids.collect::<Vec<_>>().join(",");
    for (key, value) in [
        ("DAILEY_ENV", "staging-hush"),
        ("JWT_ISSUER", "hush hush"),
        ("CORE_APP_ID", "hush"),
        ("CORE_AUDIENCE", "hush"),
        ("CORE_JWKS_URL", "http://hush.example/jwks"),
        ("CORE_JWKS_URL", "https://user:hush@core.example/jwks"),
        ("DAILEY_CORE_URL", "hush"),
        ("DAILEY_CORE_URL", "http://hush.example"),
        ("DAILEY_CORE_URL", "https://user:hush@core.example"),
        ("PORT", "hush"),
        ("BIND", "hush"),
        ("CORS_ORIGINS", "*"),
        ("CORS_ORIGINS", "http://hush.example"),
        ("TRUSTED_PROXIES", "hush"),
        ("RATE_LIMIT", "off"),
        ("RATE_LIMIT", "hush"),
        ("LINK_SECRET_FILE", "/nowhere/secret"),
        ("LINK_SECRET_FILE", ""),
        ("UPLOAD_EXPIRY_SECONDS", "hush"),
        ("PUBLIC_ORIGIN", "hush"),
        ("JWT_ISSUER", ""),
        ("JWT_ISSUER", "http://hush.example"),
        ("CORE_AUDIENCE", "6f9619ff-8b86-4d01-b42d-hushhushhush"),
        ("CORE_APP_ID", ""),
        ("CORE_APP_ID", &too_many_ids),
        ("CORE_AUDIENCE", &too_many),
        ("NODE_ENV", "staging-hush"),
        ("RUST_LOG", "info=hush"),
    ] {
        let report = broken(|ground| {
            if value == too_many {
                // Both set and different is another mistake.
                ground.unset("CORE_APP_ID");
            }
            ground.set(key, value);
        })
        .await;
        let failed = with_status(&report, "failed");
        assert_eq!(failed, ["config"], "{key}={value}: {report:#}");
        let text = report.to_string();
        assert!(
            text.contains(key) && !text.contains("hush"),
            "{key}: {text}"
        );
    }
}

#[tokio::test]
async fn a_key_of_a_bucket_that_is_set_to_nothing_is_named_by_config() {
    const ID: &str = "AWS_ACCESS_KEY_ID";
    const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
    for (empty, other) in [(ID, SECRET), (SECRET, ID)] {
        names("config", &format!("or set {empty}"), |ground| {
            let bucket = "[storage.s3]\nbucket = 'media'\nregion = 'auto'\nendpoint = 'https://s3.example'\n";
            write(&ground.path("dailey-media.toml"), bucket);
            ground.set(empty, "");
            ground.set(other, "key");
        })
        .await;
    }
}

#[tokio::test]
async fn a_wrong_file_is_named_by_config_with_its_line() {
    names("config", "dailey-media.toml, line 2", |ground| {
        write(
            &ground.path("dailey-media.toml"),
            "[storage.local]\nroot = hush\n",
        );
    })
    .await;
    names("config", "has both", |ground| {
        let both = "[storage.local]\nroot = 'a'\n\
                    [storage.s3]\nbucket = 'b'\nregion = 'auto'\nendpoint = 'https://s3.example'\n";
        write(&ground.path("dailey-media.toml"), both);
    })
    .await;
    names("config", "may be read by others", |ground| {
        let mode = PermissionsExt::from_mode(0o644);
        std::fs::set_permissions(ground.path("secret"), mode).unwrap();
    })
    .await;
    names("config", "32 to 4096", |ground| {
        write(&ground.path("secret"), "short");
    })
    .await;
    names("config", "put_max_bytes is not", |ground| {
        let limits = "[limits]\nput_max_bytes = 0\n";
        write(&ground.path("dailey-media.toml"), limits);
    })
    .await;
}

#[tokio::test]
async fn an_audit_log_that_cannot_be_opened_is_named_by_config() {
    names("config", "AUDIT_LOG_FILE: cannot use", |ground| {
        ground.set("AUDIT_LOG_FILE", "nowhere/audit.log");
    })
    .await;
    names("config", "it is not a file", |ground| {
        ground.set("AUDIT_LOG_FILE", ".");
    })
    .await;
    names("config", "chmod 600", |ground| {
        write(&ground.path("audit.log"), "");
        let mode = PermissionsExt::from_mode(0o644);
        std::fs::set_permissions(ground.path("audit.log"), mode).unwrap();
        ground.set("AUDIT_LOG_FILE", "audit.log");
    })
    .await;
}

#[tokio::test]
async fn a_snapshot_that_could_never_be_written_is_named_by_config() {
    names("config", "JWKS_SNAPSHOT_FILE: cannot use", |ground| {
        ground.set("JWKS_SNAPSHOT_FILE", "nowhere/jwks.json");
    })
    .await;
    names("config", "it is not a folder", |ground| {
        write(&ground.path("file"), "");
        ground.set("JWKS_SNAPSHOT_FILE", "file/jwks.json");
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_tried_has_failed_and_says_what_to_look_at() {
    let report = broken(|ground| {
        write(&ground.path("dailey-media.toml"), "[storage]\nroot = 'a'\n");
        ground.set("DAILEY_CORE_URL", "hush");
        ground.set("JWT_ISSUER", "hush");
    })
    .await;
    assert_eq!(with_status(&report, "ok"), ["port", "frontend_env"]);
    assert_eq!(causes(&report), ["config"], "{report:#}");
}

#[tokio::test]
async fn in_development_what_is_not_set_is_skipped_with_its_reason() {
    let mut ground = Ground::new().await;
    ground.set("DAILEY_ENV", "development");
    for key in ["FRONTEND_ENV_FILE", "DAILEY_CORE_URL", "LINK_SECRET_FILE"] {
        ground.unset(key);
    }
    let port = testbed::free_port().unwrap();
    ground.set("PORT", port.to_string());
    let (report, status) = ground.preflight(&[]).await;
    assert_eq!(status, Some(0), "{report:#}");
    assert_eq!(report["environment"], "development");
    let skipped = with_status(&report, "skipped");
    assert_eq!(skipped, ["core_health", "frontend_env"], "{report:#}");
    assert!(report.to_string().contains("DAILEY_CORE_URL is not set"));
}
