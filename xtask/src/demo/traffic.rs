//! Requests that go on while something changes, and how many of them were refused.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::services::Client;

/// Clients at a time.
const CLIENTS: usize = 2;

/// Clients that have tokens validated as fast as they are answered, until it is stopped or dropped.
pub(super) struct Traffic {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

struct Shared {
    url: String,
    tokens: Mutex<Vec<String>>,
    stop: AtomicBool,
    sent: AtomicUsize,
    refused: AtomicUsize,
    first_refusal: Mutex<Option<String>>,
}

/// What came of it.
pub(super) struct Count {
    pub(super) sent: usize,
    pub(super) refused: usize,
    /// Code or error of the first one that was not answered 200.
    pub(super) first_refusal: Option<String>,
}

impl Traffic {
    /// Starts with one token.
    pub(super) fn start(url: String, token: &str) -> Self {
        let shared = Arc::new(Shared {
            url,
            tokens: Mutex::new(vec![token.to_owned()]),
            stop: AtomicBool::new(false),
            sent: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            first_refusal: Mutex::new(None),
        });
        let clients = (0..CLIENTS)
            .map(|_| {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || shared.send())
            })
            .collect();
        Self { shared, clients }
    }

    /// From now on this one is used too, in turn with the others.
    pub(super) fn add(&self, token: &str) {
        self.shared
            .tokens
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(token.to_owned());
    }

    /// Requests answered so far.
    pub(super) fn sent(&self) -> usize {
        self.shared.sent.load(Ordering::Relaxed)
    }

    /// Ends it; no request is on its way any more when this returns.
    pub(super) fn stop(mut self) -> Count {
        self.join();
        Count {
            sent: self.sent(),
            refused: self.shared.refused.load(Ordering::Relaxed),
            first_refusal: self
                .shared
                .first_refusal
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        }
    }

    fn join(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            let _ = client.join();
        }
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.join();
    }
}

impl Shared {
    fn send(&self) {
        let client = Client::new();
        while !self.stop.load(Ordering::Relaxed) {
            let turn = self.sent.fetch_add(1, Ordering::Relaxed);
            let token = {
                let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
                tokens[turn % tokens.len()].clone()
            };
            let refusal = match client.get(&self.url, Some(&token)) {
                Ok(answer) if answer.status == 200 => continue,
                Ok(answer) => answer.code(),
                Err(_) => "no answer".to_owned(),
            };
            self.refused.fetch_add(1, Ordering::Relaxed);
            self.first_refusal
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get_or_insert(refusal);
        }
    }
}
