//! A verdict with what led to it, for the command that explains one.
//!
//! The verdict is [`Verifier::try_verify`]'s own. What is told beside it is told as far as it can
//! be trusted: of the claims nothing unless the signature is good.

use data_encoding::BASE64URL_NOPAD;

use crate::error::VerifyError;
use crate::token::Claims;

use super::{Keys, Verified, Verifier};

/// A verdict with what led to it.
pub(crate) struct Examination {
    pub(crate) verdict: Result<Verified, VerifyError>,
    /// The token's key id, when its form is right: at most 128 printable ASCII characters.
    pub(crate) kid: Option<String>,
    /// The payload of a token whose signature is good, whatever it holds.
    pub(crate) payload: Option<Vec<u8>>,
    /// Its claims, when they are there and of their types.
    pub(crate) claims: Option<Claims>,
}

impl Verifier {
    /// Verifies a token with a fixed key set and tells more than the verdict.
    pub(crate) fn examine(&self, token: &str) -> Examination {
        let mut examination = Examination {
            verdict: self.try_verify(token),
            kid: None,
            payload: None,
            claims: None,
        };
        // A token of a wrong form has nothing more to tell.
        let _ = self.inner.with_opened(token, |opened| {
            let kid = opened.header.kid().unescaped().into_owned();
            let key = match &self.inner.keys {
                Keys::Fixed(keys) => keys.find(&kid),
                Keys::Live(_) => None,
            };
            let compact = &opened.compact;
            if key.is_some_and(|key| key.verifies(compact.signed.as_bytes(), compact.signature)) {
                examination.payload = BASE64URL_NOPAD.decode(compact.payload.as_bytes()).ok();
                examination.claims = Claims::read(compact.payload, &opened.header).ok();
            }
            examination.kid = Some(kid);
        });
        examination
    }
}
