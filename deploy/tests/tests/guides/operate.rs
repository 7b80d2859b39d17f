//! `docs/operate.md`, from the first block to the last, on an empty machine.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use deploy_tests::certificates::{Authority, NAMES};
use deploy_tests::edge::{cloudflare, own_users};
use deploy_tests::page::{Shell, assert_said, blocks};
use deploy_tests::programs;
use deploy_tests::world::{World, in_a_world};
use testbed::Child;
use testbed::parts::{NginxPart, Pm2Part};

const PAGE: &str = "docs/operate.md";

/// Programs that a Debian would have: nginx, pm2, and in the place of systemd a script that knows one thing.
const TOOLS: &str = "/opt/tools";

#[test]
#[ignore = "needs nginx and pm2: `cargo xtask test` sets them up and runs this"]
fn the_whole_deployment_comes_up_from_the_page() {
    in_a_world(|world| {
        let programs = programs::built();
        tools();
        let (public_ca, origin_ca) = (
            Authority::new("the public's"),
            Authority::new("the origin's"),
        );
        trust(&public_ca);
        let mut shell = Shell::start(shell(world));
        let _logs = Logs;
        let mut edge: Option<Child> = None;
        let mut said = String::new();
        let mut ran = 0;
        for block in blocks(PAGE) {
            if block.section.starts_with("3.") && edge.is_none() {
                // What the page says to enter at Cloudflare, and to take from there.
                let folder = Path::new("/srv/edge");
                fs::create_dir_all(folder).unwrap();
                for file in ["edge.pem", "edge.key"] {
                    fs::copy(format!("/etc/dailey/tls/{file}"), folder.join(file)).unwrap();
                }
                origin_ca
                    .server(&NAMES)
                    .write(Path::new("/etc/dailey/tls"), "origin")
                    .unwrap();
                edge = Some(cloudflare(folder, &public_ca, &origin_ca));
            }
            eprintln!("--- {}", block.section);
            let text = block
                .text
                // Built already, without the time that a release takes.
                .replace("cargo build --release", ": cargo build --release")
                .replace("target/release", programs.to_str().unwrap());
            match block.language.as_str() {
                "sh" => said = shell.run(&text),
                "sh fails" => shell.run_refused(&text),
                "text" => assert_said(&said, &text),
                other => panic!("nobody knows how to run a block of {other}"),
            }
            ran += 1;
        }
        assert!(ran > 15, "only {ran} blocks");
        comes_back_after_a_crash(&mut shell);
        let version = Pm2Part::find().unwrap();
        let page = fs::read_to_string(deploy_tests::root().join(PAGE)).unwrap();
        assert!(page.contains(&format!("pm2@{}", version.version())));
    });
}

/// PM2 starts again what died, and both ended in order whenever they were told to.
fn comes_back_after_a_crash(shell: &mut Shell) {
    let healthy = "curl --silent --show-error --fail --retry 20 --retry-all-errors https://media.dailey.cloud/health > /dev/null";
    shell.run(&format!("kill -9 $(as_dailey . pm2 pid dmapi)\n{healthy}"));
    shell.run("kill -9 $(as_dailey . pm2 pid core)");
    shell.run("curl --silent --show-error --fail --retry 20 --retry-all-errors https://core.dailey.cloud/health > /dev/null");
    let log = shell.run("cat /srv/dailey/.pm2/logs/dmapi-*.log /srv/dailey/.pm2/logs/core-*.log");
    // Three restarts of DMAPI in order, and two of Core, at the least.
    let stopped = log.matches("stopped").count();
    assert!(stopped >= 5 && !log.contains("Cut"), "{log}");
}

/// Shows what the programs wrote where the test fails.
struct Logs;

impl Drop for Logs {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = Command::new("sh")
                .args([
                    "-c",
                    "tail -n 20 /srv/dailey/.pm2/pm2.log /srv/dailey/.pm2/logs/* >&2",
                ])
                .status();
        }
    }
}

fn shell(world: &World) -> Command {
    let mut command = world.on_machine("sh");
    let path = format!("{TOOLS}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    command
        .arg("-eu")
        .current_dir(deploy_tests::root())
        .env_clear()
        .env("HOME", "/root")
        .env("PATH", path);
    command
}

fn tools() {
    fs::create_dir_all(TOOLS).unwrap();
    let write = |name: &str, text: &str| {
        let path = Path::new(TOOLS).join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    let nginx = NginxPart::find().unwrap_or_else(|error| panic!("{error}"));
    // Its folder of configuration is where Debian has it; a relative include is looked for there.
    write(
        "nginx",
        &nginx
            .script()
            .replace("\"$@\"", "-c /etc/nginx/nginx.conf \"$@\""),
    );
    write(
        "systemctl",
        "#!/bin/sh\n[ \"$*\" = 'restart nginx' ] || { echo \"systemctl $*: not here\" >&2; exit 1; }\nexec nginx\n",
    );
    // What Debian's package makes.
    fs::create_dir_all("/etc/nginx").unwrap();
    for folder in ["/var/lib/nginx", "/var/log/nginx"] {
        fs::create_dir_all(folder).unwrap();
    }
    let pm2 = Pm2Part::find().unwrap_or_else(|error| panic!("{error}"));
    // Where everybody may read it.
    let copied = Command::new("cp")
        .arg("-r")
        .arg(pm2.folder())
        .arg("/opt/pm2")
        .status()
        .unwrap();
    assert!(copied.success());
    write(
        "pm2",
        "#!/bin/sh\nexec node /opt/pm2/node_modules/pm2/bin/pm2 \"$@\"\n",
    );
    if !own_users() {
        // The world was made without root, so there is nobody else to become.
        write("useradd", "#!/bin/sh\n");
        write("chown", "#!/bin/sh\n");
        write(
            "install",
            "#!/bin/sh\nargs=\nwhile [ $# -gt 0 ]; do case $1 in -o|-g) shift 2;; *) args=\"$args '$1'\"; shift;; esac; done\neval exec /usr/bin/install $args\n",
        );
        write("runuser", "#!/bin/sh\nshift 3\nexec \"$@\"\n");
    }
}

/// Lets the machine and the clients trust an authority as they trust the public ones.
fn trust(authority: &Authority) {
    let bundle = "/etc/ssl/certs/ca-certificates.crt";
    let mut text = fs::read_to_string(bundle).unwrap();
    text.push_str(authority.pem());
    fs::write("/run/ca-certificates.crt", text).unwrap();
    let mounted = Command::new("mount")
        .args(["--bind", "/run/ca-certificates.crt", bundle])
        .status();
    assert!(mounted.unwrap().success());
}
