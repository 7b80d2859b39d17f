//! Times as differences: what a reader wants to know of one.

use std::time::SystemTime;

use crate::cli::judgement::Judgement;
use crate::cli::settings::Settings;
use crate::error::{Rejection, VerifyError};

/// Seconds since the epoch.
pub(in crate::cli) fn seconds(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}

/// `in 6 min 58 s`, `12 min 3 s ago`, `now`.
pub(in crate::cli) fn relative(difference: f64) -> String {
    if difference.abs() < 0.5 {
        "now".to_owned()
    } else if difference > 0.0 {
        format!("in {}", spoken(difference))
    } else {
        format!("{} ago", spoken(-difference))
    }
}

/// A span of time in its two largest units: `12 min 3 s`, `2 d 5 h`.
// Times of tokens lie within 2^53 seconds, so nothing is cut off.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(in crate::cli) fn spoken(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    let units = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];
    let Some(first) = units.iter().position(|(_, length)| seconds >= *length) else {
        return "0 s".to_owned();
    };
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (unit, length) in units.iter().skip(first).take(2) {
        let count = rest / length;
        rest %= length;
        if count > 0 {
            parts.push(format!("{count} {unit}"));
        }
    }
    parts.join(" ")
}

/// How far an authentic token is from being in time, if that is why it is refused.
pub(in crate::cli) fn distance(judgement: &Judgement, settings: &Settings) -> Option<String> {
    let claims = judgement.examination.claims.as_ref()?;
    let now = seconds(settings.now());
    let leeway = format!("(leeway {})", spoken(settings.leeway.as_secs_f64()));
    let from_now = |date: crate::NumericDate| relative(date.as_secs_f64() - now);
    let Some(VerifyError::Rejected(rejection)) = judgement.error() else {
        return None;
    };
    Some(match rejection {
        Rejection::Expired => format!("expired {} {leeway}", from_now(claims.expires_at())),
        Rejection::NotYetValid => {
            format!("becomes valid {} {leeway}", from_now(claims.not_before()?))
        }
        Rejection::IssuedInFuture => {
            format!("issued {} {leeway}", from_now(claims.issued_at()))
        }
        Rejection::LifetimeTooLong => format!(
            "lives for {}",
            spoken(claims.expires_at().as_secs_f64() - claims.issued_at().as_secs_f64())
        ),
        Rejection::ClaimInvalid(_) => {
            "it ends before it begins: `exp` is not after `iat`".to_owned()
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_said_in_their_two_largest_units() {
        for (seconds, said) in [
            (0.0, "0 s"),
            (1.4, "1 s"),
            (60.0, "1 min"),
            (723.0, "12 min 3 s"),
            (3_661.0, "1 h 1 min"),
            (86_400.0 * 3.0 + 59.0, "3 d"),
            (9_007_199_254_740_992.0, "104249991374 d 7 h"),
        ] {
            assert_eq!(spoken(seconds), said);
        }
        assert_eq!(relative(-723.0), "12 min 3 s ago");
        assert_eq!(relative(418.0), "in 6 min 58 s");
        assert_eq!(relative(0.2), "now");
    }
}
