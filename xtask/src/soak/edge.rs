//! nginx with the files of `deploy/nginx`, and another one before it that does what Cloudflare does. Only folders,
//! ports, upstreams and the networks of the edge are put in.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::Duration;

use testbed::certificates::Authority;
use testbed::parts::NginxPart;
use testbed::{Child, free_port};

use crate::services::until;
use crate::stop::{Interrupt, Outcome, Stop, failed};

/// The names that the deployment answers to.
const NAMES: [&str; 2] = ["core.dailey.cloud", "media.dailey.cloud"];

/// How long nginx may take to listen.
const LISTENS_WITHIN: Duration = Duration::from_secs(20);

/// Both nginx, and where clients reach the services through them.
pub(super) struct Edge {
    /// Dropped in this order: first what clients reach.
    cloudflare: Child,
    origin: Child,
    pub(super) core: String,
    pub(super) media: String,
}

/// The ports of everything behind the edge and of the edge itself.
struct Ports {
    origin: u16,
    plain: u16,
    core: u16,
    media: u16,
}

impl Edge {
    /// Starts both in a new folder, before a Core and several DMAPIs on these ports.
    pub(super) fn start(
        deployed: &Path,
        folder: &Path,
        core: u16,
        media: &[u16],
        interrupt: &Interrupt,
    ) -> Outcome<Self> {
        let part = NginxPart::find().map_err(|error| Stop::because(error.to_string()))?;
        let free = || free_port().map_err(|error| failed("there is no free loopback port", error));
        let ports = Ports {
            origin: free()?,
            plain: free()?,
            core: free()?,
            media: free()?,
        };
        let prepared = fs::create_dir(folder).and_then(|()| certificates(folder));
        prepared.map_err(|error| failed("cannot prepare nginx", error))?;
        install(deployed, folder, &ports, core, media)?;

        let start = |name: &str, file: &str, ports: &[u16]| {
            let mut command = part.nginx();
            command
                .arg("-e")
                .arg(folder.join(format!("{name}.start.log")))
                .args(["-g", if name == "nginx" { "daemon off;" } else { "" }, "-c"])
                .arg(folder.join(file));
            let mut child = Child::start(name, command, &folder.join(format!("{name}.log")))
                .map_err(|error| Stop::because(error.to_string()))?;
            until("listening of nginx", LISTENS_WITHIN, interrupt, || {
                if child.exited().is_some() {
                    let said = child.log_tail(20);
                    return Err(Stop::because(format!("{name} has ended:\n{said}")));
                }
                let listens = |port: &u16| TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_ok();
                Ok(ports.iter().all(listens).then_some(()))
            })?;
            Ok(child)
        };
        let origin = start("nginx", "nginx.conf", &[ports.origin, ports.plain])?;
        let cloudflare = start("cloudflare", "edge.conf", &[ports.core, ports.media])?;
        Ok(Self {
            cloudflare,
            origin,
            core: format!("http://127.0.0.1:{}", ports.core),
            media: format!("http://127.0.0.1:{}", ports.media),
        })
    }

    /// An error when one of them has ended.
    pub(super) fn check(&mut self) -> Outcome<()> {
        for child in [&mut self.cloudflare, &mut self.origin] {
            if child.exited().is_some() {
                let said = child.log_tail(20);
                return Err(Stop::because(format!(
                    "{} has ended:\n{said}",
                    child.name()
                )));
            }
        }
        Ok(())
    }
}

/// What each side shows and trusts.
fn certificates(folder: &Path) -> std::io::Result<()> {
    let (origin, edge) = (Authority::new("the origin's"), Authority::new("the edge's"));
    let tls = folder.join("tls");
    origin.server(&NAMES).write(&tls, "origin")?;
    fs::write(tls.join("edge-ca.pem"), edge.pem())?;
    edge.client().write(folder, "edge")?;
    fs::write(folder.join("origin-ca.pem"), origin.pem())
}

