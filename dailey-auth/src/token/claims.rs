//! The claims of a token: typed reads of the registered ones (RFC 7519 section 4.1, RFC 9068
//! section 2.2), everything else kept as it was written.

use std::fmt;
use std::ops::Range;
use std::time::{Duration, SystemTime};

use memchr::memchr;

use crate::error::{ClaimName, Rejection};
use crate::text::base64url;
use crate::text::json::{self, Number, Text, Value};

use super::{LIMITS, MAX_TOKEN_BYTES, TokenHeader};

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

/// A piece of [`Claims::text`]: two numbers instead of a string of its own. The text is a payload,
/// two members of a header and at most an unescaped copy of the payload's: 16 bits are enough.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    start: u16,
    length: u16,
}

const _: () = assert!(3 * MAX_TOKEN_BYTES <= u16::MAX as usize);

impl Span {
    /// `None` for what no text of a token can reach.
    fn new(start: usize, length: usize) -> Option<Self> {
        Some(Self {
            start: u16::try_from(start).ok()?,
            length: u16::try_from(length).ok()?,
        })
    }

    fn range(self) -> Range<usize> {
        let start = usize::from(self.start);
        start..start + usize::from(self.length)
    }
}

/// The claims of a verified token.
///
/// Owned, in one allocation: the decoded JSON, behind it the few texts that had escapes.
/// [`Debug`](fmt::Debug) shows none of it, so that no claim slips into a log.
#[derive(Clone)]
pub struct Claims {
    text: String,
    json_length: u16,
    kid: Span,
    typ: Span,
    issuer: Span,
    subject: Span,
    audiences: [Span; MAX_AUDIENCES],
    audience_count: u8,
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
            .get(..usize::from(self.audience_count))
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
        let length = usize::from(self.json_length);
        self.text.get(..length).unwrap_or_default()
    }

    fn piece(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or_default()
    }

    /// Reads a decoded payload; `kid` and `typ` are its header's.
    pub(crate) fn read(payload: Payload, header: TokenHeader<'_>) -> Result<Self, Rejection> {
        let mut text = String::from_utf8(payload.bytes).map_err(|_| Rejection::JsonInvalid)?;
        let json_length = text.len();
        let found = Found::read(&text)?;
        let required = |value: Option<Value<'_>>, claim| match value {
            Some(value) => text_claim(&text, value, claim),
            None => Err(Rejection::ClaimMissing(claim)),
        };
        let optional = |value: Option<Value<'_>>, claim| {
            value
                .map(|value| text_claim(&text, value, claim))
                .transpose()
        };
        let mut issuer = required(found.iss, ClaimName::Iss)?;
        let mut subject = required(found.sub, ClaimName::Sub)?;
        if !(1..=MAX_SUBJECT_BYTES).contains(&subject.meant_length(&text)) {
            return Err(Rejection::ClaimInvalid(ClaimName::Sub));
        }
        let (mut audiences, audience_count) = read_audiences(&text, found.aud)?;
        let expires_at = required_date(found.exp, ClaimName::Exp)?;
        let issued_at = required_date(found.iat, ClaimName::Iat)?;
        let not_before = found
            .nbf
            .map(|value| date(value, ClaimName::Nbf))
            .transpose()?;
        let mut token_id = optional(found.jti, ClaimName::Jti)?;
        let mut client_id = optional(found.client_id, ClaimName::ClientId)?;
        let mut scope = optional(found.scope, ClaimName::Scope)?;

        let has_escapes = memchr(b'\\', text.as_bytes()).is_some();
        let kid = append(&mut text, header.kid())?;
        let typ = append(&mut text, header.typ())?;
        if has_escapes {
            // What is meant is never longer than how it is written, and no two are written in one
            // place: one allocation more for the few tokens that have any.
            text.reserve_exact(json_length);
            let others = [&mut token_id, &mut client_id, &mut scope];
            [&mut issuer, &mut subject]
                .into_iter()
                .chain(audiences.iter_mut())
                .chain(others.into_iter().flatten())
                .try_for_each(|written| unescape(&mut text, written))?;
        }
        let span = |text: WrittenText| text.span;
        Ok(Self {
            json_length: u16::try_from(json_length).map_err(|_| Rejection::TokenTooLarge)?,
            text,
            kid,
            typ,
            issuer: issuer.span,
            subject: subject.span,
            audiences: audiences.map(span),
            audience_count,
            expires_at,
            issued_at,
            not_before,
            token_id: token_id.map(span),
            client_id: client_id.map(span),
            scope: scope.map(span),
        })
    }
}

