//! A proxy on loopback between a client and a server, which a test can let stall, break or lie.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::copies;

/// How often a connection looks at what the test wants.
const POLL: Duration = Duration::from_millis(20);

/// What happens to what passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// Nothing.
    Flows,
    /// Connections are taken, but nothing moves.
    Stalls,
    /// Connections are cut, old and new.
    Breaks,
    /// What a request of this method with this text in its first line asks is done, but the
    /// connection is cut before the answer comes.
    LosesAnswersTo(&'static str, &'static str),
    /// What a connection answers from now on stalls after so many bytes.
    StallsAfter(u64),
    /// A request of this method with this text in its first line is taken, and nothing more moves on its connection.
    StallsAt(&'static str, &'static str),
    /// The server never hears of `If-Match` and `If-None-Match`.
    WithoutConditions,
    /// These conditions do not come as they were sent; all others do.
    Changes(&'static [Condition]),
    /// Multipart uploads are completed whatever the condition, and copies are made only under theirs.
    CopiesUnderConditions,
    /// Whatever writes is forbidden, as S3 says that.
    WithoutWrites,
}

/// A condition of some requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// Of requests of this method,
    pub method: &'static str,
    /// with this text in their first line:
    pub text: &'static str,
    /// this field.
    pub field: &'static str,
    /// How the server hears of it.
    pub heard: Heard,
}

/// How the server hears of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Not at all.
    Never,
    /// As `If-None-Match: *`. On an object that is there it fails as a stale `If-Match` does, and a server may know
    /// only this one.
    AsCreateOnly,
}

/// A running proxy; it ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    target: u16,
    wish: Mutex<Wish>,
    ended: AtomicBool,
}

/// What the test wants now.
#[derive(Debug, Clone, Copy)]
struct Wish {
    traffic: Traffic,
    /// How many wishes came before.
    number: u64,
    /// Whether more of an answer waits than may pass.
    has_stalled: bool,
}

