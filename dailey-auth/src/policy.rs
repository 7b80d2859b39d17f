//! Issuer, audiences, type, times: is this set of claims ours, and now?
//!
//! Knows nothing of keys or of the token's text.

use std::time::{Duration, SystemTime};

use crate::error::{ClaimName, ConfigError, Rejection};
use crate::text::json::Text;
use crate::token::{Claims, MAX_AUDIENCES, NumericDate};

/// Default leeway. Clocks kept by NTP differ by far less; zero fails in practice.
pub const DEFAULT_LEEWAY: Duration = Duration::from_secs(30);

/// Largest leeway. Whoever needs more has a broken clock, not a strict verifier.
pub const MAX_LEEWAY: Duration = Duration::from_secs(300);

/// Default longest accepted lifetime (`exp - iat`): it bounds the harm of a leaked token.
pub const DEFAULT_MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Largest configurable lifetime: a year.
pub const MAX_LIFETIME_LIMIT: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// The type of an RFC 9068 access token, and the only one accepted unless told otherwise.
const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// Longest accepted setting in bytes, for issuers, audiences and types alike.
const MAX_SETTING_BYTES: usize = 512;

/// What a token must say to be ours.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    issuer: Box<str>,
    audiences: Box<[Box<str>]>,
    accepted_types: Box<[Box<str>]>,
    leeway: f64,
    max_lifetime: f64,
}

impl Policy {
    pub(crate) fn new(
        issuer: &str,
        audiences: &[String],
        accepted_types: Option<&[String]>,
        leeway: Duration,
        max_lifetime: Duration,
    ) -> Result<Self, ConfigError> {
        setting_text("issuer", issuer)?;
        if audiences.is_empty() || audiences.len() > MAX_AUDIENCES {
            return Err(ConfigError::new("audiences", "give 1 to 16 audiences"));
        }
        for audience in audiences {
            setting_text("audiences", audience)?;
        }
        if leeway > MAX_LEEWAY {
            return Err(ConfigError::new("leeway", "give at most 300 seconds"));
        }
        if !(Duration::from_secs(1)..=MAX_LIFETIME_LIMIT).contains(&max_lifetime) {
            return Err(ConfigError::new(
                "max_lifetime",
                "give 1 second to 366 days",
            ));
        }
        let accepted_types = match accepted_types {
            None => [ACCESS_TOKEN_TYPE.into()].into(),
            Some([]) => return Err(ConfigError::new("accepted_types", "give at least one type")),
            Some(types) => types
                .iter()
                .map(|accepted| {
                    let bare = strip_application(accepted);
                    setting_text("accepted_types", bare)?;
                    Ok(bare.into())
                })
                .collect::<Result<_, ConfigError>>()?,
        };
        Ok(Self {
            issuer: issuer.into(),
            audiences: audiences
                .iter()
                .map(|audience| audience.as_str().into())
                .collect(),
            accepted_types,
            leeway: leeway.as_secs_f64(),
            max_lifetime: max_lifetime.as_secs_f64(),
        })
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whether `typ` names an accepted media type (RFC 7515 section 4.1.9: compared without
    /// case, "application/" implied).
    pub(crate) fn accepts_type(&self, typ: Text<'_>) -> bool {
        let typ = typ.unescaped();
        let typ = strip_application(&typ);
        self.accepted_types
            .iter()
            .any(|accepted| accepted.eq_ignore_ascii_case(typ))
    }

    /// Holds claims against this policy at the wall-clock time `now`.
    pub(crate) fn check(&self, claims: &Claims, now: SystemTime) -> Result<(), Rejection> {
        if claims.issuer() != &*self.issuer {
            return Err(Rejection::IssuerMismatch);
        }
        let ours = |audience: &str| self.audiences.iter().any(|own| **own == *audience);
        if !claims.audiences().any(ours) {
            return Err(Rejection::AudienceMismatch);
        }
        let now = seconds_since_epoch(now);
        let expires_at = claims.expires_at().as_secs_f64();
        let issued_at = claims.issued_at().as_secs_f64();
        // RFC 7519 section 4.1.4: refused "on or after" the time.
        if now >= expires_at + self.leeway {
            return Err(Rejection::Expired);
        }
        let begins_at = claims.not_before().map_or(0.0, NumericDate::as_secs_f64);
        if begins_at > now + self.leeway {
            return Err(Rejection::NotYetValid);
        }
        if issued_at > now + self.leeway {
            return Err(Rejection::IssuedInFuture);
        }
        if expires_at <= issued_at {
            return Err(Rejection::ClaimInvalid(ClaimName::Exp));
        }
        if expires_at - issued_at > self.max_lifetime {
            return Err(Rejection::LifetimeTooLong);
        }
        Ok(())
    }
}

/// A wall clock before 1970 reads as 1970: whatever has been issued since is from the future.
pub(crate) fn seconds_since_epoch(now: SystemTime) -> f64 {
    now.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}

/// What a media type's name is understood to begin with (RFC 7515 section 4.1.9).
const APPLICATION: &str = "application/";

fn strip_application(media_type: &str) -> &str {
    match media_type.split_at_checked(APPLICATION.len()) {
        // Implied only where no further slash is.
        Some((prefix, name)) if prefix.eq_ignore_ascii_case(APPLICATION) && !name.contains('/') => {
            name
        }
        _ => media_type,
    }
}

fn setting_text(setting: &'static str, text: &str) -> Result<(), ConfigError> {
    if text.is_empty() || text.len() > MAX_SETTING_BYTES {
        return Err(ConfigError::new(setting, "give 1 to 512 bytes"));
    }
    if text.chars().any(char::is_control) || text.trim() != text {
        return Err(ConfigError::new(
            setting,
            "give the exact text, without control characters or spaces around it",
        ));
    }
    Ok(())
}
