//! How often anybody may ask: each subject its share, whatever the others do.

use std::time::Instant;

use reqwest::{Method, Response};
use serde_json::json;

use crate::service::{Limits, Service, header, json as body, problem};

/// Asks so often; returns what came of each.
async fn statuses(times: usize, mut ask: impl AsyncFnMut() -> Response) -> Vec<u16> {
    let mut statuses = Vec::with_capacity(times);
    for _ in 0..times {
        statuses.push(ask().await.status().as_u16());
    }
    statuses
}

/// Refusals that are waited for: many more than slip in by a pause of this machine.
const REFUSALS: usize = 20;

/// However slow this machine is, a bucket is empty long before.
const MOST_TRIES: usize = 5000;

/// A bucket that nobody else takes from.
#[derive(Clone, Copy)]
struct Bucket {
    at_once: usize,
    a_minute: usize,
}

impl Bucket {
    /// Asks until many are refused. What is in the full bucket is given, and no more than comes back meanwhile,
    /// which depends on how fast this machine is. The last refusal.
    async fn flood(self, given: &[u16], mut ask: impl AsyncFnMut() -> Response) -> Response {
        let began = Instant::now();
        let (mut taken, mut refused) = (0, 0);
        for _ in 0..MOST_TRIES {
            let answer = ask().await;
            let status = answer.status().as_u16();
            if status == 429 {
                assert!(taken >= self.at_once, "refused after {taken}");
                refused += 1;
            } else {
                assert!(given.contains(&status), "{status}");
                taken += 1;
            }
            let back = began.elapsed().as_millis() * self.a_minute as u128 / 60_000;
            let most = self.at_once as u128 + back + 1;
            assert!(taken as u128 <= most, "{taken} in {:?}", began.elapsed());
            if refused == REFUSALS {
                return answer;
            }
        }
        panic!("only {refused} are refused");
    }
}

