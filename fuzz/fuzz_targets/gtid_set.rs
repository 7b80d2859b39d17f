//! Any text as a GTID set: what is read has one form that can stand in a statement, reads the same
//! again, and is counted alike in whole and in parts.

#![no_main]

use libfuzzer_sys::fuzz_target;
use replication_checker::gtid::GtidSet;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(set) = GtidSet::parse(text) else {
        return;
    };
    assert_eq!(GtidSet::parse(set.as_str()).as_ref(), Ok(&set));
    assert!(
        set.as_str()
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-:,_".contains(&byte))
    );
    assert_eq!(set.is_empty(), set.servers() == 0);
    assert_eq!(
        set.is_empty(),
        set.count() == 0,
        "every member holds a transaction"
    );
    let first = set.as_str().split(':').next().unwrap_or_default();
    let (ours, others) = set.split_by_server(first);
    assert_eq!(ours.is_empty(), set.is_empty());
    assert_eq!(ours.servers() + others.servers(), set.servers());
    assert_eq!(ours.count().saturating_add(others.count()), set.count());
    for part in [ours, others] {
        assert_eq!(GtidSet::parse(part.as_str()), Ok(part));
    }
});
