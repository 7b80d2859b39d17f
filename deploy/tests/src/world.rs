//! A network and a file system of the test's own, made of Linux namespaces, gone with the test.
//!
//! The test itself runs in the internet: it has the address of a client and one of Cloudflare's. The machine is
//! at the other end of a virtual cable, with every port free. `/etc`, `/opt`, `/root`, `/srv`, `/var/lib`, `/var/log`,
//! `/run` and `/usr/local/bin` can be written and are forgotten. It knows nothing of what runs there.

use std::env;
use std::fs;
use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::Command;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Where the client of a test comes from (RFC 5737).
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);

/// An address in Cloudflare's published ranges.
pub const CLOUDFLARE: Ipv4Addr = Ipv4Addr::new(173, 245, 48, 1);

/// The machine.
pub const MACHINE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);

/// Where a store of objects is that the machine knows as [`crate::store::NAME`].
pub const STORE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 20);

/// Set where a test runs inside.
const INSIDE: &str = "DAILEY_DEPLOY_TEST_INSIDE";

/// The process that keeps the machine's network.
const KEEPER: &str = "DAILEY_DEPLOY_TEST_KEEPER";

/// Makes the world, then becomes the test.
const SET_UP: &str = r#"set -eu
ip link set lo up
unshare --net sleep infinity & machine=$!
while [ "$(readlink /proc/$machine/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
on_machine="nsenter --net=/proc/$machine/ns/net"
ip link add internet type veth peer name cable netns $machine
ip addr add 203.0.113.9/32 dev internet
ip addr add 173.245.48.1/32 dev internet
ip addr add 192.0.2.20/32 dev internet
ip -6 addr add 2001:db8::9/64 dev internet nodad
ip link set internet up
ip route add 198.51.100.10/32 dev internet src 203.0.113.9
$on_machine ip link set lo up
$on_machine ip addr add 198.51.100.10/32 dev cable
$on_machine ip -6 addr add 2001:db8::10/64 dev cable nodad
$on_machine ip link set cable up
$on_machine ip route add default dev cable src 198.51.100.10
layers=$(mktemp -d)
mount -t tmpfs tmpfs "$layers"
for folder in etc opt root usr/local/bin; do
    mkdir -p "$layers/$folder.new" "$layers/$folder.work"
    mount -t overlay overlay -o "lowerdir=/$folder,upperdir=$layers/$folder.new,workdir=$layers/$folder.work" "/$folder"
done
for folder in var/lib var/log run srv; do mount -t tmpfs tmpfs "/$folder"; done
{ cat /etc/hosts; echo '173.245.48.1 core.dailey.cloud media.dailey.cloud'; echo '192.0.2.20 store.example.com'; } > "$layers/hosts"
mount --bind "$layers/hosts" /etc/hosts
export DAILEY_DEPLOY_TEST_KEEPER=$machine
exec "$@"
"#;

/// The world, from inside.
#[derive(Debug)]
pub struct World {
    keeper: String,
}

/// Runs `test` in a world of its own. The first thing in a test: the test starts itself again, inside.
///
/// Needs util-linux, iproute2 and the right to make namespaces: root, or a kernel that allows them to everybody.
#[track_caller]
pub fn in_a_world<F: FnOnce(&World)>(test: F) {
    if let Some(mark) = env::var_os(INSIDE) {
        test(&World {
            keeper: env::var(KEEPER).unwrap(),
        });
        fs::write(mark, "").unwrap();
        return;
    }
    // `edge::tls::name_of_the_test::{{closure}}`, and the test's name for libtest is without the program's.
    let name = std::any::type_name::<F>().trim_end_matches("::{{closure}}");
    let (_, name) = name.split_once("::").unwrap();
    let marks = tempfile::tempdir().unwrap();
    let mark = marks.path().join("ended");
    let mut unshare = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    let status = unshare
        .args([
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ])
        .args(["sh", "-c", SET_UP, "world"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", name, "--include-ignored", "--nocapture"])
        .env(INSIDE, &mark)
        // No program of the machine is to see the settings of whoever runs the tests.
        .env_remove("DAILEY_ENV")
        .env_remove("NODE_ENV")
        .status()
        .expect("`unshare` is in the Debian package util-linux");
    assert!(
        status.success(),
        "the test failed inside, or no world could be made (see above; it needs root or user namespaces)"
    );
    assert!(mark.exists(), "no test of the name {name} ran inside");
}

impl World {
    /// A command on the machine.
    pub fn on_machine(&self, program: impl AsRef<Path>) -> Command {
        let [enter, network, end] = self.way_in();
        let mut command = Command::new(enter);
        command.args([network, end]).arg(program.as_ref());
        command
    }

    /// What a command begins with that is to run on the machine.
    pub fn way_in(&self) -> [String; 3] {
        let network = format!("--net=/proc/{}/ns/net", self.keeper);
        ["nsenter".to_owned(), network, "--".to_owned()]
    }

    /// Does something in the machine's network: what is bound or connected there stays there.
    pub fn at_machine<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        let network = fs::File::open(format!("/proc/{}/ns/net", self.keeper)).unwrap();
        std::thread::scope(|scope| {
            // A thread of its own, which ends there.
            let there = scope.spawn(move || {
                let kind = Some(LinkNameSpaceType::Network);
                move_into_link_name_space(network.as_fd(), kind).unwrap();
                what()
            });
            there.join().unwrap()
        })
    }
}
