//! What a service is told about a client: the truth, whatever the client says.

use deploy_tests::edge::{Deployment, Edge};
use deploy_tests::recorder::{Manner, Recorder, values};
use deploy_tests::wire::statuses;
use deploy_tests::world::in_a_world;

use crate::ways_in::from;

/// What a client may try to be believed.
const LIES: &str = "X-Forwarded-For: 10.9.9.9\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: evil.example\r\n\
    X-Forwarded-Port: 8080\r\nForwarded: for=10.9.9.9;proto=http\r\nX-Real-IP: 10.9.9.9\r\n\
    X-Request-Id: chosen\r\nTrue-Client-IP: 10.9.9.9\r\nX-Original-URL: /metrics\r\n\
    X-Rewrite-URL: /metrics\r\nConnection: close, X-Real-IP\r\nTE: trailers\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[test]
#[ignore = "needs nginx: `cargo xtask test` sets it up and runs this"]
fn what_a_client_says_of_itself_is_not_handed_on() {
    in_a_world(|world| {
        let edge = Edge::start(world);
        let recorder = Recorder::start(world, 4100, Manner::Answers);
        let way = from(&edge, "media.dailey.cloud");
        let ask = |more: &str| {
            let head = format!(
                "GET /api/media/a HTTP/1.1\r\nHost: media.dailey.cloud\r\n{LIES}{more}\r\n"
            );
            let answer = way.ask(&head).unwrap();
            // Nor is the connection ever made into another one.
            assert_eq!(statuses(&answer), [200], "{answer}");
            recorder.heads().pop().unwrap()
        };
        // The edge says who the client is; the right address of two is the last one's word for none.
        for (more, address) in [
            ("CF-Connecting-IP: 192.0.2.77\r\n", "192.0.2.77"),
            ("CF-Connecting-IP: 2001:db8::77\r\n", "2001:db8::77"),
            // Without a word of the edge's, or with nonsense, it is the edge itself.
            ("", "173.245.48.1"),
            ("CF-Connecting-IP: nonsense\r\n", "173.245.48.1"),
        ] {
            let head = ask(more);
            let one = |name: &str| {
                let found: Vec<&str> = values(&head, name).collect();
                assert!(found.len() < 2, "{name}: {head}");
                found.first().copied()
            };
            assert_eq!(one("X-Forwarded-For"), Some(address), "{head}");
            assert_eq!(one("X-Real-IP"), Some(address));
            assert_eq!(one("X-Forwarded-Proto"), Some("https"));
            assert_eq!(one("X-Forwarded-Host"), Some("media.dailey.cloud"));
            assert_eq!(one("Host"), Some("media.dailey.cloud"));
            assert_eq!(one("X-Request-Id").unwrap().len(), 32);
            for name in [
                "CF-Connecting-IP",
                "True-Client-IP",
                "Forwarded",
                "X-Forwarded-Port",
                "X-Original-URL",
                "X-Rewrite-URL",
                "Upgrade",
                "TE",
                "Connection",
            ] {
                assert_eq!(one(name), None, "{name}");
            }
        }
    });
}

#[test]
#[ignore = "needs nginx: `cargo xtask test` sets it up and runs this"]
fn dmapi_counts_a_client_that_lies_as_the_one_that_it_is() {
    in_a_world(|world| {
        let deployment = Deployment::start(world);
        let way = from(&deployment.edge, "media.dailey.cloud");
        let ask = |client: &str, lie: u8| {
            let lies = LIES.replace("10.9.9.9", &format!("10.9.9.{lie}"));
            let head = format!(
                "GET /api/auth/validate HTTP/1.1\r\nHost: media.dailey.cloud\r\n{lies}CF-Connecting-IP: {client}\r\n\r\n"
            );
            statuses(&way.ask(&head).unwrap())[0]
        };
        let told: Vec<u16> = (0..40).map(|lie| ask("192.0.2.77", lie)).collect();
        // 30 at once, and one more every two seconds. Nor does one of them pass for plain http.
        assert!(told[..30].iter().all(|status| *status == 401), "{told:?}");
        assert!(told[30..].contains(&429), "{told:?}");
        assert!(
            told.iter().all(|status| [401, 429].contains(status)),
            "{told:?}"
        );
        assert_eq!(ask("192.0.2.78", 0), 401);
    });
}

#[test]
#[ignore = "needs nginx: `cargo xtask test` sets it up and runs this"]
fn only_cloudflares_own_addresses_say_who_a_client_is() {
    in_a_world(|world| {
        let edge = Edge::start(world);
        let recorder = Recorder::start(world, 4000, Manner::Answers);
        // With the edge's certificate, but from elsewhere.
        let mut way = from(&edge, "core.dailey.cloud");
        way.from = deploy_tests::world::CLIENT;
        let head = "GET / HTTP/1.1\r\nHost: core.dailey.cloud\r\nConnection: close\r\nCF-Connecting-IP: 192.0.2.77\r\n\r\n";
        way.ask(head).unwrap();
        let told = recorder.heads().pop().unwrap();
        assert_eq!(
            values(&told, "X-Forwarded-For").collect::<Vec<_>>(),
            ["203.0.113.9"]
        );
    });
}
