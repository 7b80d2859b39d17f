//! Who writes objects, and reads them back.

use std::collections::BTreeMap;
use std::ops::Range;

use reqwest::header::{CONTENT_TYPE, IF_NONE_MATCH};
use reqwest::{Method, RequestBuilder, Url};

use crate::client::{Client, MEDIA};

/// Of an upload, in one request.
const PIECE: usize = 100_000;

/// A user with objects.
pub(crate) struct Writer {
    client: Client,
    token: String,
    /// What was acknowledged.
    objects: BTreeMap<String, Vec<u8>>,
    rounds: usize,
}

impl Writer {
    pub(crate) fn new(client: &Client, token: String) -> Self {
        Self {
            client: client.clone(),
            token,
            objects: BTreeMap::new(),
            rounds: 0,
        }
    }

    /// One of each way to write, each read back, and an older object.
    pub(crate) async fn round(&mut self) {
        self.rounds += 1;
        let number = self.rounds;
        self.create(&format!("created/{number}")).await;
        self.replace("replaced").await;
        self.upload(&format!("uploaded/{number}")).await;
        let (older, _) = self.objects.iter().nth(number / 2).unwrap();
        self.read(&older.clone()).await;
    }

    /// Everything that was acknowledged is there, with its bytes.
    pub(crate) async fn read_all(&self) {
        assert!(self.rounds > 2, "{} rounds", self.rounds);
        for key in self.objects.keys() {
            self.read(key).await;
        }
    }

    async fn create(&mut self, key: &str) {
        let body = content(key, self.rounds);
        let put = self.put(key, &body).header(IF_NONE_MATCH, "*");
        let answer = self.client.ask(put).await;
        // Nobody else has this key: the first attempt, or the replica that nginx asked first, has made the object.
        if answer.status != 412 {
            answer.must_be(201);
        }
        self.keep(key, body).await;
    }

    async fn replace(&mut self, key: &str) {
        let body = content(key, self.rounds);
        let answer = self.client.ask(self.put(key, &body)).await;
        if answer.status != 201 {
            answer.must_be(200);
        }
        self.keep(key, body).await;
    }

    async fn upload(&mut self, key: &str) {
        let body = content(key, 250_000);
        let uploads = format!("{MEDIA}/api/uploads");
        let metadata = format!("key {}", data_encoding::BASE64.encode(key.as_bytes()));
        let creation = self
            .tus(Method::POST, &uploads)
            .header("Upload-Length", body.len())
            .header("Upload-Metadata", metadata);
        let created = self.client.ask(creation).await;
        created.must_be(201);
        let base = Url::parse(&uploads).unwrap();
        let upload = base.join(created.header("Location")).unwrap();
        let (mut offset, mut broken) = (0, false);
        while offset < body.len() {
            let end = body.len().min(offset + PIECE);
            let piece = self.piece(upload.as_str(), &body, offset..end);
            offset = match self.client.ask_once(piece).await {
                // What a replica that is gone had sent to the store may have come after the question for the offset.
                Some(answer) if broken && answer.status == 409 => {
                    self.offset(upload.as_str()).await
                }
                Some(answer) => {
                    answer.must_be(204);
                    answer.header("Upload-Offset").parse().unwrap()
                }
                None => {
                    broken = true;
                    self.offset(upload.as_str()).await
                }
            };
        }
        self.keep(key, body).await;
    }

    fn piece(&self, upload: &str, body: &[u8], piece: Range<usize>) -> RequestBuilder {
        self.tus(Method::PATCH, upload)
            .header("Upload-Offset", piece.start)
            .header(CONTENT_TYPE, "application/offset+octet-stream")
            .body(body[piece].to_vec())
    }

    async fn offset(&self, upload: &str) -> usize {
        let answer = self.client.ask(self.tus(Method::HEAD, upload)).await;
        answer.must_be(200);
        answer.header("Upload-Offset").parse().unwrap()
    }

    /// Remembers what was acknowledged, and finds it.
    async fn keep(&mut self, key: &str, body: Vec<u8>) {
        self.objects.insert(key.to_owned(), body);
        self.read(key).await;
    }

    async fn read(&self, key: &str) {
        let get = self.client.request(Method::GET, &url(key), &self.token);
        let answer = self.client.ask(get).await;
        answer.must_be(200);
        assert!(answer.body == self.objects[key], "{key} has other bytes");
    }

    fn put(&self, key: &str, body: &[u8]) -> RequestBuilder {
        let put = self.client.request(Method::PUT, &url(key), &self.token);
        put.body(body.to_vec())
    }

    fn tus(&self, method: Method, url: &str) -> RequestBuilder {
        let request = self.client.request(method, url, &self.token);
        request.header("Tus-Resumable", "1.0.0")
    }
}

fn url(key: &str) -> String {
    format!("{MEDIA}/api/media/{key}")
}

/// Bytes that no other object has, and no other number: some of a packet's size, some of many packets'.
fn content(key: &str, number: usize) -> Vec<u8> {
    let line = format!("{key} {number}\n");
    line.repeat(1 + number * 997 % 20_000).into_bytes()
}
