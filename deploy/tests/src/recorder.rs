//! A service that keeps what it is sent, byte by byte, in the place of Core or DMAPI.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::world::World;

/// What it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// 200 to each head that arrives.
    Answers,
    /// Nothing, ever.
    Stalls,
    /// Nothing: the connection ends when a request has come, body and all.
    Breaks,
}

/// A listening recorder. It ends with the test.
#[derive(Debug, Clone)]
pub struct Recorder {
    heads: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    /// Listens on the machine where the first Core or DMAPI does.
    pub fn start(world: &World, port: u16, manner: Manner) -> Self {
        Self::start_at(world, (Ipv4Addr::LOCALHOST, port), manner)
    }

    /// Listens on the machine.
    pub fn start_at(world: &World, address: (Ipv4Addr, u16), manner: Manner) -> Self {
        let listener = world.at_machine(|| TcpListener::bind(address).unwrap());
        let recorder = Self {
            heads: Arc::default(),
        };
        let heads = Arc::clone(&recorder.heads);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let heads = Arc::clone(&heads);
                std::thread::spawn(move || serve(stream, &heads, manner));
            }
        });
        recorder
    }

    /// The heads that came since the last call, each up to its empty line.
    pub fn heads(&self) -> Vec<String> {
        std::mem::take(&mut *self.heads.lock().unwrap())
    }
}

fn serve(mut stream: TcpStream, heads: &Mutex<Vec<String>>, manner: Manner) {
    let mut bytes = Vec::new();
    let mut piece = [0; 8192];
    loop {
        while let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head: Vec<u8> = bytes.drain(..end + 4).collect();
            let head = String::from_utf8_lossy(&head).into_owned();
            // A body is not for reading here; its length says where the next head begins.
            let length = header(&head, "content-length").and_then(|text| text.parse().ok());
            let left: usize = length.unwrap_or(0);
            heads.lock().unwrap().push(head);
            while left > bytes.len() {
                match stream.read(&mut piece) {
                    Ok(count) if count > 0 => bytes.extend_from_slice(&piece[..count]),
                    _ => return,
                }
            }
            bytes.drain(..left);
            if manner == Manner::Breaks {
                return;
            }
            if manner == Manner::Answers {
                let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\nrecorded\n";
                if stream.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
        }
        match stream.read(&mut piece) {
            Ok(count) if count > 0 => bytes.extend_from_slice(&piece[..count]),
            _ => return,
        }
    }
}

/// The value of the first header of this name.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    values(head, name).next()
}

/// The values of all headers of this name.
pub fn values<'a>(head: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    head.split("\r\n").skip(1).filter_map(move |line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
