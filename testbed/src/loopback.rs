//! Free loopback ports, and waiting until a service on one of them answers.

use std::collections::hash_map::RandomState;
use std::fs::{self, OpenOptions};
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::parts::existing_cache;
use crate::{Child, StartError, how_it_ended};

/// How often a service that is being waited for is asked.
const POLL: Duration = Duration::from_millis(20);

/// Longest single attempt to get an answer.
const ATTEMPT: Duration = Duration::from_secs(2);

/// Lines of the child's log shown when it does not become ready.
const TAIL_LINES: usize = 20;

/// First port that [`free_port`] gives; what a machine itself runs listens below.
const FIRST: u16 = 10_000;

/// First port that Linux gives to outgoing connections and to who binds port 0, where it does not say.
const EPHEMERAL: u16 = 32_768;

/// Ports that are tried before giving up.
const MAX_TRIES: usize = 100;

/// The next port, for all processes that have the same cache.
const NEXT_FILE: &str = "next-port";

/// A loopback port that nobody listens on and no outgoing connection gets, and that no other call gives, in this process
/// or another one, before all others had their turn: it stays free until it is used, and for a second start after that.
///
/// Where there is no cache, as nothing was set up, or none that can be written, it is one by chance.
pub fn free_port() -> io::Result<u16> {
    let ports = FIRST..ephemeral_start();
    let given = existing_cache().and_then(|cache| next_of_all(&cache.join(NEXT_FILE), &ports).ok());
    given.map_or_else(|| first_free(by_chance(&ports), &ports), Ok)
}

/// Below it, no port is taken by a connection that goes out, or by who binds port 0: either may come between the call
/// and the service's own bind, or while the service is started again.
fn ephemeral_start() -> u16 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let start = range.split_whitespace().next();
    let start = start.and_then(|start| start.parse().ok());
    // Where nothing is left below it, any is as good as another.
    start
        .filter(|start| *start > FIRST + 1000)
        .unwrap_or(EPHEMERAL)
}

/// The port that the file names, or the first free one after it; the file then names the one behind that.
fn next_of_all(next_file: &Path, ports: &Range<u16>) -> io::Result<u16> {
    let no_follow = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        // Nobody else may hold the lock, or have another file written.
        .mode(0o600)
        .custom_flags(no_follow.bits().cast_signed())
        .open(next_file)?;
    // Until the file is dropped. Nobody holds it for longer than some binds take.
    file.lock()?;
    let mut text = String::new();
    // What cannot be read counts as what is not there.
    let _ = file.read_to_string(&mut text);
    let next = text.trim().parse().ok().filter(|next| ports.contains(next));
    let port = first_free(next.unwrap_or_else(|| by_chance(ports)), ports)?;
    // One length, so that nothing of a longer text stays behind it.
    file.write_all_at(format!("{:05}\n", after(port, ports)).as_bytes(), 0)?;
    file.set_len(6)?;
    Ok(port)
}

/// The first one that can be bound, from this one on and around.
fn first_free(from: u16, ports: &Range<u16>) -> io::Result<u16> {
    let mut port = from;
    let mut last = None;
    for _ in 0..MAX_TRIES {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) => last = Some(error),
        }
        port = after(port, ports);
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
}

fn after(port: u16, ports: &Range<u16>) -> u16 {
    match port + 1 {
        next if next < ports.end => next,
        _ => ports.start,
    }
}

fn by_chance(ports: &Range<u16>) -> u16 {
    // Keyed anew in each process and by each call: as good as chance.
    let chance = RandomState::new().build_hasher().finish();
    let offset = u16::try_from(chance % ports.len() as u64).unwrap_or_default();
    ports.start + offset
}

