//! The claims of a token: typed reads of the registered ones (RFC 7519 section 4.1, RFC 9068
//! section 2.2), everything else kept as it was written.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::error::{ClaimName, Rejection};
use crate::text::base64url;
use crate::text::json::{self, Number, Text, Value};

use super::{LIMITS, TokenHeader};

/// Most audiences that a token may name, and most that a verifier may be configured with.
pub const MAX_AUDIENCES: usize = 16;

/// Longest accepted `sub` in bytes (`OpenID` Connect Core section 2 has the same bound).
pub const MAX_SUBJECT_BYTES: usize = 255;

/// A `NumericDate` (RFC 7519 section 2): seconds since 1970-01-01T00:00:00Z, perhaps with a
/// fraction, from 0 to 2^53: up to there every JSON reader reads alike (RFC 8259 section 6).
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct NumericDate(f64);

impl NumericDate {
    fn read(number: Number<'_>) -> Option<Self> {
        number.non_negative().map(Self)
    }

    /// Whole seconds since the epoch, the fraction cut off.
    // From 0 to 2^53, so neither the sign nor a digit is lost.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn as_secs(self) -> u64 {
        self.0 as u64
    }

    /// Seconds since the epoch with their fraction.
    pub fn as_secs_f64(self) -> f64 {
        self.0
    }

    /// The time as the standard library has it; `None` where its range is too small.
    pub fn to_system_time(self) -> Option<SystemTime> {
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs_f64(self.0))
    }
}

/// A piece of [`Claims::text`]: two numbers instead of a string of its own.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    start: usize,
    length: usize,
}

/// The claims of a verified token.
///
/// Owned, in one allocation: the decoded JSON, behind it the few texts that had escapes.
/// [`Debug`](fmt::Debug) shows none of it, so that no claim slips into a log.
#[derive(Clone)]
pub struct Claims {
    text: String,
    json_length: usize,
    kid: Span,
    typ: Span,
    issuer: Span,
    subject: Span,
    audiences: [Span; MAX_AUDIENCES],
    audience_count: usize,
    expires_at: NumericDate,
    issued_at: NumericDate,
    not_before: Option<NumericDate>,
    token_id: Option<Span>,
    client_id: Option<Span>,
    scope: Option<Span>,
}

impl Claims {
    /// `iss`: who issued the token; equal to the configured issuer.
    pub fn issuer(&self) -> &str {
        self.piece(self.issuer)
    }

    /// `sub`: whom the token is about, 1 to 255 bytes. For `client_credentials` tokens of Core
    /// this is the app itself.
    pub fn subject(&self) -> &str {
        self.piece(self.subject)
    }

