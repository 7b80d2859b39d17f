//! `docs/operate.md`, from the first block to the last, on an empty machine. What it has on two of each is in
//! `tests/replicas`.

use std::fs;

use deploy_tests::operator::{Operator, PAGE, TWO_OF_EACH};
use deploy_tests::page::blocks;
use deploy_tests::world::in_a_world;
use testbed::parts::Pm2Part;

#[test]
#[ignore = "needs nginx and pm2: `cargo xtask test` sets them up and runs this"]
fn the_whole_deployment_comes_up_from_the_page() {
    in_a_world(|world| {
        let mut operator = Operator::new(world);
        let blocks = blocks(PAGE);
        let mut ran = 0;
        for block in blocks.iter().filter(|block| block.section != TWO_OF_EACH) {
            operator.follow(block);
            ran += 1;
        }
        assert!(ran > 15, "only {ran} blocks");
        comes_back_after_a_crash(&mut operator);
        let version = Pm2Part::find().unwrap();
        let page = fs::read_to_string(deploy_tests::root().join(PAGE)).unwrap();
        assert!(page.contains(&format!("pm2@{}", version.version())));
    });
}

/// PM2 starts again what died, and both ended in order whenever they were told to.
fn comes_back_after_a_crash(operator: &mut Operator) {
    let healthy = "curl --silent --show-error --fail --retry 20 --retry-all-errors https://media.dailey.cloud/health > /dev/null";
    operator.run(&format!("kill -9 $(as_dailey . pm2 pid dmapi)\n{healthy}"));
    operator.run("kill -9 $(as_dailey . pm2 pid core)");
    operator.run("curl --silent --show-error --fail --retry 20 --retry-all-errors https://core.dailey.cloud/health > /dev/null");
    let log =
        operator.run("cat /srv/dailey/.pm2/logs/dmapi-*.log /srv/dailey/.pm2/logs/core-*.log");
    // Three restarts of DMAPI in order, and two of Core, at the least.
    let stopped = log.matches("stopped").count();
    assert!(stopped >= 5 && !log.contains("Cut"), "{log}");
}
