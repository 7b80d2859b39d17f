//! The failover recipe, run from the document's own commands.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::bed::Bed;
use crate::seeding::{PASSWORD, bed, url, uuid};

const RECIPE: &str = include_str!("../../../../docs/operations/failover.md");

/// A fenced block: what stands behind the fence, and its lines.
struct Block {
    head: &'static str,
    text: String,
}

fn blocks() -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = RECIPE.lines();
    while let Some(line) = lines.next() {
        if let Some(head) = line.strip_prefix("```") {
            let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push(Block {
                head,
                text: text.join("\n"),
            });
        }
    }
    blocks
}

#[test]
#[ignore = "needs MySQL and sshd: `cargo xtask test` sets them up and runs this"]
fn the_failover_recipe_works_as_it_is_written() {
    let mut bed = bed();
    bed.primary("INSERT INTO core.t VALUES (1, 1)");
    let mut gtid_executed = String::new();
    let mut ran = Vec::new();
    for block in blocks() {
        ran.push(block.head);
        let statements = block.text.replace("{{gtid_executed}}", &gtid_executed);
        match block.head {
            "sql on coredb1" => gtid_executed = bed.primary(&statements).trim().replace('\n', ""),
            "sql on coredb2" => {
                let said = bed.replica(&statements);
                if statements.contains("WAIT_FOR_EXECUTED_GTID_SET") {
                    assert_eq!(said, "0\n");
                }
            }
            "sh" if block.text == "core-replica-health" => {}
            "sh" => {
                // A write of Core's, after it was pointed at coredb2, and one of coredb1's that is lost.
                bed.replica("INSERT INTO core.t VALUES (2, 2)");
                bed.primary("SET GLOBAL super_read_only = OFF; INSERT INTO core.t VALUES (3, 3)");
                seed(&mut bed, &block.text);
            }
            other => panic!("nobody knows how to run a block of {other}"),
        }
    }
    assert_eq!(
        ran,
        [
            "sql on coredb1",
            "sql on coredb2",
            "sql on coredb2",
            "sh",
            "sql on coredb1",
            "sh"
        ]
    );
    bed.shows("after the failover", &[]);
    let report = bed.check("direct").report;
    assert_eq!(report["primary"]["name"], "coredb2");
    assert_eq!(report["replica"]["name"], "coredb1");
    assert_eq!(bed.primary("SELECT id FROM core.t"), "1\n2\n");

    // It holds over restarts.
    bed.pair.primary.stop();
    bed.pair.replica.stop();
    bed.pair.replica.start_again(&[]).unwrap();
    bed.pair.primary.start_again(&[]).unwrap();
    bed.shows("after restarts", &[]);
}

/// The document's command in a shell, with what it takes from its environment.
fn seed(bed: &mut Bed, command: &str) {
    let health = std::path::Path::new(env!("CARGO_BIN_EXE_core-replica-seed"));
    let path = format!(
        "{}:{}:/usr/bin:/bin",
        health.parent().unwrap().display(),
        bed.home.path().join("programs").display()
    );
    let (coredb1, coredb2) = (&bed.pair.primary, &bed.pair.replica);
    let seeding = Command::new("sh")
        .args(["-c", command])
        .env_clear()
        .env("PATH", path)
        .env("COREDB1_URL", url(coredb1))
        .env("COREDB2_URL", url(coredb2))
        .env("COREDB1_UUID", uuid(coredb1))
        .env("TUNNEL_PORT", coredb2.port().to_string())
        .env("SEED_SOURCE_PASS", PASSWORD)
        .env("SEED_TARGET_PASS", PASSWORD)
        .env("SEED_REPL_PASS", &coredb1.passwords().replicator)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // What systemd does in the document.
    if bed.pair.primary.wait_until_ended(Duration::from_secs(60)) {
        bed.pair.primary.start_again(&[]).unwrap();
    }
    let output = seeding.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
}