    /// `aud`: whom the token is for, 1 to 16 texts in the token's order; at least one of them is
    /// a configured audience.
    pub fn audiences(&self) -> Audiences<'_> {
        let spans = self
            .audiences
            .get(..self.audience_count)
            .unwrap_or_default();
        Audiences {
            claims: self,
            spans: spans.iter(),
        }
    }

    /// `exp`: when the token ends.
    pub fn expires_at(&self) -> NumericDate {
        self.expires_at
    }

    /// `iat`: when the token was issued.
    pub fn issued_at(&self) -> NumericDate {
        self.issued_at
    }

    /// `nbf`: when the token begins, if it says so.
    pub fn not_before(&self) -> Option<NumericDate> {
        self.not_before
    }

    /// `jti`: the token's own id.
    pub fn token_id(&self) -> Option<&str> {
        self.token_id.map(|span| self.piece(span))
    }

    /// `client_id`: the OAuth client that asked for the token (RFC 9068 section 2.2).
    pub fn client_id(&self) -> Option<&str> {
        self.client_id.map(|span| self.piece(span))
    }

    /// `scope`: the granted scopes, separated by spaces (RFC 9068 section 2.2.3).
    pub fn scope(&self) -> Option<&str> {
        self.scope.map(|span| self.piece(span))
    }

    pub(crate) fn header(&self) -> Header<'_> {
        Header {
            kid: self.piece(self.kid),
            typ: self.piece(self.typ),
        }
    }

    /// The claims as they were written: a strict JSON object.
    pub(crate) fn json(&self) -> &str {
        self.text.get(..self.json_length).unwrap_or_default()
    }

    fn piece(&self, span: Span) -> &str {
        self.text
            .get(span.start..span.start + span.length)
            .unwrap_or_default()
    }

    /// Decodes and reads the payload of a token whose header is `header`.
    pub(crate) fn read(payload: &str, header: &TokenHeader<'_>) -> Result<Self, Rejection> {
        let short = header.kid().raw().len() + header.typ().raw().len();
        let mut bytes = base64url::decode_vec(payload, short).ok_or(Rejection::TokenMalformed)?;
        let json_length = bytes.len();
        // An unescaped text is shorter than the escaped one that it stands for.
        let escaped = if bytes.contains(&b'\\') {
            json_length
        } else {
            0
        };
        bytes.resize(json_length + short + escaped, 0);
        let (json, tail) = bytes.split_at_mut(json_length);
        let mut tail = Tail {
            bytes: tail,
            start: json_length,
            used: 0,
        };
        let found = Found::read(json)?;

        let mut text_claim = |claim, text: Text<'_>| {
            if text.is_escaped() {
                tail.keep(text).ok_or(Rejection::ClaimInvalid(claim))
            } else {
                Ok(Span {
                    start: text.start(),
                    length: text.raw().len(),
                })
            }
        };
        let issuer = text_claim(ClaimName::Iss, required_text(found.iss, ClaimName::Iss)?)?;
        let subject = text_claim(ClaimName::Sub, required_text(found.sub, ClaimName::Sub)?)?;
        if !(1..=MAX_SUBJECT_BYTES).contains(&subject.length) {
            return Err(Rejection::ClaimInvalid(ClaimName::Sub));
        }
        let mut audiences = [Span::default(); MAX_AUDIENCES];
        let mut audience_count = 0;
        let mut audience = |value: Value<'_>| -> Result<(), Rejection> {
            let text = value
                .text()
                .ok_or(Rejection::ClaimInvalid(ClaimName::Aud))?;
            let slot = audiences
                .get_mut(audience_count)
                .ok_or(Rejection::ClaimInvalid(ClaimName::Aud))?;
            *slot = text_claim(ClaimName::Aud, text)?;
            audience_count += 1;
            Ok(())
        };
        match found.aud.ok_or(Rejection::ClaimMissing(ClaimName::Aud))? {
            Value::Array(array) => array.values().try_for_each(&mut audience)?,
            single => audience(single)?,
        }
        if audience_count == 0 {
            return Err(Rejection::ClaimInvalid(ClaimName::Aud));
        }
        let expires_at = required_date(found.exp, ClaimName::Exp)?;
        let issued_at = required_date(found.iat, ClaimName::Iat)?;
        let not_before = found
            .nbf
            .map(|value| date(value, ClaimName::Nbf))
            .transpose()?;
        let mut optional_text = |value: Option<Value<'_>>, claim| {
            let Some(value) = value else { return Ok(None) };
            let text = value.text().ok_or(Rejection::ClaimInvalid(claim))?;
            text_claim(claim, text).map(Some)
        };
        let token_id = optional_text(found.jti, ClaimName::Jti)?;
        let client_id = optional_text(found.client_id, ClaimName::ClientId)?;
        let scope = optional_text(found.scope, ClaimName::Scope)?;
        let kid = tail.keep(header.kid()).ok_or(Rejection::KidInvalid)?;
        let typ = tail.keep(header.typ()).ok_or(Rejection::TypeNotAllowed)?;

        let length = json_length + tail.used;
        bytes.truncate(length);
        let text = String::from_utf8(bytes).map_err(|_| Rejection::JsonInvalid)?;
        Ok(Self {
            text,
            json_length,
            kid,
            typ,
            issuer,
            subject,
            audiences,
            audience_count,
            expires_at,
            issued_at,
            not_before,
            token_id,
            client_id,
            scope,
        })
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims").finish_non_exhaustive()
    }
}