fn count(statuses: &[u16], status: u16) -> usize {
    statuses.iter().filter(|one| **one == status).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_that_floods_is_told_to_wait_and_the_others_keep_their_share() {
    let service = Service::start_with(Limits::On).await;
    let (one, flooding) = (service.token(), service.token().claim("sub", "user-3"));
    let get = |token| {
        service
            .request_as(Method::GET, "/api/media/a", token)
            .send()
    };
    let first = get(&one).await.unwrap();
    assert_eq!(header(&first, "ratelimit-policy"), "\"read\";q=100;w=10");
    assert_eq!(header(&first, "ratelimit"), "\"read\";r=99;t=1");

    let reads = Bucket {
        at_once: 100,
        a_minute: 600,
    };
    let refused = reads.flood(&[404], async || get(&flooding).await.unwrap());
    let refused = refused.await;
    assert_eq!(header(&refused, "retry-after"), "1");
    assert!(header(&refused, "ratelimit").starts_with("\"read\";r=0;t="));
    assert_eq!(problem(refused).await, (429, "rate_limited".into()));

    // Reading does not use up writing, nor one subject another's share.
    let put = service.request_as(Method::PUT, "/api/media/a", &flooding);
    assert_eq!(put.body("x").send().await.unwrap().status(), 201);
    let other = service.token().claim("sub", "user-2");
    assert_eq!(get(&other).await.unwrap().status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_have_a_smaller_share() {
    let service = Service::start_with(Limits::On).await;
    let writes = Bucket {
        at_once: 30,
        a_minute: 120,
    };
    let put = async || service.put("a", b"x").await;
    writes.flood(&[200, 201], put).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_limited_by_address_and_good_tokens_from_there_are_not() {
    let service = Service::start_with(Limits::On).await;
    let from = |address: &str| {
        let asked = service.bare(Method::GET, "/api/media/a");
        asked.header("x-forwarded-for", address).send()
    };
    let strangers = Bucket {
        at_once: 20,
        a_minute: 60,
    };
    let ask = async || from("192.0.2.1").await.unwrap();
    strangers.flood(&[401], ask).await;
    assert_eq!(from("192.0.2.2").await.unwrap().status(), 401);
    let known = service.request(Method::GET, "/api/media/a");
    let known = known.header("x-forwarded-for", "192.0.2.1").send();
    assert_eq!(known.await.unwrap().status(), 404);
    // A forged hop to the left of the real one changes nothing: its own bucket would have more.
    let forged = async || from("203.0.113.9, 192.0.2.1").await.unwrap();
    let ended = statuses(strangers.at_once, forged).await;
    assert!(count(&ended, 429) > 0, "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn validations_are_limited_by_address_and_health_never_is() {
    let service = Service::start_with(Limits::On).await;
    let validate = || service.request(Method::GET, "/api/auth/validate").send();
    let validations = Bucket {
        at_once: 30,
        a_minute: 30,
    };
    let refused = validations.flood(&[200], async || validate().await.unwrap());
    let text = refused.await.text().await.unwrap();
    // Nobody has looked at the token.
    assert!(
        text.contains("rate_limited") && !text.contains("\"valid\""),
        "{text}"
    );
    let live = || service.bare(Method::GET, "/health/live").send();
    let ended = statuses(300, async || live().await.unwrap()).await;
    assert_eq!(count(&ended, 200), 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn switched_off_nobody_is_limited_or_told_of_limits() {
    let service = Service::start().await;
    let get = || service.request(Method::GET, "/api/media/a").send();
    let ended = statuses(300, async || get().await.unwrap()).await;
    assert_eq!(count(&ended, 404), 300);
    assert_eq!(header(&get().await.unwrap(), "ratelimit"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn rates_are_those_of_the_configuration() {
    let rates = "[limits]\nreads_per_minute = 1\nreads_at_once = 3\nwrites_per_minute = 1\nwrites_at_once = 3\n\
                 appends_per_minute = 1\nappends_at_once = 2\nlinks_per_minute = 1\nlinks_at_once = 4\n\
                 strangers_per_minute = 1\nstrangers_at_once = 4\nvalidations_per_minute = 5\n";
    let service = Service::limited(rates).await;
    let get = || service.request(Method::GET, "/api/media/a").send();
    let wanted = json!({ "key": "by-link", "method": "PUT" });
    let link = body(service.post("/api/media-ops/presign", &wanted).await).await;
    let link = link["url"].as_str().unwrap();
    let follow = || service.at(Method::PUT, link).body("x").send();
    let append = || service.append("/api/uploads/none", 0, b"x");
    let remove = || service.request(Method::DELETE, "/api/media/a").send();
    let nobody = || service.bare(Method::GET, "/api/media/a").send();
    let validate = || service.request(Method::GET, "/api/auth/validate").send();
    let ended = statuses(6, async || get().await.unwrap()).await;
    assert_eq!((count(&ended, 404), count(&ended, 429)), (3, 3));
    let ended = statuses(6, async || remove().await.unwrap()).await;
    // The link was one of three.
    assert_eq!((count(&ended, 404), count(&ended, 429)), (2, 4));
    let ended = statuses(6, append).await;
    assert_eq!((count(&ended, 404), count(&ended, 429)), (2, 4));
    let ended = statuses(6, async || follow().await.unwrap()).await;
    assert_eq!((count(&ended, 201), count(&ended, 200)), (1, 3));
    assert_eq!(count(&ended, 429), 2);
    // The window tells the rate, which is too slow to be waited for.
    for (answer, policy) in [
        (append().await, "\"append\";q=2;w=120"),
        (follow().await.unwrap(), "\"link\";q=4;w=240"),
    ] {
        assert_eq!(header(&answer, "ratelimit-policy"), policy);
    }
    let ended = statuses(6, async || nobody().await.unwrap()).await;
    assert_eq!((count(&ended, 401), count(&ended, 429)), (4, 2));
    let ended = statuses(6, async || validate().await.unwrap()).await;
    assert_eq!((count(&ended, 200), count(&ended, 429)), (5, 1));
}
