//! Copies under a condition, as S3 has them: neither server here tries one, so the proxy does it for them.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::{Mutex, PoisonError};

/// One at a time: between the look and the copy nothing else is copied.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

// As S3 may tell it: its first word comes before it has looked.
const REFUSED: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/xml\r\ncontent-length: 56\r\nconnection: close\r\n\r\n\
<Error><Code>PreconditionFailed</Code><Message/></Error>";

/// The answer, with which the connection ends, if `request` is such a copy.
pub(crate) fn answer(request: &[u8], server: u16) -> Option<io::Result<Vec<u8>>> {
    let head = std::str::from_utf8(request)
        .ok()?
        .strip_suffix("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?, first.next()?);
    let fields: Vec<&str> = lines.collect();
    let field = |name: &str| {
        let values = fields.iter().filter_map(|line| line.split_once(':'));
        let mut values = values.filter(|(one, _)| one.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value.trim())
    };
    let (must_be_new, must_be) = (field("if-none-match").is_some(), field("if-match"));
    field("x-amz-copy-source")?;
    if method != "PUT" || (!must_be_new && must_be.is_none()) {
        return None;
    }
    let ask = |method: &str| {
        let mut text = format!("{method} {path} HTTP/1.1\r\n");
        for line in &fields {
            let name = line.split(':').next().unwrap_or_default();
            let name = name.to_ascii_lowercase();
            let is_of_copy = name == "x-amz-copy-source";
            if name.starts_with("if-") || name == "connection" || (is_of_copy && method != "PUT") {
                continue;
            }
            text.push_str(line);
            text.push_str("\r\n");
        }
        text.push_str("connection: close\r\n\r\n");
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server))?;
        stream.write_all(text.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    };
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    Some(ask("HEAD").and_then(|there| {
        let there = String::from_utf8_lossy(&there);
        let is_there = there.starts_with("HTTP/1.1 200");
        let mut tags = there.lines().filter_map(|line| line.split_once(':'));
        let tag = tags.find(|(name, _)| name.eq_ignore_ascii_case("etag"));
        let is_it = tag.is_some_and(|(_, tag)| Some(tag.trim()) == must_be);
        let holds = if must_be_new {
            !is_there
        } else {
            is_there && is_it
        };
        if holds {
            ask("PUT")
        } else {
            Ok(REFUSED.to_vec())
        }
    }))
}
