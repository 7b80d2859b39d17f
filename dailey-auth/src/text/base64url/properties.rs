//! One text per value, for any bytes and any text.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

proptest! {
    #[test]
    fn bytes_come_back_from_their_text(bytes in vec(any::<u8>(), 0..1_500)) {
        let text = encode(&bytes);
        prop_assert!(text.bytes().all(|byte| ALPHABET.contains(&byte)));
        prop_assert!(is_canonical(text.as_bytes()));
        prop_assert_eq!(decode::<64>(&text).unwrap().to_vec(), bytes);
    }

    #[test]
    fn whatever_decodes_is_the_one_text_of_its_bytes(text in "[A-Za-z0-9_-]{0,40}|.{0,40}|\\PC{0,9}[=+/ \n]?") {
        if let Some(bytes) = decode::<16>(&text) {
            prop_assert_eq!(encode(&bytes), text);
        }
    }

    #[test]
    fn every_other_spelling_of_the_same_bytes_is_refused(bytes in vec(any::<u8>(), 1..100)) {
        let text = encode(&bytes);
        let unused_bits = match bytes.len() % 3 {
            0 => 0,
            1 => 4,
            _ => 2,
        };
        let (last, before) = text.as_bytes().split_last().unwrap();
        let value = ALPHABET.iter().position(|byte| byte == last).unwrap();
        for bits in 1..1_usize << unused_bits {
            let last = char::from(ALPHABET[value | bits]);
            let other = format!("{}{last}", std::str::from_utf8(before).unwrap());
            prop_assert!(!is_canonical(other.as_bytes()));
            prop_assert!(decode::<64>(&other).is_none());
        }
        let standard = text.replace('-', "+").replace('_', "/");
        prop_assert!(standard == text || decode::<64>(&standard).is_none());
        for other in [
            format!("{text}="),
            format!("{text}=="),
            format!("{text} "),
            format!("{text}\n"),
            format!(" {text}"),
            format!("{text}A").repeat(usize::from(text.len().is_multiple_of(4))),
        ] {
            prop_assert!(other.is_empty() || decode::<64>(&other).is_none(), "{}", other);
        }
    }
}
