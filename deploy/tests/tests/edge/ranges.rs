//! The list of those whose word about a client's address counts is made by a script, which takes networks alone.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

fn ranges(input: &str) -> Output {
    let mut script = Command::new("sh")
        .arg(deploy_tests::root().join("deploy/nginx/ranges.sh"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = script.stdin.take().unwrap();
    // It may refuse before it has read everything.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    script.wait_with_output().unwrap()
}

#[test]
fn the_list_that_lies_there_is_what_the_script_makes() {
    let file = deploy_tests::root().join("deploy/nginx/dailey/cloudflare-ranges.conf");
    let text = fs::read_to_string(file).unwrap();
    let networks = text
        .lines()
        .filter_map(|line| line.strip_prefix("set_real_ip_from ")?.strip_suffix(';'));
    let networks: Vec<&str> = networks.collect();
    assert_eq!(networks.len(), 22);
    // Without a newline at the end, as Cloudflare sends it.
    let made = ranges(&networks.join("\n"));
    assert!(made.status.success());
    assert_eq!(String::from_utf8(made.stdout).unwrap(), text);
}

#[test]
fn what_is_no_network_makes_no_list() {
    for input in [
        "",
        "\n\n",
        "<html>",
        "0.0.0.0/0",
        "::/0",
        "10.0.0.0/7",
        "192.0.2.1",
        "192.0.2.0/24;",
        "192.0.2.0/24/24",
        "192.0.2.0/24\n<html>",
        "192.0.2.0/24 evil",
        "2001:db8::/",
    ] {
        let made = ranges(input);
        assert!(!made.status.success(), "{input:?}");
        assert!(made.stdout.is_empty(), "{input:?}");
    }
}
