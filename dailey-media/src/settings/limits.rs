//! `[limits]` of the configuration file: what an operator may set, within ceilings that the code sets.

use std::time::Duration;

use dailey_http::listen;
use dailey_http::pace::Pace;
use serde::Deserialize;

use crate::description::{MAX_META_BYTES, MAX_META_PAIRS};
use crate::key::{MAX_KEY_BYTES, MAX_SEGMENT_BYTES};
use crate::range::MAX_PARTS;
use crate::storage::MAX_LINK_SECONDS;
use crate::uploads::{MAX_CHUNK_BYTES, MAX_UPLOAD_BYTES};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// Largest single upload that any store takes: S3's.
const MAX_PUT_BYTES: u64 = 5 * GIB;

/// Most objects on a page and keys in a batch: S3's.
const MAX_PAGE: u32 = 1000;

/// Most uploads at once: each holds some MiB of memory with S3.
const MAX_UPLOADS: u32 = 1024;

/// Most open uploads of a subject: all of them are looked at when what is stored is counted.
const MAX_OPEN_UPLOADS: u32 = 10_000;

/// Most connections at once: a process has a bounded number of descriptors.
const MAX_CONNECTIONS: u32 = 65_536;

/// Largest JSON body: it is held in memory.
const MAX_JSON_BYTES: u32 = 1024 * 1024;

/// Least of it: a copy of one of the longest keys to another.
const MIN_JSON_BYTES: u32 = 4 * 1024;

/// Longest pause in a body, in seconds: a proxy in front seldom waits longer.
const MAX_PAUSE_SECONDS: u64 = 120;

/// Longest time that every body has, in seconds: a piece of an upload comes well before the shortest
/// `UPLOAD_EXPIRY_SECONDS`.
const MAX_BODY_SECONDS: u64 = 600;

/// Least speed of a longer body. See [`MAX_BODY_SECONDS`].
const MIN_BYTES_PER_SECOND: u64 = 32 * KIB;

/// Highest speed that may be asked for: few connections of clients have more.
const MAX_BYTES_PER_SECOND: u64 = 64 * MIB;

/// Longest time that a PUT may take, in seconds: what is a day old in a bucket is swept.
const MAX_PUT_SECONDS: u64 = 23 * 60 * 60;

/// Longest head: as much as is read of a connection in one step.
const MAX_HEAD_BYTES: u32 = 64 * 1024;

/// Least of it: a token of some 1 KiB has its place in it.
const MIN_HEAD_BYTES: u32 = 4 * 1024;

/// Most headers, and least: a browser behind a proxy sends some twenty.
const MAX_HEADERS: u32 = 256;
const MIN_HEADERS: u32 = 16;

/// Longest time for a head, in seconds.
const MAX_HEAD_SECONDS: u64 = 60;

/// Longest time between two requests, in seconds.
const MAX_KEEP_ALIVE_SECONDS: u64 = 3600;

/// Longest drain, in seconds: whoever asks for an end wants one.
const MAX_DRAIN_SECONDS: u64 = 300;

/// Longest time in which an end is only told, in seconds.
const MAX_LAME_DUCK_SECONDS: u64 = 60;

/// Longest request to the bucket, in seconds: a POST with an `Idempotency-Key` writes a sign of life after 20 s,
/// and holds its key for 60 s.
const MAX_S3_REQUEST_SECONDS: u64 = 40;

/// Most further tries of it: fewer than a change looks at what is there.
const MAX_S3_RETRIES: usize = 5;

/// Longest time in which they begin, in seconds: with the last one's time still below the 90 s that the edge waits.
const MAX_S3_RETRY_SECONDS: u64 = 20;

/// Highest rate; who wants more has no limit in mind.
const MAX_RATE: u32 = 1_000_000;