/// Copies the deployed files, and the one of the stand-in, with what is this machine's put in.
fn install(deployed: &Path, folder: &Path, ports: &Ports, core: u16, media: &[u16]) -> Outcome<()> {
    let shown = folder.display().to_string();
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| failed(format!("cannot write {name}"), error))
    };
    let read = |path: &Path| {
        fs::read_to_string(path)
            .map_err(|error| failed(format!("cannot read {}", path.display()), error))
    };
    let here = |text: &str| {
        let text = text
            .replace("user www-data;", "user root root;")
            .replace("/etc/dailey/tls", &format!("{shown}/tls"))
            .replace("/run/nginx.pid", &format!("{shown}/nginx.pid"));
        text.replace("/var/lib/nginx", &shown)
            .replace("/var/log/nginx", &shown)
    };
    write("nginx.conf", here(&read(&deployed.join("nginx.conf"))?))?;
    let made = fs::create_dir(folder.join("dailey"));
    made.map_err(|error| failed("cannot make a folder for nginx", error))?;
    let files = fs::read_dir(deployed.join("dailey"))
        .map_err(|error| failed("cannot read deploy/nginx/dailey", error))?;
    for path in files.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let text = listening_on(&here(&read(&path)?), ports);
        let text = match &*name {
            "cloudflare-ranges.conf" => "set_real_ip_from 127.0.0.1;\n".to_owned(),
            "core.conf" => with_servers(&text, "core", &[core])?,
            "media.conf" => with_servers(&text, "dmapi", media)?,
            _ => text,
        };
        write(&format!("dailey/{name}"), text)?;
    }
    let text = include_str!("edge.conf")
        .replace("FOLDER", &shown)
        .replace("ORIGIN", &ports.origin.to_string())
        .replace("CORE", &ports.core.to_string())
        .replace("MEDIA", &ports.media.to_string());
    write("edge.conf", text)
}

/// The lines that listen, on loopback alone.
fn listening_on(text: &str, ports: &Ports) -> String {
    let lines = text.lines().filter(|line| !line.contains("listen [::]:"));
    let lines = lines.map(|line| {
        line.replace("listen 443", &format!("listen 127.0.0.1:{}", ports.origin))
            .replace("listen 80", &format!("listen 127.0.0.1:{}", ports.plain))
    });
    lines.map(|line| line + "\n").collect()
}

/// The upstream of this name with these servers, each as its first one is written.
fn with_servers(text: &str, upstream: &str, ports: &[u16]) -> Outcome<String> {
    let missing = || Stop::because(format!("deploy/nginx has no server in upstream {upstream}"));
    let head = format!("upstream {upstream} {{\n");
    let (before, rest) = text.split_once(&head).ok_or_else(missing)?;
    let (block, after) = rest.split_once('}').ok_or_else(missing)?;
    let is_server = |line: &&str| line.trim_start().starts_with("server ");
    let first = block.lines().find(is_server).ok_or_else(missing)?;
    let (_, how) = first
        .trim_start()
        .trim_start_matches("server ")
        .split_once([' ', ';'])
        .ok_or_else(missing)?;
    let end = if how.is_empty() { ";" } else { "" };
    let servers = ports
        .iter()
        .map(|port| format!("    server 127.0.0.1:{port} {how}{end}\n"));
    let servers: String = servers.collect();
    let others: Vec<&str> = block.lines().filter(|line| !is_server(line)).collect();
    let others = others.join("\n");
    Ok(format!("{before}{head}{servers}{others}\n}}{after}"))
}

#[cfg(test)]
mod tests {
    use super::with_servers;

    #[test]
    fn an_upstream_gets_more_servers_of_the_same_kind() {
        let text = "a\nupstream x {\n    # c\n    server 127.0.0.1:1 max_fails=1;\n    keepalive 2;\n}\nb\n";
        let expected = "a\nupstream x {\n    server 127.0.0.1:7 max_fails=1;\n    server 127.0.0.1:8 max_fails=1;\n    \
                        # c\n    keepalive 2;\n}\nb\n";
        assert_eq!(with_servers(text, "x", &[7, 8]).unwrap(), expected);
        let plain = with_servers("upstream x {\nserver a:1;\n# c\n}", "x", &[7]).unwrap();
        assert_eq!(plain, "upstream x {\n    server 127.0.0.1:7 ;\n# c\n}");
        assert!(with_servers(text, "y", &[7]).is_err());
    }
}
