//! The same calls under criterion, which keeps what it measured and says what became of it since. It
//! measures one row after the other, so take no ratios from it: for those there is `verify.rs`.
//!
//! `cargo bench -p benches --bench trends -- --save-baseline before`, then `-- --baseline before`.

use std::time::Duration;

use benches::calls::{
    Call, bare_call, live, refusal, refusal_of, token_cache_hit, try_verify, two_dots, verify,
};
use benches::garbage;
use criterion::Criterion;
use dailey_auth::MAX_TOKEN_BYTES;
use dailey_auth::testing::Fault;

/// As `VerifyError::code` names them.
const DEFECTS: [&str; 22] = [
    "token_missing",
    "token_too_large",
    "token_malformed",
    "token_encrypted",
    "json_invalid",
    "json_duplicate_member",
    "json_too_deep",
    "algorithm_not_allowed",
    "type_not_allowed",
    "header_not_allowed",
    "kid_missing",
    "kid_invalid",
    "kid_unknown",
    "signature_invalid",
    "claim_missing",
    "claim_invalid",
    "issuer_mismatch",
    "audience_mismatch",
    "expired",
    "not_yet_valid",
    "issued_in_future",
    "lifetime_too_long",
];

const MALFORMED: &str = "token_malformed";

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    measure(&mut criterion, "bare", &[("rsa_2048", bare_call())]);
    let accepted = [
        ("try_verify", try_verify()),
        ("verify", verify()),
        ("token_cache_hit", token_cache_hit()),
    ];
    measure(&mut criterion, "accepted", &accepted);
    let mut refused = DEFECTS.map(|code| (code, refusal(code))).to_vec();
    let garbage = garbage(|byte| byte.is_ascii_graphic());
    for (name, token) in [
        ("garbage_of_8_kib", garbage),
        ("no_dot_in_8_kib", "a".repeat(MAX_TOKEN_BYTES)),
        ("two_dots_in_8_kib", two_dots()),
    ] {
        refused.push((name, refusal_of(MALFORMED, token)));
    }
    measure(&mut criterion, "refused", &refused);
    let key_set = [
        ("fetched", live(None)),
        ("under_refresh", live(Fault::Stall)),
    ];
    measure(&mut criterion, "key_set", &key_set);
    criterion.final_summary();
}

fn measure(criterion: &mut Criterion, name: &str, calls: &[(&str, Call)]) {
    let mut group = criterion.benchmark_group(name);
    for (name, call) in calls {
        group.bench_function(*name, |bencher| bencher.iter(call));
    }
    group.finish();
}
