//! Finding in a text what no text may show.

use crate::s3::SECRET_ACCESS_KEY;

/// Characters of base64url and the dots between a token's parts (RFC 7515 section 7.1).
fn is_of_a_token(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.')
}

/// A SHA-256 thumbprint in base64url (RFC 7638): our key ids. They are random, and logs may name them.
const THUMBPRINT: usize = 43;

/// The first word of `text` that begins as every token's header does: base64url of `{"`.
///
/// Only whole words count, and key ids do not: within a random one those three letters stand by chance.
pub fn token_in(text: &str) -> Option<&str> {
    text.split(|character| !is_of_a_token(character))
        .find(|word| word.starts_with("eyJ") && word.len() != THUMBPRINT)
}

/// What no log of ours may hold beside tokens: headers and fields that carry them, parameters of links and cursors,
/// what opens a bucket.
const NEVER: [&str; 7] = [
    "Bearer ",
    "access_token",
    "refresh_token",
    "cursor=",
    "signature=",
    "X-Amz-",
    SECRET_ACCESS_KEY,
];

/// The first secret in the log of one of our services.
pub(crate) fn secret_in(log: &str) -> Option<&str> {
    let word = NEVER.into_iter().find(|word| log.contains(word));
    word.or_else(|| token_in(log))
}

#[cfg(test)]
mod tests {
    use super::{secret_in, token_in};

    #[test]
    fn a_secret_is_found_by_what_carries_it() {
        for log in [
            "authorization: Bearer abc",
            "/api/links/a?signature=abc",
            "?X-Amz-Signature=abc",
            "key=testsecret",
            "eyJhbGciOiJSUzI1NiJ9",
        ] {
            assert!(secret_in(log).is_some(), "{log}");
        }
        assert_eq!(secret_in("route=\"/api/links/{*key}\" status=200"), None);
    }

    #[test]
    fn a_token_is_found_wherever_it_stands_and_a_key_id_is_none() {
        for text in [
            "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln",
            "Bearer eyJhbGciOiJSUzI1NiJ9",
            "token=\"eyJhbGci…",
            "/path?token=eyJhbGci&x",
        ] {
            assert!(token_in(text).is_some(), "{text}");
        }
        for text in [
            "keys={\"COJ38UECQH7s2R0eoPGuZXjRlav8gDdq_ROqoeyJtfk\"}",
            "keys={\"eyJ38UECQH7s2R0eoPGuZXjRlav8gDdq_ROqoaaJtfk\"}",
            "no token",
        ] {
            assert_eq!(token_in(text), None, "{text}");
        }
    }
}
