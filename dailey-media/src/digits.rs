//! Counts of bytes in fields of requests. Pure.

/// Decimal digits, and nothing that a number's parser would forgive. One too large to be counted is the
/// largest, which is more than any object has.
pub(crate) fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}
