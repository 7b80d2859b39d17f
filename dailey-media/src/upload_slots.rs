//! How many bodies may be on their way in at once: of one subject, and of all. Who is one too many
//! waits a little before being refused, since most bodies are short.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use dailey_http::Problem;
use http::{HeaderValue, StatusCode, header};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::key::Space;
use crate::settings::Limits;

/// Longest wait for a place.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Subjects that are remembered before those without an upload are swept out.
const SWEEP_ABOVE: usize = 1024;

#[derive(Debug)]
pub(crate) struct UploadSlots {
    all: Arc<Semaphore>,
    each: usize,
    subjects: Mutex<HashMap<Space, Weak<Semaphore>>>,
}

/// One body's place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    _of_subject: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl UploadSlots {
    pub(crate) fn new(limits: &Limits) -> Self {
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        Self {
            all: Arc::new(Semaphore::new(count(limits.uploads_per_process))),
            each: count(limits.uploads_per_subject),
            subjects: Mutex::default(),
        }
    }

    /// A place for a body of this subject.
    pub(crate) async fn take(&self, space: &Space) -> Result<Slot, Problem> {
        let until = Instant::now() + MAX_WAIT;
        let of_subject = timeout_at(until, self.subject(space).acquire_owned()).await;
        let of_all = timeout_at(until, Arc::clone(&self.all).acquire_owned()).await;
        match (of_subject, of_all) {
            (Ok(Ok(of_subject)), Ok(Ok(of_all))) => Ok(Slot {
                _of_subject: of_subject,
                _of_all: of_all,
            }),
            _ => Err(Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_uploads",
                "too many uploads are under way: wait until one of them has ended",
            )
            .header(header::RETRY_AFTER, HeaderValue::from_static("5"))),
        }
    }

    fn subject(&self, space: &Space) -> Arc<Semaphore> {
        let subjects = self.subjects.lock();
        let mut subjects = subjects.unwrap_or_else(PoisonError::into_inner);
        if subjects.len() > SWEEP_ABOVE {
            subjects.retain(|_, places| places.strong_count() > 0);
        }
        let known = subjects.get(space).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let places = Arc::new(Semaphore::new(self.each));
            subjects.insert(space.clone(), Arc::downgrade(&places));
            places
        })
    }
}
