//! Where a list goes on, as an opaque signed text: only a cursor that this service gave for this
//! very space, prefix and depth is followed.

use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;

use crate::key::{MAX_KEY_BYTES, Space};
use crate::storage::Depth;

const TAG_BYTES: usize = 32;

/// Longest cursor in characters: tag and key in base64url.
const MAX_CHARACTERS: usize = (TAG_BYTES + MAX_KEY_BYTES) * 4 / 3 + 2;

/// The list that a cursor belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List<'a> {
    pub(crate) space: &'a Space,
    pub(crate) prefix: &'a str,
    pub(crate) depth: Depth,
}

pub(crate) fn write(secret: &hmac::Key, list: List<'_>, after: &str) -> String {
    let tag = hmac::sign(secret, &signed(list, after));
    BASE64URL_NOPAD.encode(&[tag.as_ref(), after.as_bytes()].concat())
}

/// Where to go on; `None` for whatever [`write`] did not give for this list.
pub(crate) fn read(secret: &hmac::Key, list: List<'_>, cursor: &str) -> Option<String> {
    if cursor.len() > MAX_CHARACTERS {
        return None;
    }
    let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok()?;
    let (tag, after) = bytes.split_at_checked(TAG_BYTES)?;
    let after = std::str::from_utf8(after).ok()?;
    hmac::verify(secret, &signed(list, after), tag).ok()?;
    Some(after.to_owned())
}

/// Each part with its length before it, so that no two lists give the same bytes.
fn signed(list: List<'_>, after: &str) -> Vec<u8> {
    let depth = match list.depth {
        Depth::All => "all",
        Depth::ToNextSlash => "slash",
    };
    let mut bytes = b"dailey-media list cursor 1".to_vec();
    for part in [
        list.space.app_id(),
        list.space.subject(),
        list.prefix,
        depth,
        after,
    ] {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend(part.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_good_only_for_the_list_that_it_was_given_for() {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]);
        let (ada, bob) = (Space::new("app", "ada"), Space::new("app", "bob"));
        let list = List {
            space: &ada,
            prefix: "a",
            depth: Depth::All,
        };
        let cursor = write(&secret, list, "a/b");
        assert_eq!(read(&secret, list, &cursor).as_deref(), Some("a/b"));
        for other in [
            List {
                space: &bob,
                ..list
            },
            List { prefix: "", ..list },
            List {
                depth: Depth::ToNextSlash,
                ..list
            },
        ] {
            assert_eq!(read(&secret, other, &cursor), None, "{other:?}");
        }
        let other_secret = hmac::Key::new(hmac::HMAC_SHA256, &[2; 32]);
        assert_eq!(read(&other_secret, list, &cursor), None);
        for forged in ["", "AAAA", "!", &cursor[1..], &"A".repeat(5000)] {
            assert_eq!(read(&secret, list, forged), None);
        }
    }
}