/// Waits until `url` (plain http on loopback) answers 200, as long as the child lives.
pub fn wait_for_http(child: &mut Child, url: &str, deadline: Duration) -> Result<(), StartError> {
    let (address, path) = parse(url).ok_or_else(|| StartError::Address {
        url: url.to_owned(),
    })?;
    let started = Instant::now();
    loop {
        if let Some(status) = child.exited() {
            return Err(StartError::Ended {
                name: child.name().to_owned(),
                how: how_it_ended(status),
                log_tail: child.log_tail(TAIL_LINES),
            });
        }
        let last = match status_of(address, path) {
            Ok(200) => return Ok(()),
            Ok(status) => format!("the last answer was {status}"),
            Err(error) => format!("the last attempt failed: {error}"),
        };
        if started.elapsed() >= deadline {
            return Err(StartError::NotReady {
                name: child.name().to_owned(),
                url: url.to_owned(),
                deadline,
                last,
                log_tail: child.log_tail(TAIL_LINES),
            });
        }
        std::thread::sleep(POLL);
    }
}

/// `http://127.0.0.1:4000/health` as address and path.
fn parse(url: &str) -> Option<(SocketAddr, &str)> {
    let rest = url.strip_prefix("http://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let address: SocketAddr = authority.parse().ok()?;
    let path = if path.is_empty() { "/" } else { path };
    // No white space or control character: it goes into a request line as it is.
    let clean = path.bytes().all(|byte| byte.is_ascii_graphic());
    (address.ip().is_loopback() && clean).then_some((address, path))
}

/// The status of one GET (RFC 9112 section 4: `HTTP/1.1 200 …`).
fn status_of(address: SocketAddr, path: &str) -> io::Result<u16> {
    let mut stream = TcpStream::connect_timeout(&address, ATTEMPT)?;
    stream.set_read_timeout(Some(ATTEMPT))?;
    stream.set_write_timeout(Some(ATTEMPT))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut start = [0_u8; 12];
    stream.read_exact(&mut start)?;
    std::str::from_utf8(&start)
        .ok()
        .and_then(|line| line.strip_prefix("HTTP/1.1 "))
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP/1.1"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // what fails here says so by failing

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_next_port_is_in_the_file_and_after_the_last_comes_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("next");
        let ports = FIRST..FIRST + 50;
        let given: BTreeSet<u16> = (0..10)
            .map(|_| next_of_all(&file, &ports).unwrap())
            .collect();
        assert_eq!(given.len(), 10, "each once");
        fs::write(&file, (ports.end - 1).to_string()).unwrap();
        let last = next_of_all(&file, &ports).unwrap();
        let first = next_of_all(&file, &ports).unwrap();
        // Others may have some of them.
        assert!(last == ports.end - 1 || last < first, "{last} {first}");
        assert!(first < ports.start + 40, "{first}");
    }

    #[test]
    fn a_port_that_somebody_has_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("next");
        let taken = free_port().unwrap();
        let _held = TcpListener::bind((Ipv4Addr::LOCALHOST, taken)).unwrap();
        fs::write(&file, taken.to_string()).unwrap();
        let ports = FIRST..ephemeral_start();
        assert_ne!(next_of_all(&file, &ports).unwrap(), taken);
    }

    #[test]
    fn a_file_that_says_nothing_of_use_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("next");
        let ports = FIRST..ephemeral_start();
        for text in ["", "0", "99999999", "nonsense", "\u{e9}", "65535\nmore"] {
            fs::write(&file, text).unwrap();
            let port = next_of_all(&file, &ports).unwrap();
            assert!(ports.contains(&port), "{text:?}: {port}");
            let next = fs::read_to_string(&file).unwrap();
            assert_eq!(next, format!("{:05}\n", after(port, &ports)), "{text:?}");
        }
        fs::write(&file, b"\xff\xfe").unwrap();
        next_of_all(&file, &ports).unwrap();
    }

    #[test]
    fn a_link_in_its_place_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (file, other) = (folder.path().join("next"), folder.path().join("other"));
        fs::write(&other, "somebody's").unwrap();
        std::os::unix::fs::symlink(&other, &file).unwrap();
        next_of_all(&file, &(FIRST..EPHEMERAL)).unwrap_err();
        assert_eq!(fs::read_to_string(other).unwrap(), "somebody's");
    }
}
