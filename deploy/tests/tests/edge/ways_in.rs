//! Who gets in, and by which name.

use deploy_tests::certificates::Authority;
use deploy_tests::edge::{Deployment, Edge};
use deploy_tests::wire::{self, Way, statuses};
use deploy_tests::world::{CLIENT, CLOUDFLARE, MACHINE, in_a_world};
use tokio_rustls::rustls::version::{TLS12, TLS13};

/// From the edge to the machine.
pub(crate) fn from<'a>(edge: &'a Edge, name: &'a str) -> Way<'a> {
    Way {
        from: CLOUDFLARE,
        to: MACHINE,
        name,
        authority: edge.origin_ca.pem(),
        pass: Some(&edge.pass),
        versions: vec![&TLS13, &TLS12],
    }
}

pub(crate) fn get(host: &str, path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
}

#[test]
#[ignore = "needs nginx: `cargo xtask test` sets it up and runs this"]
fn only_the_edge_gets_in_and_only_by_the_right_names() {
    in_a_world(|world| {
        let deployment = Deployment::start(world);
        let core = from(&deployment.edge, "core.dailey.cloud");
        let live = get("core.dailey.cloud", "/health/live");
        for versions in [vec![&TLS12], vec![&TLS13]] {
            let way = Way {
                versions,
                ..core.clone()
            };
            assert_eq!(statuses(&way.ask(&live).unwrap()), [200]);
        }
        // Without the edge's certificate, or with one from elsewhere, not from the edge's own address either.
        let stranger = Authority::new("a stranger's").client();
        for pass in [None, Some(&stranger)] {
            for from in [CLIENT, CLOUDFLARE] {
                let way = Way {
                    from,
                    pass,
                    ..core.clone()
                };
                let answer = way.ask(&live).unwrap();
                assert_eq!(statuses(&answer), [400], "{answer}");
                assert!(!answer.contains("\"status\":\"ok\""), "{answer}");
            }
        }
        // Other names.
        let unknown = Way {
            name: "www.dailey.cloud",
            ..core.clone()
        };
        let refused = unknown.open().unwrap_err().to_string();
        assert!(refused.contains("UnrecognisedName"), "{refused}");
        for host in ["www.dailey.cloud", "media.dailey.cloud", "127.0.0.1"] {
            let answer = core.ask(&get(host, "/health/live")).unwrap();
            assert_eq!(statuses(&answer), [421], "{answer}");
        }
        // Plain http.
        for (head, expected) in [
            (
                "GET /a?b=c HTTP/1.1\r\nHost: media.dailey.cloud",
                "HTTP/1.1 308 ",
            ),
            (
                "POST /oauth/token HTTP/1.1\r\nHost: core.dailey.cloud",
                "HTTP/1.1 403 ",
            ),
            ("GET / HTTP/1.1\r\nHost: www.dailey.cloud", ""),
            ("GET / HTTP/1.0", ""),
        ] {
            use std::io::{Read as _, Write as _};
            let mut stream = wire::tcp(CLIENT, MACHINE, 80).unwrap();
            let head = format!("{head}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            let mut answer = String::new();
            let _ = stream.read_to_string(&mut answer);
            assert!(answer.starts_with(expected), "{head}{answer}");
            assert_eq!(answer.is_empty(), expected.is_empty(), "{head}{answer}");
            if expected.contains("308") {
                assert!(
                    answer.contains("Location: https://media.dailey.cloud/a?b=c\r\n"),
                    "{answer}"
                );
                assert!(
                    !answer.contains("Strict-Transport-Security"),
                    "RFC 6797 7.2: {answer}"
                );
            }
        }
    });
}