/// A payload out of its base64url, not looked at yet.
pub(crate) struct Payload {
    bytes: Vec<u8>,
}

impl Payload {
    /// Decodes a payload segment, with room for its header's `kid` and `typ`, so that the claims
    /// need no second allocation.
    pub(crate) fn decode(segment: &str, header: TokenHeader<'_>) -> Result<Self, Rejection> {
        let room = header.kid().raw().len() + header.typ().raw().len();
        base64url::decode_vec(segment, room)
            .map(|bytes| Self { bytes })
            .ok_or(Rejection::TokenMalformed)
    }
}

/// Where a text stands, and whether it stands there as it is meant.
#[derive(Debug, Clone, Copy, Default)]
struct WrittenText {
    span: Span,
    escaped: bool,
}

impl WrittenText {
    /// The length in bytes of what is meant.
    fn meant_length(self, text: &str) -> usize {
        if self.escaped {
            let raw = text.get(self.span.range()).unwrap_or_default();
            json::unescaped(raw).map(char::len_utf8).sum()
        } else {
            usize::from(self.span.length)
        }
    }
}

fn text_claim(read: &str, value: Value<'_>, claim: ClaimName) -> Result<WrittenText, Rejection> {
    // No `ok_or` on values: see `TokenHeader::read`.
    let Some(text) = value.text() else {
        return Err(Rejection::ClaimInvalid(claim));
    };
    Ok(WrittenText {
        span: Span::new(text.start_in(read), text.raw().len())
            .ok_or(Rejection::ClaimInvalid(claim))?,
        escaped: text.is_escaped(),
    })
}

/// A string, or an array of 1 to [`MAX_AUDIENCES`] strings (RFC 7519 section 4.1.3).
fn read_audiences(
    read: &str,
    value: Option<Value<'_>>,
) -> Result<([WrittenText; MAX_AUDIENCES], u8), Rejection> {
    let mut audiences = [WrittenText::default(); MAX_AUDIENCES];
    let mut count = 0;
    let mut take = |value| -> Result<(), Rejection> {
        let slot = audiences
            .get_mut(usize::from(count))
            .ok_or(Rejection::ClaimInvalid(ClaimName::Aud))?;
        *slot = text_claim(read, value, ClaimName::Aud)?;
        count += 1;
        Ok(())
    };
    match value {
        None => return Err(Rejection::ClaimMissing(ClaimName::Aud)),
        Some(Value::Array(array)) => array.values().try_for_each(&mut take)?,
        Some(single) => take(single)?,
    }
    if count == 0 {
        return Err(Rejection::ClaimInvalid(ClaimName::Aud));
    }
    Ok((audiences, count))
}

/// Appends what an escaped text means and lets it point there.
fn unescape(text: &mut String, written: &mut WrittenText) -> Result<(), Rejection> {
    if !written.escaped {
        return Ok(());
    }
    let start = text.len();
    let Range { start: mut at, end } = written.span.range();
    while let Some((character, length)) = text.get(at..end).and_then(json::first_character) {
        text.push(character);
        at += length;
    }
    written.span = Span::new(start, text.len() - start).ok_or(Rejection::TokenTooLarge)?;
    written.escaped = false;
    Ok(())
}

fn append(text: &mut String, piece: Text<'_>) -> Result<Span, Rejection> {
    let start = text.len();
    if piece.is_escaped() {
        text.extend(piece.chars());
    } else {
        text.push_str(piece.raw());
    }
    Span::new(start, text.len() - start).ok_or(Rejection::TokenTooLarge)
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
    fn read(json: &'a str) -> Result<Self, Rejection> {
        let mut found = Self::default();
        json::read_object_text(json, LIMITS, |name, value| {
            if let Some(slot) = found.slot(name) {
                *slot = Some(value);
            }
        })?;
        Ok(found)
    }

    fn slot(&mut self, name: Text<'_>) -> Option<&mut Option<Value<'a>>> {
        name.read_as(|name| {
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
        })
    }
}

fn required_date(value: Option<Value<'_>>, claim: ClaimName) -> Result<NumericDate, Rejection> {
    match value {
        Some(value) => date(value, claim),
        None => Err(Rejection::ClaimMissing(claim)),
    }
}

fn date(value: Value<'_>, claim: ClaimName) -> Result<NumericDate, Rejection> {
    match value {
        Value::Number(number) => NumericDate::read(number),
        _ => None,
    }
    .ok_or(Rejection::ClaimInvalid(claim))
}
