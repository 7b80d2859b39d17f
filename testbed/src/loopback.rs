//! Free loopback ports, and waiting until a service on one of them answers.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::{Child, StartError, how_it_ended};

/// How often a service that is being waited for is asked.
const POLL: Duration = Duration::from_millis(20);

/// Longest single attempt to get an answer.
const ATTEMPT: Duration = Duration::from_secs(2);

/// Lines of the child's log shown when it does not become ready.
const TAIL_LINES: usize = 20;

/// Where [`free_port`] looks: below the ports that Linux gives to outgoing connections, one of which
/// could take it while a service is being started again.
const PORTS: Range<u16> = 10_000..32_000;

/// Ports that are tried before giving up.
const MAX_TRIES: usize = 100;

/// A loopback port that was free a moment ago. Another process may take it before it is used, so a
/// caller that cannot fail on that tries again with another one.
pub fn free_port() -> io::Result<u16> {
    let mut last = None;
    for _ in 0..MAX_TRIES {
        // Keyed anew each time: as good as chance.
        let chance = RandomState::new().build_hasher().finish();
        let offset = u16::try_from(chance % PORTS.len() as u64).unwrap_or_default();
        let port = PORTS.start + offset;
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
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
