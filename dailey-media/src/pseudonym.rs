//! Subjects as the log may know them: one name each, from which nobody who lacks the secret gets back to
//! the subject, not by trying all of them either.

use std::sync::Arc;

use aws_lc_rs::hmac;
use dailey_auth::Claims;
use data_encoding::HEXLOWER;

/// Bytes of a name: a million subjects hardly ever share one.
const NAME_BYTES: usize = 8;

/// Makes the names. The same on every replica that has the same link secret.
#[derive(Clone, Debug)]
pub(crate) struct Pseudonyms(Arc<hmac::Key>);

impl Pseudonyms {
    /// With a key of its own, so that no name is ever a signature of something else.
    pub(crate) fn new(link_secret: &hmac::Key) -> Self {
        let own = hmac::sign(link_secret, b"dailey-media subjects in the log");
        Self(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, own.as_ref())))
    }

    pub(crate) fn of(&self, claims: &Claims) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(claims.issuer().as_bytes());
        // Not in any issuer, so that what comes before it is told from what comes after.
        context.update(b"\0");
        context.update(claims.subject().as_bytes());
        HEXLOWER.encode(&context.sign().as_ref()[..NAME_BYTES])
    }
}