/// What may be asked of the service. Every quota may be 0: none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Limits {
    /// Largest body of one PUT. Default: 95 MiB, below the 100 MB at which the edge in front cuts.
    pub put_max_bytes: u64,
    /// Largest JSON body. Default: 256 KiB, a batch of 1000 keys of 255 bytes.
    pub json_max_bytes: u32,
    /// Longest pause between two pieces of a body. Default: 30.
    pub body_pause_seconds: u64,
    /// Every body has this long, whatever its size. Default: 60.
    pub body_seconds: u64,
    /// A longer one must come at least this fast, on average. Default: 64 KiB.
    pub body_bytes_per_second: u64,
    /// Longest key that an object may be given. Default: 1024, all that S3 takes.
    pub key_max_bytes: usize,
    /// Longest part of it between slashes. Default: 255, the longest file name of common systems.
    pub key_segment_max_bytes: usize,
    /// Most bytes of an object's own metadata, names and values together. Default: 2 KiB.
    pub metadata_max_bytes: u32,
    /// In how many pairs. Default: 32.
    pub metadata_max_pairs: u32,
    /// What all subjects of one app may store together. Default: 10 GiB.
    pub app_quota_bytes: u64,
    /// What one subject may store. Default: 1 GiB.
    pub user_quota_bytes: u64,
    /// In how many objects: an empty one costs its place as well. Default: 100 000.
    pub user_quota_objects: u64,
    /// Objects on a page of a list, when the request does not say. Default: 100.
    pub list_default_objects: u32,
    /// Most objects on a page. Default: 1000.
    pub list_max_objects: u32,
    /// Most keys in one batch of removals. Default: 1000.
    pub batch_max_keys: u32,
    /// Bodies that one subject may send at once. Default: 4.
    pub uploads_per_subject: u32,
    /// Resumable uploads that one subject may have begun and not ended. Default: 128, more than clients
    /// run side by side, so that who never ends any leaves no more than these behind.
    pub open_uploads_per_subject: u32,
    /// Bodies that all may send at once. Default: 64: some MiB of memory each.
    pub uploads_per_process: u32,
    /// Largest resumable upload. Default: 5 GiB.
    pub upload_max_bytes: u64,
    /// Most bytes of one request of a resumable upload. Default: 64 MiB, below the 100 MB of the edge.
    pub upload_chunk_max_bytes: u64,
    /// Life of a link, when the request does not say. Default: 900.
    pub link_default_seconds: u64,
    /// Longest life of a link. Default: 86400.
    pub link_max_seconds: u64,
    /// Most parts of an object in one answer. Default: 8.
    pub ranges_max: u32,
    /// Connections at once. Default: 1024.
    pub connections: u32,
    /// Connections of one address that is no trusted proxy. Default: 64.
    pub connections_per_address: u32,
    /// Longest head of a request. Default: 16 KiB.
    pub head_max_bytes: u32,
    /// Most headers in it. Default: 64.
    pub headers_max: u32,
    /// Longest time from its first byte to its end. Default: 10.
    pub head_seconds: u64,
    /// Longest time from the end of an answer to the end of the next head. Default: 75.
    pub keep_alive_seconds: u64,
    /// How long requests under way are given at the end. Default: 25.
    pub drain_seconds: u64,
    /// Between the health check turning and the end of listening: as long as a proxy may take to look.
    /// Default: 5.
    pub lame_duck_seconds: u64,
    /// Longest time for a connection to the bucket's server. Default: 2.
    pub s3_connect_seconds: u64,
    /// Longest time for one request to it, its body included; for a body that is read, between two pieces.
    /// Default: 30, in which a part of 5 MiB comes through at 175 KB/s.
    pub s3_request_seconds: u64,
    /// Further tries of one that failed. Default: 3.
    pub s3_retries: usize,
    /// No further try is waited for after this. Default: 15.
    pub s3_retry_seconds: u64,
    /// How often a subject may read, and how often at once. Default: 600 and 100.
    pub reads_per_minute: u32,
    /// See [`Self::reads_per_minute`].
    pub reads_at_once: u32,
    /// How often a subject may change something, and how often at once. Default: 120 and 30.
    pub writes_per_minute: u32,
    /// See [`Self::writes_per_minute`].
    pub writes_at_once: u32,
    /// How often a subject may send more bytes of an upload, and how often at once. Default: 1200 and 240, which is
    /// 1 GiB in S3's smallest parts: a client of tus gives up where it is told to wait.
    pub appends_per_minute: u32,
    /// See [`Self::appends_per_minute`].
    pub appends_at_once: u32,
    /// How often an address may follow good links, and how often at once. Default: 600 and 100.
    pub links_per_minute: u32,
    /// See [`Self::links_per_minute`].
    pub links_at_once: u32,
    /// How often an address may ask without a good token, and how often at once. Default: 60 and 20.
    pub strangers_per_minute: u32,
    /// See [`Self::strangers_per_minute`].
    pub strangers_at_once: u32,
    /// How often an address may have tokens validated. Default: 30, all of them at once.
    pub validations_per_minute: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            put_max_bytes: 95 * MIB,
            json_max_bytes: 256 * 1024,
            body_pause_seconds: 30,
            body_seconds: 60,
            body_bytes_per_second: 64 * KIB,
            key_max_bytes: MAX_KEY_BYTES,
            key_segment_max_bytes: MAX_SEGMENT_BYTES,
            metadata_max_bytes: MAX_META_BYTES,
            metadata_max_pairs: MAX_META_PAIRS,
            app_quota_bytes: 10 * GIB,
            user_quota_bytes: GIB,
            user_quota_objects: 100_000,
            list_default_objects: 100,
            list_max_objects: MAX_PAGE,
            batch_max_keys: MAX_PAGE,
            uploads_per_subject: 4,
            open_uploads_per_subject: 128,
            uploads_per_process: 64,
            upload_max_bytes: MAX_UPLOAD_BYTES,
            upload_chunk_max_bytes: MAX_CHUNK_BYTES,
            link_default_seconds: 15 * 60,
            link_max_seconds: MAX_LINK_SECONDS,
            ranges_max: MAX_PARTS,
            connections: 1024,
            connections_per_address: 64,
            head_max_bytes: 16 * 1024,
            headers_max: 64,
            head_seconds: 10,
            keep_alive_seconds: 75,
            drain_seconds: 25,
            lame_duck_seconds: 5,
            s3_connect_seconds: 2,
            s3_request_seconds: 30,
            s3_retries: 3,
            s3_retry_seconds: 15,
            reads_per_minute: 600,
            reads_at_once: 100,
            writes_per_minute: 120,
            writes_at_once: 30,
            appends_per_minute: 1200,
            appends_at_once: 240,
            links_per_minute: 600,
            links_at_once: 100,
            strangers_per_minute: 60,
            strangers_at_once: 20,
            validations_per_minute: 30,
        }
    }
}

