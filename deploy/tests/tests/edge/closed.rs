//! What is not shown outside, and what every answer carries.

use deploy_tests::edge::Deployment;
use deploy_tests::recorder::values;
use deploy_tests::wire::statuses;
use deploy_tests::world::in_a_world;
use serde_json::Value;

use crate::ways_in::{from, get};

fn parts(answer: &str) -> (&str, &str) {
    answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("{answer}"))
}

/// Exactly one of each, with what must be in it.
fn assert_dressed(answer: &str) {
    let (head, _) = parts(answer);
    for (name, expected) in [
        (
            "Strict-Transport-Security",
            "max-age=63072000; includeSubDomains",
        ),
        ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", ""),
        ("X-Request-Id", ""),
    ] {
        let found: Vec<&str> = values(head, name).collect();
        assert_eq!(found.len(), 1, "{name}: {head}");
        assert!(
            expected.is_empty() || found[0] == expected,
            "{name}: {head}"
        );
    }
}

#[test]
#[ignore = "needs nginx: `cargo xtask test` sets it up and runs this"]
fn numbers_and_the_details_of_health_stay_inside() {
    in_a_world(|world| {
        let mut deployment = Deployment::start(world);
        for name in ["core.dailey.cloud", "media.dailey.cloud"] {
            let way = from(&deployment.edge, name);
            for path in [
                "/metrics",
                "/metrics?x=y",
                "/metrics/",
                "//metrics",
                "/%6detrics",
                "/x/../metrics",
                "/api/media/../../metrics",
                "/api/media/..%2f..%2fmetrics",
                "/_health",
                "/_health?x",
                "/nothing",
            ] {
                let answer = way.ask(&get(name, path)).unwrap();
                let (head, body) = parts(&answer);
                let status = statuses(&answer);
                assert!(
                    status == [404] || status == [400],
                    "{name} {path}: {answer}"
                );
                assert!(!body.contains("http_requests"), "{path}: {answer}");
                assert_eq!(
                    values(head, "Content-Type").next(),
                    Some("application/problem+json"),
                    "{path}: {head}"
                );
                let problem: Value = serde_json::from_str(body).unwrap();
                let id = values(head, "X-Request-Id").next().unwrap();
                assert_eq!(problem["request_id"], id, "{path}: {answer}");
                assert_dressed(&answer);
            }
            let answer = way.ask(&get(name, "/health")).unwrap();
            assert_eq!(
                (statuses(&answer), parts(&answer).1),
                (vec![200], "{\"status\":\"ok\"}")
            );
            assert_dressed(&answer);
            for path in [
                "/health/live",
                "/.well-known/jwks.json",
                "/api/auth/validate",
                "/openapi.json",
            ] {
                let answer = way.ask(&get(name, path)).unwrap();
                assert_dressed(&answer);
            }
        }
        // And when a service is gone.
        deployment
            .dmapi
            .stop(std::time::Duration::from_secs(40))
            .unwrap();
        let way = from(&deployment.edge, "media.dailey.cloud");
        let answer = way.ask(&get("media.dailey.cloud", "/health")).unwrap();
        assert_eq!(
            (statuses(&answer), parts(&answer).1),
            (vec![503], "{\"status\":\"degraded\"}")
        );
        let answer = way.ask(&get("media.dailey.cloud", "/api/media/a")).unwrap();
        assert_eq!(statuses(&answer), [503], "{answer}");
        let (head, body) = parts(&answer);
        assert_eq!(values(head, "Retry-After").collect::<Vec<_>>(), ["5"]);
        assert!(body.contains("\"code\":\"service_unavailable\""), "{body}");
        assert_dressed(&answer);
        // What nginx wrote down names no path, and no query.
        let log = std::fs::read_to_string("/var/log/nginx/access.log").unwrap();
        assert!(log.lines().count() > 20, "{log}");
        for line in log.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            assert!(line["status"].is_u64(), "{line}");
        }
        let errors = std::fs::read_to_string("/var/log/nginx/error.log").unwrap();
        for word in ["/api/media", "x=y", "openapi"] {
            assert!(!log.contains(word) && !errors.contains(word), "{word}");
        }
    });
}
