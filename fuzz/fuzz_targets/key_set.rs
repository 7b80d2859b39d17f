//! Any bytes as a key set: what is taken in is bounded, named and distinct, and written anew it is
//! the same set.

#![no_main]

use dailey_auth::{KeySet, MAX_KEYS, fuzzing};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok((keys, skipped)) = KeySet::from_json(data) {
        let mut kids: Vec<&str> = keys.kids().collect();
        assert!(!kids.is_empty() && kids.len() + skipped.len() <= 2 * MAX_KEYS);
        kids.sort_unstable();
        let count = kids.len();
        kids.dedup();
        assert_eq!(kids.len(), count, "one key for one id");
        assert!(
            kids.iter()
                .all(|kid| (1..=128).contains(&kid.len()) && kid.is_ascii())
        );
        let anew = fuzzing::write_key_set(&keys);
        assert!(
            !["\"d\"", "\"p\"", "\"q\"", "\"k\""]
                .iter()
                .any(|private| anew.contains(&format!("{private}:")))
        );
        let (again, skipped) = KeySet::from_json(anew.as_bytes()).expect("what we write we read");
        assert!(skipped.is_empty());
        assert!(keys.kids().eq(again.kids()));
        assert!(
            kids.iter()
                .all(|kid| keys.thumbprint(kid) == again.thumbprint(kid))
        );
    }
});
