//! How much one client may ask, how slowly, and how large.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use deploy_tests::edge::Edge;
use deploy_tests::recorder::{Manner, Recorder, values};
use deploy_tests::wire::statuses;
use deploy_tests::world::in_a_world;

use crate::ways_in::{from, get};

/// Longer than a head needs through nginx.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many of each status there are for so many requests on one connection, each from the address that `client` gives.
fn answers(edge: &Edge, requests: usize, path: &str, client: impl Fn(usize) -> String) -> String {
    let mut all = String::new();
    for number in 0..requests {
        let last = if number + 1 == requests {
            "Connection: close\r\n"
        } else {
            ""
        };
        let client = client(number);
        let _ = write!(
            all,
            "GET {path} HTTP/1.1\r\nHost: core.dailey.cloud\r\nCF-Connecting-IP: {client}\r\n{last}\r\n"
        );
    }
    from(edge, "core.dailey.cloud").ask(&all).unwrap()
}

fn counted(answers: &str) -> BTreeMap<u16, usize> {
    let mut counts = BTreeMap::new();
    for status in statuses(answers) {
        *counts.entry(status).or_default() += 1;
    }
    counts
}

fn count(
    edge: &Edge,
    requests: usize,
    path: &str,
    client: impl Fn(usize) -> String,
) -> BTreeMap<u16, usize> {
    counted(&answers(edge, requests, path, client))
}

#[test]
#[ignore = "needs nginx: `cargo xtask test` sets it up and runs this"]
fn one_client_is_held_back_and_others_are_not() {
    in_a_world(|world| {
        let edge = Edge::start(world);
        let _core = Recorder::start(world, 4000, Manner::Answers);
        let passed = |counts: &BTreeMap<u16, usize>| counts.get(&200).copied().unwrap_or_default();
        // A burst of 100 and 50 a second; an IPv6 client is its network of 64 bits.
        for network in ["2001:db8:1:2::", "2001:db8:5::1:2:"] {
            let counts = count(&edge, 900, "/", |number| format!("{network}{number:x}"));
            assert_eq!(counts.values().sum::<usize>(), 900, "{counts:?}");
            assert!(
                (101..900).contains(&passed(&counts)),
                "{network}: {counts:?}"
            );
            assert_eq!(counts.keys().collect::<Vec<_>>(), [&200, &429]);
        }
        for other in ["2001:db8:1:3::1", "192.0.2.1"] {
            assert_eq!(passed(&count(&edge, 50, "/", |_| other.to_owned())), 50);
        }
        // Where passwords are tried: a burst of 20 and 2 a second.
        for (client, path) in [
            ("192.0.2.2", "/api/auth/login"),
            ("192.0.2.3", "/oauth/token"),
        ] {
            let answers = answers(&edge, 60, path, |_| client.to_owned());
            let counts = counted(&answers);
            assert!((21..60).contains(&passed(&counts)), "{path}: {counts:?}");
            let refused = counts[&429];
            let after: Vec<_> = values(&answers, "Retry-After").collect();
            assert_eq!(after, vec!["1"; refused], "{answers}");
            let said = answers.matches("\"code\":\"rate_limited\"").count();
            assert_eq!(said, refused, "{answers}");
        }
    });
}

#[test]
#[ignore = "needs nginx: `cargo xtask test` sets it up and runs this"]
fn a_hundred_requests_under_way_are_the_most_of_one_client() {
    in_a_world(|world| {
        let edge = Edge::start(world);
        let core = Recorder::start(world, 4000, Manner::Stalls);
        let way = from(&edge, "core.dailey.cloud");
        let mut waiting = Vec::new();
        for _ in 0..100 {
            let mut wire = way.open().unwrap();
            wire.send(&get("core.dailey.cloud", "/")).unwrap();
            waiting.push(wire);
        }
        let mut arrived = 0;
        while arrived < 100 {
            arrived += core.heads().len();
            std::thread::sleep(Duration::from_millis(10));
        }
        let answer = way.ask(&get("core.dailey.cloud", "/")).unwrap();
        assert_eq!(statuses(&answer), [429], "{answer}");
        drop(waiting);
    });
}

