//! Any text as `Cache-Control` and `Age`: nothing but a directive gives freshness, it is bounded,
//! an older answer is never fresher, and a `max-age` written anew means the same.

#![no_main]

use std::time::Duration;

use dailey_auth::fuzzing::fresh_for;
use dailey_fuzz::texts;
use libfuzzer_sys::fuzz_target;

const DIRECTIVES: [&str; 3] = ["max-age", "no-store", "no-cache"];

fuzz_target!(|data: &[u8]| {
    let Some([control, age]) = texts(data) else {
        return;
    };
    assert_eq!(fresh_for(None, Some(age)), None);
    let fresh = fresh_for(Some(control), Some(age));
    let young = fresh_for(Some(control), None);
    assert_eq!(fresh.is_some(), young.is_some());
    assert!(fresh <= young, "an older answer is never fresher");
    let lower = control.to_ascii_lowercase();
    if let Some(fresh) = fresh {
        assert!(DIRECTIVES.iter().any(|directive| lower.contains(directive)));
        assert!(fresh <= Duration::from_secs(u64::from(u32::MAX)));
        let anew = format!("public, Max-Age={}", fresh.as_secs());
        assert_eq!(fresh_for(Some(&anew), None), Some(fresh));
    }
    // Whatever is said before, one more directive only ever makes it shorter.
    assert_eq!(
        fresh_for(Some(&format!("{control},no-store")), None),
        Some(Duration::ZERO)
    );
    let shorter = fresh_for(Some(&format!("{control},max-age=7")), None).expect("a directive");
    assert!(shorter <= young.unwrap_or(Duration::MAX).min(Duration::from_secs(7)));
});