/// The audiences of a token, in its order.
#[derive(Debug, Clone)]
pub struct Audiences<'a> {
    claims: &'a Claims,
    spans: std::slice::Iter<'a, Span>,
}

impl<'a> Iterator for Audiences<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.spans.next().map(|span| self.claims.piece(*span))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.spans.size_hint()
    }
}

impl ExactSizeIterator for Audiences<'_> {}

/// The header of a verified token (RFC 7515 section 4.1). `alg` is always RS256.
#[derive(Clone, Copy)]
pub struct Header<'a> {
    kid: &'a str,
    typ: &'a str,
}

impl<'a> Header<'a> {
    /// The id of the key that signed the token.
    pub fn kid(&self) -> &'a str {
        self.kid
    }

    /// The token's type as it was written: `at+jwt` unless other types are accepted.
    pub fn typ(&self) -> &'a str {
        self.typ
    }
}

impl fmt::Debug for Header<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header").finish_non_exhaustive()
    }
}

/// The registered members of a payload, as yet untyped.
#[derive(Default)]
struct Found<'a> {
    iss: Option<Value<'a>>,
    sub: Option<Value<'a>>,
    aud: Option<Value<'a>>,
    exp: Option<Value<'a>>,
    iat: Option<Value<'a>>,
    nbf: Option<Value<'a>>,
    jti: Option<Value<'a>>,
    client_id: Option<Value<'a>>,
    scope: Option<Value<'a>>,
}

impl<'a> Found<'a> {
    fn read(json: &'a [u8]) -> Result<Self, Rejection> {
        let mut found = Self::default();
        json::read_object(json, LIMITS, |name, value| {
            if let Some(slot) = found.slot(name) {
                *slot = Some(value);
            }
        })?;
        Ok(found)
    }

    fn slot(&mut self, name: Text<'_>) -> Option<&mut Option<Value<'a>>> {
        // Only an escaped name needs more than one comparison of its bytes.
        let unescaped;
        let name = if name.is_escaped() {
            unescaped = name.unescaped();
            &*unescaped
        } else {
            name.raw()
        };
        Some(match name {
            "iss" => &mut self.iss,
            "sub" => &mut self.sub,
            "aud" => &mut self.aud,
            "exp" => &mut self.exp,
            "iat" => &mut self.iat,
            "nbf" => &mut self.nbf,
            "jti" => &mut self.jti,
            "client_id" => &mut self.client_id,
            "scope" => &mut self.scope,
            _ => return None,
        })
    }
}

fn required_text(value: Option<Value<'_>>, claim: ClaimName) -> Result<Text<'_>, Rejection> {
    let value = value.ok_or(Rejection::ClaimMissing(claim))?;
    value.text().ok_or(Rejection::ClaimInvalid(claim))
}

fn required_date(value: Option<Value<'_>>, claim: ClaimName) -> Result<NumericDate, Rejection> {
    date(value.ok_or(Rejection::ClaimMissing(claim))?, claim)
}

fn date(value: Value<'_>, claim: ClaimName) -> Result<NumericDate, Rejection> {
    match value {
        Value::Number(number) => NumericDate::read(number),
        _ => None,
    }
    .ok_or(Rejection::ClaimInvalid(claim))
}

/// The room behind the JSON, for texts that are not in it as they are meant.
struct Tail<'a> {
    bytes: &'a mut [u8],
    start: usize,
    used: usize,
}

impl Tail<'_> {
    fn keep(&mut self, text: Text<'_>) -> Option<Span> {
        let from = self.used;
        for character in text.chars() {
            let room = self.bytes.get_mut(self.used..)?;
            if room.len() < character.len_utf8() {
                return None;
            }
            self.used += character.encode_utf8(room).len();
        }
        Some(Span {
            start: self.start + from,
            length: self.used - from,
        })
    }
}
