//! A verdict with what led to it, for the command that explains one.
//!
//! The verdict is [`Verifier::try_verify`]'s own. What is told beside it is told as far as it can
//! be trusted: of the claims nothing unless the signature is good.

use data_encoding::BASE64URL_NOPAD;

use crate::error::{Rejection, VerifyError};
use crate::token::{Claims, Payload};

use super::{Keys, Opened, Verified, Verifier};

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
        // Without keys, every token of a right form ends here; others have nothing more to tell.
        let _ = self.inner.verify_with(token, None, |opened| {
            let Opened { compact, header } = opened;
            let served = match &self.inner.keys {
                Keys::Fixed(keys) => keys.find(header.kid()),
                Keys::Live(_) => None,
            };
            let signed = compact.signed.as_bytes();
            if served.is_some_and(|served| served.key.verifies(signed, compact.signature)) {
                examination.payload = BASE64URL_NOPAD.decode(compact.payload.as_bytes()).ok();
                examination.claims = Payload::decode(compact.payload, *header)
                    .and_then(|payload| Claims::read(payload, *header))
                    .ok();
            }
            examination.kid = Some(header.kid().unescaped().into_owned());
            Rejection::KidUnknown.into()
        });
        examination
    }
}
