//! A network that fails between the servers, and a source that is gone.

use std::thread;
use std::time::Duration;

use crate::bed::Bed;
use crate::proxy::Proxy;

#[test]
#[ignore = "needs MySQL and sshd: `cargo xtask test` sets them up and runs this"]
fn a_half_open_network_is_lag_while_every_column_is_green_and_then_connecting() {
    let bed = Bed::start();
    let proxy = Proxy::to(bed.pair.primary.port());
    bed.replica("STOP REPLICA");
    bed.pair.replicate_from(proxy.port()).unwrap();
    bed.pair.wait_until_caught_up().unwrap();
    bed.shows("through the proxy", &[]);

    proxy.stall(true);
    bed.shows("06 half-open, some seconds", &["lag"]);
    let report = bed.check("direct").report;
    assert_eq!(report["lag"]["seconds_behind_source"], 0, "{report:#}");
    assert_eq!(report["replica"]["io"], "Yes");
    // `replica_net_timeout` is 20 s.
    thread::sleep(Duration::from_secs(10));
    bed.shows("06b half-open, noticed", &["io_connecting"]);
    proxy.stall(false);
    bed.shows("06c resumed", &[]);
}

#[test]
#[ignore = "needs MySQL and sshd: `cargo xtask test` sets them up and runs this"]
fn a_source_that_is_down_is_unreachable_and_tries_that_are_used_up_stay_so() {
    let mut bed = Bed::start();
    bed.pair.primary.kill();
    bed.shows("07 source down", &["host_unreachable", "io_connecting"]);
    bed.pair.primary.start_again(&[]).unwrap();
    bed.shows("back by itself", &[]);

    bed.change_source("SOURCE_RETRY_COUNT = 2, SOURCE_CONNECT_RETRY = 1");
    bed.pair.primary.kill();
    bed.shows(
        "07b tries used up",
        &["host_unreachable", "io_stopped", "retry_budget"],
    );
    let report = bed.check("ssh").report;
    assert_eq!(report["replica"]["retry"]["attempt"], 2, "{report:#}");
    bed.pair.primary.start_again(&[]).unwrap();
    bed.shows(
        "07c source back, still stopped",
        &["io_stopped", "retry_budget"],
    );
}
