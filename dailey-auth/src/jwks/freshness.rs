//! How long an answer stays fresh (RFC 9111 sections 4.2 and 5.2.2).

use std::time::Duration;

/// The freshness that `Cache-Control` and `Age` give, `None` when they say nothing.
///
/// Directives that forbid reuse give zero: the cache's own floor then decides.
pub(crate) fn fresh_for(cache_control: Option<&str>, age: Option<&str>) -> Option<Duration> {
    let mut max_age = None;
    for directive in cache_control?.split(',') {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return Some(Duration::ZERO),
            "max-age" => {
                let seconds = delta_seconds(value.trim().trim_matches('"'));
                // RFC 9111 section 4.2.1: of several, the most restrictive.
                max_age = Some(max_age.map_or(seconds, |before: u64| before.min(seconds)));
            }
            _ => {}
        }
    }
    let age = age.map_or(0, |age| delta_seconds(age.trim()));
    max_age.map(|max_age| Duration::from_secs(max_age.saturating_sub(age)))
}

/// RFC 9111 section 1.2.2: too large counts as very large. Not a number counts as stale.
fn delta_seconds(text: &str) -> u64 {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return 0;
    }
    text.parse()
        .unwrap_or(u64::from(u32::MAX))
        .min(u64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freshness_is_max_age_less_age() {
        let cases = [
            (None, None, None),
            (Some("public"), None, None),
            (Some("public, max-age=300"), None, Some(300)),
            (Some("Max-Age=300"), Some("100"), Some(200)),
            (Some("max-age=300"), Some("400"), Some(0)),
            (Some("max-age=\"300\""), None, Some(300)),
            (Some("max-age=300, max-age=60"), None, Some(60)),
            (Some("max-age=300, no-store"), None, Some(0)),
            (Some("no-cache, max-age=300"), None, Some(0)),
            (Some("max-age=-1"), None, Some(0)),
            (Some("max-age="), None, Some(0)),
            (Some("max-age=x"), None, Some(0)),
            (Some("s-maxage=10"), None, None),
            (
                Some("max-age=99999999999999999999999"),
                None,
                Some(u64::from(u32::MAX)),
            ),
        ];
        for (cache_control, age, seconds) in cases {
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(
                fresh_for(cache_control, age),
                expected,
                "{cache_control:?}, {age:?}"
            );
        }
    }
}
