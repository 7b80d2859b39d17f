//! nginx on the machine with the files of `deploy/nginx` to the letter, and another one in the internet that does what
//! Cloudflare does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use testbed::Child;
use testbed::parts::NginxPart;

use crate::certificates::{Authority, NAMES, Pair};
use crate::programs;
use crate::services::{self, Core};
use crate::world::{CLOUDFLARE, MACHINE, World};

/// Longer than nginx needs to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Everything that stands between a client and the services.
#[derive(Debug)]
pub struct Edge {
    /// nginx on the machine.
    pub origin: Child,
    /// The stand-in for Cloudflare.
    pub cloudflare: Child,
    /// What clients of Cloudflare trust.
    pub public_ca: Authority,
    /// What Cloudflare trusts.
    pub origin_ca: Authority,
    /// What Cloudflare shows the machine.
    pub pass: Pair,
    folder: PathBuf,
}

/// The whole deployment.
#[derive(Debug)]
pub struct Deployment {
    /// nginx and what is in front of it.
    pub edge: Edge,
    /// Core.
    pub core: Core,
    /// DMAPI.
    pub dmapi: Child,
}

impl Deployment {
    /// Starts all of it.
    pub fn start(world: &World) -> Self {
        let programs = programs::built();
        let edge = Edge::start(world);
        let mut core = services::core(world, &programs);
        services::wait(world, &mut core.child, 4000);
        let mut dmapi = services::dmapi(world, &programs, &core.app_id, &edge.public_ca_file());
        services::wait(world, &mut dmapi, 4100);
        Self { edge, core, dmapi }
    }
}

impl Edge {
    /// Puts the files where they belong and starts both.
    pub fn start(world: &World) -> Self {
        Self::start_with(world, || {})
    }

    /// The same, with a change to the files in between.
    pub fn start_with(world: &World, change: impl FnOnce()) -> Self {
        let part = NginxPart::find().unwrap_or_else(|error| panic!("{error}"));
        let folder = PathBuf::from("/srv/edge");
        fs::create_dir_all(&folder).unwrap();
        let (public_ca, origin_ca, edge_ca) = (
            Authority::new("the public's"),
            Authority::new("the origin's"),
            Authority::new("the edge's"),
        );
        let pass = edge_ca.client();
        pass.write(&folder, "edge").unwrap();
        let tls = Path::new("/etc/dailey/tls");
        origin_ca.server(&NAMES).write(tls, "origin").unwrap();
        fs::write(tls.join("edge-ca.pem"), edge_ca.pem()).unwrap();
        install();
        change();
        let mut origin = world.on_machine("sh");
        let script = folder.join("nginx");
        fs::write(&script, part.script()).unwrap();
        origin
            .arg(&script)
            .args(["-g", "daemon off;", "-c", "/etc/nginx/nginx.conf"]);
        let mut origin = start("nginx", origin, &folder);
        wait(&mut origin, MACHINE);
        let cloudflare = cloudflare(&folder, &public_ca, &origin_ca);
        Self {
            origin,
            cloudflare,
            public_ca,
            origin_ca,
            pass,
            folder,
        }
    }

    /// The authority that clients of Cloudflare trust, for programs that read a file.
    pub fn public_ca_file(&self) -> PathBuf {
        self.folder.join("public-ca.pem")
    }
}

/// Starts the stand-in for Cloudflare in `folder`, where what it shows the machine is: `edge.pem`, `edge.key`.
pub fn cloudflare(folder: &Path, public_ca: &Authority, origin_ca: &Authority) -> Child {
    let part = NginxPart::find().unwrap_or_else(|error| panic!("{error}"));
    public_ca.server(&NAMES).write(folder, "public").unwrap();
    fs::write(folder.join("public-ca.pem"), public_ca.pem()).unwrap();
    fs::write(folder.join("origin-ca.pem"), origin_ca.pem()).unwrap();
    let text = include_str!("edge.conf").replace("EDGE", &folder.display().to_string());
    fs::write(folder.join("nginx.conf"), text).unwrap();
    let mut command = part.nginx();
    command.arg("-c").arg(folder.join("nginx.conf"));
    let mut cloudflare = start("cloudflare", command, folder);
    wait(&mut cloudflare, CLOUDFLARE);
    cloudflare
}

/// What `docs/operate.md` does for nginx.
pub fn install() {
    let nginx = crate::root().join("deploy/nginx");
    let status = Command::new("sh")
        .args(["-euc", "mkdir -p /etc/nginx /var/lib/nginx /var/log/nginx && cp -r \"$0\"/nginx.conf \"$0\"/dailey /etc/nginx/"])
        .arg(nginx)
        .status()
        .unwrap();
    assert!(status.success());
    if !own_users() {
        // Nobody but ourselves is known where the world was made without root.
        let path = "/etc/nginx/nginx.conf";
        let text = fs::read_to_string(path).unwrap();
        fs::write(path, text.replace("user www-data;", "user root root;")).unwrap();
    }
}

/// Whether there are other users in here.
pub fn own_users() -> bool {
    fs::read_to_string("/proc/self/uid_map")
        .unwrap()
        .split_whitespace()
        .nth(2)
        != Some("1")
}

pub(crate) fn start(name: &str, command: Command, folder: &Path) -> Child {
    Child::start(name, command, &folder.join(format!("{name}.log"))).unwrap()
}

pub(crate) fn wait(child: &mut Child, address: std::net::Ipv4Addr) {
    let started = Instant::now();
    while std::net::TcpStream::connect((address, 443)).is_err() {
        assert!(child.exited().is_none(), "{}", child.log_tail(20));
        assert!(started.elapsed() < PATIENCE, "{}", child.log_tail(20));
        std::thread::sleep(Duration::from_millis(20));
    }
}