#[test]
#[ignore = "needs nginx: `cargo xtask test` sets it up and runs this"]
fn who_sends_a_head_slowly_is_cut_and_holds_up_nobody() {
    in_a_world(|world| {
        let edge = Edge::start(world);
        let _core = Recorder::start(world, 4000, Manner::Answers);
        let way = from(&edge, "core.dailey.cloud");
        let mut slow = Vec::new();
        for _ in 0..150 {
            let mut wire = way.open().unwrap();
            wire.send("GET / HTTP/1.1\r\nHost: core.dailey.cloud\r\nX-A: ")
                .unwrap();
            slow.push(wire);
        }
        assert_eq!(
            statuses(&way.ask(&get("core.dailey.cloud", "/")).unwrap()),
            [200]
        );
        for wire in &mut slow {
            // A byte now and then does not help.
            let _ = wire.send("a");
            let answer = wire.rest();
            assert!(
                statuses(&answer).iter().all(|status| *status == 408),
                "{answer}"
            );
        }
        assert_eq!(
            statuses(&way.ask(&get("core.dailey.cloud", "/")).unwrap()),
            [200]
        );
    });
}

#[test]
#[ignore = "needs nginx: `cargo xtask test` sets it up and runs this"]
fn a_body_or_head_above_the_limit_of_its_route_never_reaches_the_service() {
    in_a_world(|world| {
        let edge = Edge::start(world);
        let core = Recorder::start(world, 4000, Manner::Answers);
        let media = Recorder::start(world, 4100, Manner::Answers);
        for (host, path, most) in [
            ("core.dailey.cloud", "/api/auth/login", 64 << 10),
            ("core.dailey.cloud", "/oauth/token", 64 << 10),
            ("media.dailey.cloud", "/api/media-ops/delete", 512 << 10),
            ("media.dailey.cloud", "/api/media/a", 100 << 20),
            ("media.dailey.cloud", "/api/links/a", 100 << 20),
            ("media.dailey.cloud", "/api/uploads/a", 100 << 20),
        ] {
            let head = format!(
                "PUT {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                most + 1
            );
            let answer = from(&edge, host).ask(&head).unwrap();
            assert_eq!(statuses(&answer), [413], "{path}: {answer}");
            assert!(answer.contains("\"code\":\"body_too_large\""), "{answer}");
            assert_eq!((core.heads(), media.heads()), (vec![], vec![]), "{path}");
        }
        // A token of 8 KiB passes in its header; 16 KiB in one line do not.
        let way = from(&edge, "core.dailey.cloud");
        for (length, expected) in [(8 << 10, 200), (17 << 10, 400)] {
            let token = "a".repeat(length);
            let head = format!(
                "GET / HTTP/1.1\r\nHost: core.dailey.cloud\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
            );
            let answer = way.ask(&head).unwrap();
            assert_eq!(statuses(&answer), [expected], "{length}: {answer}");
            assert!(!answer.contains("aaaaaaaa"), "{answer}");
        }
    });
}

#[test]
#[ignore = "needs nginx: `cargo xtask test` sets it up and runs this"]
fn an_object_goes_through_as_it_comes() {
    in_a_world(|world| {
        let edge = Edge::start(world);
        let media = Recorder::start(world, 4100, Manner::Answers);
        let way = from(&edge, "media.dailey.cloud");
        for path in ["/api/media/a", "/api/links/a", "/api/uploads/a"] {
            let mut wire = way.open().unwrap();
            let head = format!(
                "PUT {path} HTTP/1.1\r\nHost: media.dailey.cloud\r\nConnection: close\r\nContent-Length: 10\r\n\r\n"
            );
            wire.send(&format!("{head}12345")).unwrap();
            // With half of its body still to come.
            let started = Instant::now();
            while media.heads().is_empty() {
                assert!(started.elapsed() < PATIENCE, "{path} is kept back");
                std::thread::sleep(Duration::from_millis(10));
            }
            wire.send("67890").unwrap();
            assert_eq!(statuses(&wire.rest()), [200], "{path}");
        }
    });
}
