//! As much HTTP/1.1 as the example needs: one GET without a body on a connection. A real program has a
//! server for this.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use dailey_auth::bearer::Refusal;

/// Largest request head in bytes: twice the largest token.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Longest wait for a piece of the request.
const PATIENCE: Duration = Duration::from_secs(5);

/// The head of a request.
pub(crate) struct Request {
    path: String,
    headers: Vec<(String, Vec<u8>)>,
}

impl Request {
    /// The path, without its query.
    pub(crate) fn path(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// The values of all headers of this name.
    pub(crate) fn headers(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.headers
            .iter()
            .filter(move |(one, _)| one.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }
}

/// Answers the one request of a connection: a text, or a refusal.
pub(crate) fn serve(
    mut stream: &TcpStream,
    answer: impl FnOnce(&Request) -> Result<String, Refusal>,
) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let (status, headers, body) = match answer(&read(stream)?) {
        Ok(text) => (200, "content-type: text/plain\r\n".to_owned(), text),
        Err(refusal) => {
            let headers = refusal
                .headers()
                .map(|(name, value)| format!("{name}: {value}\r\n"));
            (refusal.status(), headers.collect(), refusal.body())
        }
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} \r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

fn read(mut stream: impl Read) -> io::Result<Request> {
    let mut head = Vec::new();
    let mut chunk = [0; 1024];
    while head.len() < MAX_HEAD_BYTES {
        let length = stream.read(&mut chunk)?;
        if length == 0 {
            break;
        }
        head.extend_from_slice(chunk.get(..length).unwrap_or_default());
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Request::new(&mut headers);
        let done = parsed
            .parse(&head)
            .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        if done.is_complete() {
            return Ok(Request {
                path: parsed.path.unwrap_or_default().to_owned(),
                headers: parsed
                    .headers
                    .iter()
                    .map(|header| (header.name.to_owned(), header.value.to_owned()))
                    .collect(),
            });
        }
    }
    Err(ErrorKind::UnexpectedEof.into())
}