impl Proxy {
    /// Starts one in front of a port on 127.0.0.1.
    pub fn start(target: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        listener.set_nonblocking(true)?;
        let shared = Arc::new(Shared {
            target,
            wish: Mutex::new(Wish {
                traffic: Traffic::Flows,
                number: 0,
                has_stalled: false,
            }),
            ended: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || accepting.accept(&listener));
        Ok(Self { port, shared })
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on, for open connections as well.
    pub fn set(&self, traffic: Traffic) {
        let mut wish = self.shared.lock();
        *wish = Wish {
            traffic,
            number: wish.number + 1,
            has_stalled: false,
        };
    }

    /// Whether an answer has come to where it stalls, since the traffic was set.
    pub fn has_stalled(&self) -> bool {
        self.shared.lock().has_stalled
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Wish> {
        self.wish.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An answer waits that the wish of this number holds back.
    fn note_stall(&self, number: u64) {
        let mut wish = self.lock();
        wish.has_stalled |= wish.number == number;
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        while !self.has_ended() {
            let Ok((client, _)) = listener.accept() else {
                std::thread::sleep(POLL);
                continue;
            };
            let shared = Arc::clone(self);
            std::thread::spawn(move || shared.connection(&client));
        }
    }

    fn connection(self: &Arc<Self>, client: &TcpStream) {
        if self.lock().traffic == Traffic::Breaks {
            return;
        }
        let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.target)) else {
            return;
        };
        let (Ok(client_too), Ok(server_too)) = (client.try_clone(), server.try_clone()) else {
            return;
        };
        let shared = Arc::clone(self);
        let lost = Arc::new(AtomicBool::new(false));
        let lost_too = Arc::clone(&lost);
        let asking = std::thread::spawn(move || {
            shared.relay(&client_too, &server_too, Direction::Requests, &lost_too);
        });
        self.relay(&server, client, Direction::Answers, &lost);
        let _ = asking.join();
    }

    fn relay(
        &self,
        mut from: &TcpStream,
        mut to: &TcpStream,
        direction: Direction,
        lost: &AtomicBool,
    ) {
        let _ = from.set_nonblocking(false);
        let _ = from.set_read_timeout(Some(POLL));
        let (mut number, mut passed, mut held) = (0, 0_u64, false);
        let mut piece = vec![0; 64 * 1024];
        while !self.has_ended() {
            let wish = *self.lock();
            let traffic = wish.traffic;
            if wish.number != number {
                (number, passed, held) = (wish.number, 0, false);
            }
            let answers = direction == Direction::Answers;
            match traffic {
                Traffic::Breaks => break,
                _ if held || traffic == Traffic::Stalls => {
                    std::thread::sleep(POLL);
                    continue;
                }
                Traffic::StallsAfter(bytes) if answers && passed >= bytes => {
                    if from.peek(&mut [0]).is_ok_and(|waiting| waiting > 0) {
                        self.note_stall(number);
                    }
                    std::thread::sleep(POLL);
                    continue;
                }
                _ => {}
            }
            let length = match from.read(&mut piece) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) =>
                {
                    continue;
                }
                Err(_) => break,
            };
            if answers && lost.load(Ordering::Relaxed) {
                break;
            }
            let piece = &mut piece[..length];
            if direction == Direction::Requests {
                match traffic {
                    Traffic::LosesAnswersTo(method, text) if is_request(piece, method, text) => {
                        lost.store(true, Ordering::Relaxed);
                    }
                    Traffic::StallsAt(method, text) if is_request(piece, method, text) => {
                        held = true;
                        continue;
                    }
                    Traffic::WithoutConditions => without_conditions(piece),
                    Traffic::Changes(conditions) => {
                        for condition in conditions {
                            condition.change(piece);
                        }
                    }
                    Traffic::CopiesUnderConditions => {
                        if let Some(answer) = copies::answer(piece, self.target) {
                            if let Ok(answer) = answer {
                                let _ = from.write_all(&answer);
                            }
                            break;
                        }
                        if is_request(piece, "POST", "uploadId=") {
                            without_conditions(piece);
                        }
                    }
                    Traffic::WithoutWrites
                        if !piece.starts_with(b"GET ") && !piece.starts_with(b"HEAD ") =>
                    {
                        // The client reads while this thread writes: both have the same socket.
                        let _ = from.write_all(FORBIDDEN);
                        break;
                    }
                    _ => {}
                }
            }
            if to.write_all(piece).is_err() {
                break;
            }
            passed += length as u64;
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Requests,
    Answers,
}

const FORBIDDEN: &[u8] = b"HTTP/1.1 403 Forbidden\r\ncontent-type: application/xml\r\ncontent-length: 53\r\nconnection: close\r\n\r\n\
<Error><Code>AccessDenied</Code><Message/></Error>\r\n\r";

fn is_request(piece: &[u8], method: &str, text: &str) -> bool {
    let line = piece.split(|byte| *byte == b'\r').next();
    let line = String::from_utf8_lossy(line.unwrap_or_default());
    line.split(' ').next() == Some(method) && line.contains(text)
}

const CREATE_ONLY: &[u8] = b"if-none-match:";

impl Condition {
    /// Changes it in the head of a request, at the same length.
    fn change(&self, piece: &mut [u8]) {
        if !is_request(piece, self.method, self.text) {
            return;
        }
        let field = format!("{}:", self.field);
        let lines = piece.split_inclusive_mut(|byte| *byte == b'\n');
        for line in lines.take_while(|line| **line != *b"\r\n") {
            if line.len() <= field.len()
                || !line[..field.len()].eq_ignore_ascii_case(field.as_bytes())
            {
                continue;
            }
            match self.heard {
                Heard::Never => line[..2].copy_from_slice(b"x-"),
                Heard::AsCreateOnly => {
                    let end = line.len() - 2;
                    // Not every server cuts blanks at the end of a value.
                    line[..end].fill(b' ');
                    line[..CREATE_ONLY.len()].copy_from_slice(CREATE_ONLY);
                    line[end - 1] = b'*';
                }
            }
        }
    }
}

/// Gives the two fields other names of the same length.
fn without_conditions(piece: &mut [u8]) {
    for name in [&b"if-none-match:"[..], b"if-match:"] {
        for at in 0..piece.len().saturating_sub(name.len()) {
            if piece[at..at + name.len()].eq_ignore_ascii_case(name) {
                piece[at..at + 2].copy_from_slice(b"x-");
            }
        }
    }
}
