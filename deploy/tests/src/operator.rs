//! Whoever types the blocks of `docs/operate.md` on an empty machine, as root.
//!
//! What Debian would have beside the programs of this workspace is put where they find it: nginx, pm2, and in the
//! place of systemd a script that knows two things.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use testbed::Child;
use testbed::parts::{NginxPart, Pm2Part};

use crate::certificates::{Authority, NAMES};
use crate::edge::{cloudflare, own_users};
use crate::page::{Block, Shell, assert_said};
use crate::programs;
use crate::world::World;

/// The page.
pub const PAGE: &str = "docs/operate.md";

/// The section for a deployment that has its data elsewhere: it is not for the machine of the others.
pub const TWO_OF_EACH: &str = "Two of each";

/// Where programs that a Debian would have are put.
const TOOLS: &str = "/opt/tools";

/// Somebody who follows the page.
#[derive(Debug)]
pub struct Operator {
    shell: Shell,
    programs: PathBuf,
    /// What the block before printed.
    said: String,
    /// What clients of Cloudflare trust, and the machine as well.
    pub public_ca: Authority,
    origin_ca: Authority,
    cloudflare: Option<Child>,
    _logs: Logs,
}

impl Operator {
    /// On an empty machine.
    pub fn new(world: &World) -> Self {
        let programs = programs::built();
        tools();
        let public_ca = Authority::new("the public's");
        trust(&public_ca);
        Self {
            shell: Shell::start(shell(world)),
            programs,
            said: String::new(),
            public_ca,
            origin_ca: Authority::new("the origin's"),
            cloudflare: None,
            _logs: Logs,
        }
    }

    /// Does what a block says, or looks whether what came is what it says.
    pub fn follow(&mut self, block: &Block) {
        if block.section.starts_with("3.") && self.cloudflare.is_none() {
            self.enter_at_cloudflare();
        }
        eprintln!("--- {}", block.section);
        let text = block
            .text
            // Built already, without the time that a release takes.
            .replace("cargo build --release", ": cargo build --release")
            .replace("target/release", self.programs.to_str().unwrap());
        match block.language.as_str() {
            "sh" => self.said = self.shell.run(&text),
            "sh fails" => self.shell.run_refused(&text),
            "text" => assert_said(&self.said, &text),
            other => panic!("nobody knows how to run a block of {other}"),
        }
    }

    /// Runs what is not on the page; what it printed.
    #[track_caller]
    pub fn run(&mut self, text: &str) -> String {
        self.shell.run(text)
    }

    /// What the page says to enter at Cloudflare, and to take from there.
    fn enter_at_cloudflare(&mut self) {
        let folder = Path::new("/srv/edge");
        fs::create_dir_all(folder).unwrap();
        for file in ["edge.pem", "edge.key"] {
            fs::copy(format!("/etc/dailey/tls/{file}"), folder.join(file)).unwrap();
        }
        let pair = self.origin_ca.server(&NAMES);
        pair.write(Path::new("/etc/dailey/tls"), "origin").unwrap();
        self.cloudflare = Some(cloudflare(folder, &self.public_ca, &self.origin_ca));
    }
}

/// Shows what the programs wrote where the test fails.
#[derive(Debug)]
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
        .current_dir(crate::root())
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
        "#!/bin/sh\ncase $* in\n'restart nginx') exec nginx;;\n'reload nginx') exec nginx -s reload;;\nesac\necho \"systemctl $*: not here\" >&2\nexit 1\n",
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
