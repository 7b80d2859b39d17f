//! The ways in which an issuer, or whatever stands before it, can misbehave.

use std::time::Duration;

/// How an [`Issuer`](super::Issuer) misbehaves.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Accepts and never answers.
    Stall,
    /// Closes the connection without an answer.
    Close,
    /// Answers with something that is not HTTP.
    NotHttp,
    /// Sends the head a byte at a time, at this pace.
    SlowHead(Duration),
    /// Sends the body a byte at a time, at this pace.
    Drip(Duration),
    /// Promises the whole body and closes after half of it.
    Cut,
    /// Answers with this status and no body; a redirect points at a port where nobody listens.
    Status(u16),
    /// Answers 302 and points at this address.
    Redirect(String),
    /// Answers 304 to every request, conditional or not.
    NotModified,
    /// Answers 200 with this content type and body.
    Body(&'static str, Vec<u8>),
    /// Answers 200 with a body that never ends.
    Endless,
    /// Answers 200 with 64 KiB of gzip that would unpack to some 10 MB.
    GzipBomb,
    /// Answers with its key set and a head of this many header lines.
    ManyHeaders(usize),
}

/// 64 KiB of gzip (RFC 1952) that unpack to zeros.
pub(super) fn gzip_bomb() -> Vec<u8> {
    const BYTES: usize = 64 * 1024;
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    // RFC 1951: a block with fixed codes; a zero; then, for ever, "the last byte 258 times again".
    let start = "110" // last block, fixed codes
        .chars()
        .chain("00110000".chars());
    let again = "11000101".chars().chain("00000".chars());
    let mut bits = start.chain(again.cycle());
    while bytes.len() < BYTES {
        let byte = bits
            .by_ref()
            .take(8)
            .enumerate()
            .fold(0, |byte, (place, bit)| {
                byte | (u8::from(bit == '1') << place)
            });
        bytes.push(byte);
    }
    bytes
}
