//! Strict text: base64url with one spelling per value, and JSON with one reading per text.
//!
//! Two verifiers that read different claims from the same bytes are an attack waiting to happen,
//! so whatever could be read in two ways is refused here, before anything looks at its meaning.

pub(crate) mod base64url;
pub(crate) mod json;
