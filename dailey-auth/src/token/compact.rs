//! Size, alphabet, segments: what can be said of a token before anything is decoded.

use memchr::memchr_iter;

use crate::error::Rejection;
use crate::text::base64url;

/// Largest accepted token in bytes. Proxies cap a header line near this.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// The three segments of a token, cut at its dots and none of them empty.
///
/// Decoding a segment says whether its text is well formed. What is told of a token is nevertheless
/// the same as if the whole text had been looked at first: see [`check_text`](Self::check_text).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Compact<'a> {
    pub(crate) header: &'a str,
    pub(crate) payload: &'a str,
    pub(crate) signature: &'a str,
    /// What is signed: header, dot, payload (RFC 7515 section 5.1).
    pub(crate) signed: &'a str,
}

impl<'a> Compact<'a> {
    pub(crate) fn split(token: &'a str) -> Result<Self, Rejection> {
        if token.is_empty() {
            return Err(Rejection::TokenMissing);
        }
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Rejection::TokenTooLarge);
        }
        let mut dots = memchr_iter(b'.', token.as_bytes());
        let (first, second) = dots
            .next()
            .zip(dots.next())
            .ok_or(Rejection::TokenMalformed)?;
        match dots.take(3).count() {
            0 => {}
            // RFC 7516 section 9: five segments are an encrypted token.
            2 if base64url::is_compact_alphabet(token.as_bytes()) => {
                return Err(Rejection::TokenEncrypted);
            }
            _ => return Err(Rejection::TokenMalformed),
        }
        let piece = |from, to| {
            token
                .get(from..to)
                .filter(|piece| !piece.is_empty())
                .ok_or(Rejection::TokenMalformed)
        };
        Ok(Self {
            header: piece(0, first)?,
            payload: piece(first + 1, second)?,
            signature: piece(second + 1, token.len())?,
            signed: piece(0, second)?,
        })
    }

    /// Refuses a malformed text. Nothing else may be said of a token before this was asked, or all
    /// of its segments were decoded.
    pub(crate) fn check_text(&self) -> Result<(), Rejection> {
        if base64url::is_well_formed(self.header.as_bytes()) {
            self.check_rest()
        } else {
            Err(Rejection::TokenMalformed)
        }
    }

    /// The same for a token whose header was decoded.
    pub(crate) fn check_rest(&self) -> Result<(), Rejection> {
        let segments = [self.payload, self.signature].map(str::as_bytes);
        if segments.into_iter().all(base64url::is_well_formed) {
            Ok(())
        } else {
            Err(Rejection::TokenMalformed)
        }
    }

    /// The refusal of this token: `rejection`, unless its text is malformed, which comes first.
    pub(crate) fn refuse(&self, rejection: Rejection) -> Rejection {
        self.check_text().err().unwrap_or(rejection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(token: &str) -> Result<(), Rejection> {
        Compact::split(token)?.check_text()
    }

    #[test]
    fn three_segments_are_split() {
        let compact = Compact::split("AAAA.BBBB.CCCC").unwrap();
        assert_eq!(
            (compact.header, compact.payload, compact.signature),
            ("AAAA", "BBBB", "CCCC")
        );
        assert_eq!(compact.signed, "AAAA.BBBB");
    }

    #[test]
    fn the_size_is_looked_at_first() {
        let longest = format!("AAAA.{}.AAAA", "A".repeat(MAX_TOKEN_BYTES - 10));
        assert_eq!(longest.len(), MAX_TOKEN_BYTES);
        assert_eq!(verdict(&longest), Ok(()));
        assert_eq!(
            verdict(&format!("{longest}A")),
            Err(Rejection::TokenTooLarge)
        );
        assert_eq!(
            verdict(&"é".repeat(MAX_TOKEN_BYTES)),
            Err(Rejection::TokenTooLarge)
        );
    }

    #[test]
    fn other_numbers_of_segments_are_refused() {
        assert_eq!(verdict(""), Err(Rejection::TokenMissing));
        for token in [
            "AAAA",
            "AAAA.",
            ".AAAA",
            "AAAA.BBBB",
            "..",
            "...",
            "AAAA..CCCC",
            ".B.C",
            "AA.BB.",
            "AAAA.BBBB.CCCC.DDDD",
            "a.b.c.d.e.f",
            ".....",
        ] {
            assert_eq!(verdict(token), Err(Rejection::TokenMalformed), "{token}");
        }
        for token in ["AAAA.BBBB.CCCC.DDDD.EEEE", "AAAA..CCCC.DDDD.EEEE", "...."] {
            assert_eq!(verdict(token), Err(Rejection::TokenEncrypted), "{token}");
        }
    }

    #[test]
    fn every_other_spelling_is_refused() {
        for token in [
            "AAAA.BBBB.CCCC\n",
            " AAAA.BBBB.CCCC",
            "AAAA.BB BB.CCCC",
            "AAAA.BBBB.CCC=",
            "AAAA.BBBB.CC==",
            "AAAA.BB+B.CCCC",
            "AAAA.BB/B.CCCC",
            "\"AAAA.BBBB.CCCC\"",
            "AAAA.BBBB.CCCé",
            "AAAA.BBBB.CCCC\0",
            "AAAAA.BBBB.CCCC",
            "AAAA.BBBBB.CCCC",
            "AAAA.BBBB.CC",
            "AAAA.BBBB.CCB",
            "Bearer AAAA.BBBB.CCCC",
            "AAAA,BBBB,CCCC",
        ] {
            assert_eq!(verdict(token), Err(Rejection::TokenMalformed), "{token:?}");
        }
        assert_eq!(verdict("AAAA.BBBB.CA"), Ok(()));
        assert_eq!(verdict("AAAA.BBBB.CCA"), Ok(()));
    }
}
