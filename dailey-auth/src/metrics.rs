//! A verifier's counts and the state of its key set as `OpenMetrics`, through `prometheus-client`.
//!
//! | name | type | what |
//! | --- | --- | --- |
//! | `dailey_auth_verifications_total{code}` | counter | verdicts, by code; `accepted` from the registration on |
//! | `dailey_auth_stale_served_total` | counter | tokens accepted with keys that nobody had confirmed in time |
//! | `dailey_auth_token_cache_misses_total` | counter | tokens accepted after a full verification, where a token cache is on |
//! | `dailey_auth_key_set_refreshes_total{outcome}` | counter | fetches: `changed`, `confirmed`, `failed` |
//! | `dailey_auth_key_set_age_seconds` | gauge | since the last success; absent without one |
//! | `dailey_auth_next_refresh_seconds` | gauge | until the next routine refresh or retry |
//! | `dailey_auth_keys` | gauge | keys in use |
//! | `dailey_auth_keys_usable` | gauge | 1 while tokens can be verified |
//! | `dailey_auth_unknown_kid_budget` | gauge | fetches that unknown key ids may still cause |
//!
//! Labels come from small fixed sets. Alarm on `dailey_auth_keys_usable == 0`, and before that on an
//! age of more than an hour.

use std::fmt;
use std::sync::Weak;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use crate::verifier::{Inner, Verifier};

/// Registers `verifier`. It is asked when metrics are read, and only accepted tokens are counted
/// for this on the way. The registry does not keep the verifier alive.
///
/// For several verifiers in one registry, give each a label:
/// `register(registry.sub_registry_with_label(("issuer".into(), …)), &verifier)`.
///
/// ```
/// use dailey_auth::testing::SigningKey;
/// use dailey_auth::{KeySet, Verifier, metrics};
/// use prometheus_client::registry::Registry;
///
/// let (keys, _) = KeySet::from_json(SigningKey::generate().public_jwks().as_bytes())?;
/// let verifier = Verifier::builder("https://core.example", ["app"]).key_set(keys).build()?;
/// let mut registry = Registry::default();
/// metrics::register(&mut registry, &verifier);
///
/// let _ = verifier.try_verify("no token");
/// let mut text = String::new();
/// prometheus_client::encoding::text::encode(&mut text, &registry)?;
/// assert!(text.contains("dailey_auth_verifications_total{code=\"token_malformed\"} 1"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn register(registry: &mut Registry, verifier: &Verifier) {
    registry.register_collector(Box::new(VerifierMetrics(verifier.observe_counts())));
}

#[derive(Debug)]
struct VerifierMetrics(Weak<Inner>);

impl Collector for VerifierMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(verifier) = Verifier::alive(&self.0) else {
            return Ok(());
        };
        let (health, accepted, refused) = verifier.counts();
        let codes = std::iter::once(("accepted", accepted)).chain(refused);
        counters(
            &mut encoder,
            "dailey_auth_verifications",
            "Verdicts on tokens",
            "code",
            codes,
        )?;
        let refreshes = [
            ("changed", health.refreshes.changed),
            ("confirmed", health.refreshes.confirmed),
            ("failed", health.refreshes.failed),
        ];
        counters(
            &mut encoder,
            "dailey_auth_key_set_refreshes",
            "Fetches of the key set",
            "outcome",
            refreshes,
        )?;
        let totals = [
            (
                "dailey_auth_stale_served",
                "Tokens accepted with keys that nobody had confirmed in time",
                health.stale_served,
            ),
            (
                "dailey_auth_token_cache_misses",
                "Tokens accepted after a full verification",
                health.token_cache_misses,
            ),
        ];
        for (name, help, total) in totals {
            let counter = ConstCounter::new(total);
            let metric = encoder.encode_descriptor(name, help, None, counter.metric_type())?;
            counter.encode(metric)?;
        }

        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let numbers = [
            ("dailey_auth_keys", "Keys in use", count(health.keys.len())),
            (
                "dailey_auth_keys_usable",
                "Whether tokens can be verified",
                i64::from(health.usable()),
            ),
            (
                "dailey_auth_unknown_kid_budget",
                "Fetches that unknown key ids may still cause",
                i64::from(health.unknown_kid_budget),
            ),
        ];
        for (name, help, value) in numbers {
            let gauge = ConstGauge::new(value);
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        let times = [
            (
                "dailey_auth_key_set_age",
                "Since the key set was fetched or confirmed",
                health.age,
            ),
            (
                "dailey_auth_next_refresh",
                "Until the next refresh or retry",
                health.next_refresh_in,
            ),
        ];
        for (name, help, time) in times {
            let Some(time) = time else { continue };
            let gauge = ConstGauge::new(time.as_secs_f64());
            let kind = gauge.metric_type();
            let metric = encoder.encode_descriptor(name, help, Some(&Unit::Seconds), kind)?;
            gauge.encode(metric)?;
        }
        Ok(())
    }
}

fn counters(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &str,
    counts: impl IntoIterator<Item = (&'static str, u64)>,
) -> Result<(), fmt::Error> {
    let kind = ConstCounter::new(0_u64).metric_type();
    let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
    for (value, count) in counts {
        let count = ConstCounter::new(count);
        count.encode(metric.encode_family(&[(label, value)])?)?;
    }
    Ok(())
}