impl Limits {
    /// How slowly a body may come.
    pub(crate) fn pace(&self) -> Pace {
        Pace {
            pause: Duration::from_secs(self.body_pause_seconds),
            least_time: Duration::from_secs(self.body_seconds),
            least_bytes_per_second: self.body_bytes_per_second,
        }
    }

    /// What the listener allows.
    pub(crate) fn listening(&self) -> listen::Limits {
        let mut limits = listen::Limits::default();
        limits.header_read_timeout = Duration::from_secs(self.head_seconds);
        limits.keep_alive_timeout = Duration::from_secs(self.keep_alive_seconds);
        limits.max_headers = self.headers_max as usize;
        limits.max_head_bytes = self.head_max_bytes as usize;
        limits.max_connections = self.connections as usize;
        limits.max_connections_per_address = self.connections_per_address as usize;
        limits.drain = Duration::from_secs(self.drain_seconds);
        limits
    }

    /// What does not fit, and what would.
    pub(super) fn refusal(&self) -> Option<&'static str> {
        let page = |count| (1..=MAX_PAGE).contains(&count);
        let connections = |count| (1..=MAX_CONNECTIONS).contains(&count);
        let speeds = MIN_BYTES_PER_SECOND..=MAX_BYTES_PER_SECOND;
        let rates = [
            self.reads_per_minute,
            self.reads_at_once,
            self.writes_per_minute,
            self.writes_at_once,
            self.appends_per_minute,
            self.appends_at_once,
            self.links_per_minute,
            self.links_at_once,
            self.strangers_per_minute,
            self.strangers_at_once,
            self.validations_per_minute,
        ];
        let rules = [
            (
                (1..=MAX_PUT_BYTES).contains(&self.put_max_bytes),
                "[limits] put_max_bytes is not 1 to 5368709120 (5 GiB): larger objects need resumable uploads",
            ),
            (
                (MIN_JSON_BYTES..=MAX_JSON_BYTES).contains(&self.json_max_bytes),
                "[limits] json_max_bytes is not 4096 (4 KiB) to 1048576 (1 MiB)",
            ),
            (
                (1..=MAX_PAUSE_SECONDS).contains(&self.body_pause_seconds),
                "[limits] body_pause_seconds is not 1 to 120",
            ),
            (
                (1..=MAX_BODY_SECONDS).contains(&self.body_seconds),
                "[limits] body_seconds is not 1 to 600",
            ),
            (
                speeds.contains(&self.body_bytes_per_second),
                "[limits] body_bytes_per_second is not 32768 (32 KiB) to 67108864 (64 MiB)",
            ),
            (
                self.put_max_bytes / self.body_bytes_per_second.max(1) <= MAX_PUT_SECONDS,
                "[limits] put_max_bytes takes longer than 23 hours at body_bytes_per_second: lower it or raise that",
            ),
            (
                (1..=MAX_KEY_BYTES).contains(&self.key_max_bytes),
                "[limits] key_max_bytes is not 1 to 1024",
            ),
            (
                (1..=MAX_SEGMENT_BYTES).contains(&self.key_segment_max_bytes),
                "[limits] key_segment_max_bytes is not 1 to 255",
            ),
            (
                self.metadata_max_bytes <= MAX_META_BYTES,
                "[limits] metadata_max_bytes is not 0 to 2048: S3 takes no more",
            ),
            (
                self.metadata_max_pairs <= MAX_META_PAIRS,
                "[limits] metadata_max_pairs is not 0 to 32",
            ),
            (
                page(self.list_max_objects),
                "[limits] list_max_objects is not 1 to 1000",
            ),
            (
                (1..=self.list_max_objects).contains(&self.list_default_objects),
                "[limits] list_default_objects is not 1 to list_max_objects",
            ),
            (
                page(self.batch_max_keys),
                "[limits] batch_max_keys is not 1 to 1000",
            ),
            (
                (1..=MAX_UPLOADS).contains(&self.uploads_per_process),
                "[limits] uploads_per_process is not 1 to 1024",
            ),
            (
                (1..=self.uploads_per_process).contains(&self.uploads_per_subject),
                "[limits] uploads_per_subject is not 1 to uploads_per_process",
            ),
            (
                (1..=MAX_OPEN_UPLOADS).contains(&self.open_uploads_per_subject),
                "[limits] open_uploads_per_subject is not 1 to 10000",
            ),
            (
                (1..=MAX_UPLOAD_BYTES).contains(&self.upload_max_bytes),
                "[limits] upload_max_bytes is not 1 to 5368709120 (5 GiB)",
            ),
            (
                (1..=MAX_CHUNK_BYTES).contains(&self.upload_chunk_max_bytes),
                "[limits] upload_chunk_max_bytes is not 1 to 67108864 (64 MiB)",
            ),
            (
                (1..=MAX_LINK_SECONDS).contains(&self.link_max_seconds),
                "[limits] link_max_seconds is not 1 to 86400 (one day)",
            ),
            (
                (1..=self.link_max_seconds).contains(&self.link_default_seconds),
                "[limits] link_default_seconds is not 1 to link_max_seconds",
            ),
            (
                (1..=MAX_PARTS).contains(&self.ranges_max),
                "[limits] ranges_max is not 1 to 8",
            ),
            (
                connections(self.connections) && connections(self.connections_per_address),
                "[limits] connections or connections_per_address is not 1 to 65536",
            ),
            (
                (MIN_HEAD_BYTES..=MAX_HEAD_BYTES).contains(&self.head_max_bytes),
                "[limits] head_max_bytes is not 4096 (4 KiB) to 65536 (64 KiB)",
            ),
            (
                (MIN_HEADERS..=MAX_HEADERS).contains(&self.headers_max),
                "[limits] headers_max is not 16 to 256",
            ),
            (
                (1..=MAX_HEAD_SECONDS).contains(&self.head_seconds),
                "[limits] head_seconds is not 1 to 60",
            ),
            (
                (self.head_seconds..=MAX_KEEP_ALIVE_SECONDS).contains(&self.keep_alive_seconds),
                "[limits] keep_alive_seconds is not head_seconds to 3600",
            ),
            (
                (1..=MAX_DRAIN_SECONDS).contains(&self.drain_seconds),
                "[limits] drain_seconds is not 1 to 300",
            ),
            (
                self.lame_duck_seconds <= MAX_LAME_DUCK_SECONDS,
                "[limits] lame_duck_seconds is not 0 to 60",
            ),
            (
                (1..=MAX_S3_REQUEST_SECONDS).contains(&self.s3_request_seconds),
                "[limits] s3_request_seconds is not 1 to 40",
            ),
            (
                (1..=self.s3_request_seconds).contains(&self.s3_connect_seconds),
                "[limits] s3_connect_seconds is not 1 to s3_request_seconds",
            ),
            (
                self.s3_retries <= MAX_S3_RETRIES,
                "[limits] s3_retries is not 0 to 5",
            ),
            (
                (1..=MAX_S3_RETRY_SECONDS).contains(&self.s3_retry_seconds),
                "[limits] s3_retry_seconds is not 1 to 20",
            ),
            (
                rates.iter().all(|rate| (1..=MAX_RATE).contains(rate)),
                "[limits] a rate (…_per_minute, …_at_once) is not 1 to 1000000: RATE_LIMIT=off is for development",
            ),
        ];
        let broken = rules.iter().find(|(holds, _)| !holds);
        broken.map(|(_, refusal)| *refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_as_everywhere_unless_configured() {
        let limits = Limits::default();
        assert_eq!(limits.pace(), Pace::default());
        let (listening, default) = (limits.listening(), listen::Limits::default());
        assert_eq!(format!("{listening:?}"), format!("{default:?}"));
    }

    #[test]
    fn the_page_has_every_limit_with_its_default() {
        let page = include_str!("../../../docs/limits.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
        let rows: Vec<(&str, &str)> = rows
            .map(|row| {
                let (key, rest) = row.split_once("` | ").unwrap();
                (key, rest.split_once(" | ").unwrap().0)
            })
            .collect();
        let lines: Vec<String> = rows
            .iter()
            .map(|(key, value)| format!("{key} = {value}"))
            .collect();
        let toml = lines.join("\n");
        assert_eq!(toml::from_str(&toml), Ok(Limits::default()), "{toml}");
        // What is not on the page would have its default all the same.
        let fields = format!("{:?}", Limits::default()).matches(": ").count();
        assert_eq!(rows.len(), fields);
    }
}
