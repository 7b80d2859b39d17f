//! One connection of the fake issuer: reads a request, answers it or misbehaves.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::State;
use super::fault::{Fault, gzip_bomb};

/// Largest request head that is read.
const MAX_HEAD_BYTES: usize = 16 * 1024;

pub(super) async fn answer(mut stream: TcpStream, state: &State) -> std::io::Result<()> {
    let head = read_head(&mut stream).await?;
    let _open = state.count_request();
    let plan = state.plan();
    let body = plan.document;
    let json = |more: &str| ok("application/json", body.len(), more);
    match plan.fault {
        None => {
            let etag = plan.etag.as_deref();
            let mut headers = plan.headers;
            headers.extend(etag.map(|etag| format!("etag: {etag}\r\n")));
            let headers = headers.concat();
            if etag.is_some_and(|etag| asks_on_condition(&head, etag)) {
                state.count_not_modified();
                return stream.write_all(not_modified(&headers).as_bytes()).await;
            }
            let head = json(&headers);
            stream.write_all(format!("{head}{body}").as_bytes()).await
        }
        Some(Fault::Stall) => {
            // Until the client has had enough.
            stream.read(&mut [0]).await.map(drop)
        }
        Some(Fault::Close) => Ok(()),
        Some(Fault::NotHttp) => stream.write_all(b"220 mail.example ESMTP\r\n").await,
        Some(Fault::SlowHead(pace)) => {
            drip(&mut stream, json("").as_bytes(), pace).await?;
            stream.write_all(body.as_bytes()).await
        }
        Some(Fault::Drip(pace)) => {
            stream.write_all(json("").as_bytes()).await?;
            drip(&mut stream, body.as_bytes(), pace).await
        }
        Some(Fault::Cut) => {
            let half = body.get(..body.len() / 2).unwrap_or_default();
            stream
                .write_all(format!("{}{half}", json("")).as_bytes())
                .await
        }
        Some(Fault::Status(status)) => redirect(&mut stream, status, "http://127.0.0.1:9/").await,
        Some(Fault::Redirect(location)) => redirect(&mut stream, 302, &location).await,
        Some(Fault::NotModified) => stream.write_all(not_modified("").as_bytes()).await,
        Some(Fault::Body(content_type, body)) => {
            let head = ok(content_type, body.len(), "");
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&body).await
        }
        Some(Fault::Endless) => {
            let head =
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n";
            stream.write_all(head.as_bytes()).await?;
            loop {
                stream.write_all(&[b' '; 8 * 1024]).await?;
            }
        }
        Some(Fault::GzipBomb) => {
            let bomb = gzip_bomb();
            let head = ok("application/json", bomb.len(), "content-encoding: gzip\r\n");
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&bomb).await
        }
        Some(Fault::ManyHeaders(count)) => {
            let headers: Vec<String> = (0..count).map(|n| format!("x-{n}: {n}\r\n")).collect();
            let headers = headers.concat();
            stream
                .write_all(format!("{}{body}", json(&headers)).as_bytes())
                .await
        }
    }
}

async fn drip(stream: &mut TcpStream, bytes: &[u8], pace: Duration) -> std::io::Result<()> {
    for byte in bytes {
        tokio::time::sleep(pace).await;
        stream.write_all(&[*byte]).await?;
    }
    Ok(())
}

async fn redirect(stream: &mut TcpStream, status: u16, location: &str) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status} Fault\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await
}

fn ok(content_type: &str, length: usize, more: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\nconnection: close\r\n{more}\r\n"
    )
}

fn not_modified(headers: &str) -> String {
    format!("HTTP/1.1 304 Not Modified\r\n{headers}connection: close\r\n\r\n")
}

fn asks_on_condition(head: &str, etag: &str) -> bool {
    head.lines().any(|line| {
        line.split_once(':').is_some_and(|(name, value)| {
            name.eq_ignore_ascii_case("if-none-match") && value.trim() == etag
        })
    })
}

async fn read_head(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    let mut chunk = [0; 1024];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") && head.len() < MAX_HEAD_BYTES {
        match stream.read(&mut chunk).await? {
            0 => break,
            read => head.extend_from_slice(chunk.get(..read).unwrap_or_default()),
        }
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
