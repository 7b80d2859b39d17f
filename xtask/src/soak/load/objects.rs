//! Objects: written, created, uploaded in pieces, read, deleted, listed.

use std::time::Instant;

use data_encoding::BASE64;

use super::{Load, MEDIA, unexpected};
use crate::services::{Answer, authorized};
use crate::soak::model::Content;
use crate::soak::wrong;
use crate::stop::Outcome;

/// Objects of one user that are written again and again.
const KEYS: u64 = 100;

/// Most bytes of an object.
const MAX_BYTES: u64 = 200_000;

/// Most pieces of an upload.
const MAX_PIECES: u64 = 4;

impl Load<'_> {
    fn key(&mut self) -> String {
        let (folder, object) = (self.chance.below(10), self.chance.below(KEYS / 10));
        format!("folder-{folder}/object-{object}")
    }

    fn bytes(&mut self) -> Vec<u8> {
        let size = self.chance.below(MAX_BYTES) >> self.chance.below(8);
        self.chance.bytes(size)
    }

    pub(super) fn put(&mut self) -> Outcome<()> {
        let (key, bytes) = (self.key(), self.bytes());
        let fields = vec![("Content-Type", "application/octet-stream".to_owned())];
        let answer = self.ask_media("PUT", &path(&key), fields, &bytes)?;
        self.changed(&key, Some(bytes), answer, &[200, 201])
    }

    pub(super) fn delete(&mut self) -> Outcome<()> {
        let (key, asked) = (self.key(), Instant::now());
        let answer = self.ask_media("DELETE", &path(&key), Vec::new(), &[])?;
        let absent = answer.as_ref().is_some_and(|answer| answer.status == 404);
        // nginx may have asked twice: the first answer was lost with its replica.
        if absent && !self.objects.may_be_absent(&key) && !self.weather.was_rough(MEDIA, asked) {
            return Err(wrong(format!("{key} is lost, as its deletion says")));
        }
        self.changed(&key, None, answer, &[204, 404])
    }

    fn changed(
        &mut self,
        key: &str,
        content: Content,
        answer: Option<Answer>,
        good: &[u16],
    ) -> Outcome<()> {
        match answer {
            None => self.objects.unanswered(key, content),
            Some(answer) if good.contains(&answer.status) => {
                self.objects.acknowledged(key, content);
            }
            Some(answer) => return Err(unexpected("a change", &answer)),
        }
        Ok(())
    }

    /// Only where nothing is.
    pub(super) fn create(&mut self) -> Outcome<()> {
        let (key, bytes, asked) = (self.key(), self.bytes(), Instant::now());
        let fields = vec![
            ("Content-Type", "application/octet-stream".to_owned()),
            ("If-None-Match", "*".to_owned()),
        ];
        let answer = self.ask_media("PUT", &path(&key), fields, &bytes)?;
        let refused = answer.as_ref().is_some_and(|answer| answer.status == 412);
        if refused {
            // nginx may have asked twice, and been refused for what the first made: that answer was lost with its
            // replica. Where one was there for certain, neither made any.
            if self.objects.may_be_absent(&key) && self.weather.was_rough(MEDIA, asked) {
                self.objects.unanswered(&key, Some(bytes));
                return Ok(());
            }
            if self.objects.may_be_there(&key) {
                return Ok(());
            }
            return Err(wrong(format!("{key} is there and nobody made it")));
        }
        if answer.is_some() && !self.objects.may_be_absent(&key) {
            return Err(wrong(format!("{key} is made where one is")));
        }
        self.changed(&key, Some(bytes), answer, &[201])
    }

    /// In pieces by tus, each of which any replica may get.
    pub(super) fn upload(&mut self) -> Outcome<()> {
        let (key, bytes) = (self.key(), self.bytes());
        let whole = Some(bytes.clone());
        let fields = vec![
            ("Tus-Resumable", "1.0.0".to_owned()),
            ("Upload-Length", bytes.len().to_string()),
            (
                "Upload-Metadata",
                format!("key {}", BASE64.encode(key.as_bytes())),
            ),
        ];
        let Some(answer) = self.ask_media("POST", "/api/uploads", fields, &[])? else {
            // An empty one is there with its beginning.
            return self.changed(&key, whole, None, &[]);
        };
        let at = answer.field("Location").unwrap_or_default().to_owned();
        if answer.status != 201 || !at.starts_with("/api/uploads/") {
            return Err(unexpected("the beginning of an upload", &answer));
        }
        let pieces = 1 + self.chance.below(MAX_PIECES);
        let size = usize::try_from(pieces).map_or(1, |pieces| bytes.len().div_ceil(pieces).max(1));
        let mut offset = 0;
        for piece in bytes.chunks(size) {
            let fields = vec![
                ("Tus-Resumable", "1.0.0".to_owned()),
                ("Upload-Offset", offset.to_string()),
                ("Content-Type", "application/offset+octet-stream".to_owned()),
            ];
            match self.ask_media("PATCH", &at, fields, piece)? {
                None => return self.changed(&key, whole, None, &[]),
                Some(answer) if answer.status == 204 => {}
                Some(answer) => return Err(unexpected("a piece of an upload", &answer)),
            }
            offset += piece.len();
        }
        self.objects.acknowledged(&key, whole);
        Ok(())
    }

    pub(super) fn read(&mut self) -> Outcome<()> {
        let key = self.key();
        self.compare_one(&key)
    }

    fn compare_one(&mut self, key: &str) -> Outcome<()> {
        let Some(answer) = self.ask_media("GET", &path(key), Vec::new(), &[])? else {
            return Ok(());
        };
        match answer.status {
            200 => self.objects.seen(key, Some(answer.body)),
            404 => self.objects.seen(key, None),
            _ => Err(unexpected("a read", &answer)),
        }
    }

    pub(super) fn compare_objects(&mut self) -> Outcome<()> {
        for key in self.objects.keys() {
            self.compare_one(&key)?;
        }
        // Each of the two must see all of it.
        for replica in self.place.replicas.clone() {
            let url = format!("{replica}/api/media?limit=1000");
            let fields = authorized(Some(&self.user.token));
            let Some(page) = self.ask(MEDIA, "GET", &url, fields, &[])? else {
                return Err(wrong("the list cannot be had in the end"));
            };
            let page = page.json(200)?;
            let objects = page["objects"].as_array().into_iter().flatten();
            let listed: Vec<&str> = objects
                .filter_map(|object| object["key"].as_str())
                .collect();
            if listed != self.objects.present() {
                return Err(wrong("the list names other objects than there are"));
            }
        }
        Ok(())
    }
}

fn path(key: &str) -> String {
    format!("/api/media/{key}")
}
