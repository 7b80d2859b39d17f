//! What nginx sends to the other replica where the first gave no answer.

use std::fs;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use deploy_tests::edge::Edge;
use deploy_tests::recorder::{Manner, Recorder};
use deploy_tests::wire::{Way, statuses};
use deploy_tests::world::{CLOUDFLARE, MACHINE, World, in_a_world};
use tokio_rustls::rustls::version::TLS13;

const SECOND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Longer than nginx takes to hand on a head.
const PATIENCE: Duration = Duration::from_secs(20);

/// nginx that knows the second one, too.
fn edge_of_two(world: &World) -> Edge {
    Edge::start_with(world, || {
        let file = "/etc/nginx/dailey/media.conf";
        let text = fs::read_to_string(file).unwrap();
        fs::write(file, text.replace("# server ", "server ")).unwrap();
    })
}

fn way(edge: &Edge) -> Way<'_> {
    Way {
        from: CLOUDFLARE,
        to: MACHINE,
        name: "media.dailey.cloud",
        authority: edge.origin_ca.pem(),
        pass: Some(&edge.pass),
        versions: vec![&TLS13],
    }
}

/// A request's head.
fn request(line: &str, length: usize) -> String {
    format!(
        "{line} HTTP/1.1\r\nHost: media.dailey.cloud\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    )
}

#[test]
#[ignore = "needs nginx: `cargo xtask test` sets it up and runs this"]
fn a_write_that_was_sent_is_not_sent_again_where_that_may_do_it_twice() {
    in_a_world(|world| {
        let edge = edge_of_two(world);
        let both = [Ipv4Addr::LOCALHOST, SECOND];
        let both = both.map(|address| Recorder::start_at(world, (address, 4100), Manner::Breaks));
        let asked = || both.each_ref().map(|one| one.heads().len()).iter().sum();
        for (line, times) in [
            ("GET /api/media/a", 2),
            ("HEAD /api/media/a", 2),
            ("PUT /api/media/a", 2),
            ("DELETE /api/media/a", 2),
            ("POST /api/media-ops/move", 1),
            ("POST /api/uploads", 1),
            ("PATCH /api/uploads/a", 1),
        ] {
            let body = if line.starts_with('P') { "12345" } else { "" };
            let all = request(line, body.len()) + body;
            let answer = way(&edge).ask(&all).unwrap();
            assert_eq!(statuses(&answer), [503], "{line}: {answer}");
            let asked: usize = asked();
            assert_eq!(asked, times, "{line}");
        }
        // A body that is still coming is not kept to be sent again.
        let mut wire = way(&edge).open().unwrap();
        wire.send(&(request("PUT /api/media/a", 10) + "12345"))
            .unwrap();
        let started = Instant::now();
        let mut before: usize = 0;
        while before == 0 {
            assert!(started.elapsed() < PATIENCE, "nothing is handed on");
            std::thread::sleep(Duration::from_millis(10));
            before += asked();
        }
        wire.send("67890").unwrap();
        assert_eq!(statuses(&wire.rest()), [503]);
        let after: usize = asked();
        assert_eq!(before + after, 1);
    });
}
