//! How many instructions a verdict takes and how often it allocates, counted by valgrind, on a busy
//! machine too. Run with `cargo xtask bench instructions`.
//!
//! Key, tokens and time are fixed, and every verdict was given once before it is counted. What is left
//! to chance is the seed with which names of members are hashed: some hundred instructions.
//!
//! valgrind hides ADX, AVX-512 and SHA-NI, so aws-lc-rs goes slower ways than on the processor itself:
//! the bare operation takes more instructions here. Ours beside it are counted as they are. For ratios
//! in time there is `verify.rs`.

use gungraun::{Callgrind, Dhat, LibraryBenchmarkConfig, main};

use self::rows::verdicts;

/// The rows. In a room of their own: what the macros make is public and has no documentation.
mod rows {
    use benches::calls::{Call, bare_call, live, refusal, refusal_of, token_cache_hit};
    use benches::calls::{try_verify, two_dots, verify};
    use benches::garbage;
    use dailey_auth::MAX_TOKEN_BYTES;
    use dailey_auth::testing::Fault;
    use gungraun::{library_benchmark, library_benchmark_group};

    const MALFORMED: &str = "token_malformed";

    #[library_benchmark]
    #[bench::rsa_2048(bare_call())]
    fn bare(call: Call) {
        call();
    }

    #[library_benchmark]
    #[bench::try_verify(try_verify())]
    #[bench::verify(verify())]
    #[bench::token_cache_hit(token_cache_hit())]
    fn accepted(call: Call) {
        call();
    }

    #[library_benchmark(setup = refusal)]
    #[bench::token_missing("token_missing")]
    #[bench::token_too_large("token_too_large")]
    #[bench::token_malformed("token_malformed")]
    #[bench::token_encrypted("token_encrypted")]
    #[bench::json_invalid("json_invalid")]
    #[bench::json_duplicate_member("json_duplicate_member")]
    #[bench::json_too_deep("json_too_deep")]
    #[bench::algorithm_not_allowed("algorithm_not_allowed")]
    #[bench::type_not_allowed("type_not_allowed")]
    #[bench::header_not_allowed("header_not_allowed")]
    #[bench::kid_missing("kid_missing")]
    #[bench::kid_invalid("kid_invalid")]
    #[bench::kid_unknown("kid_unknown")]
    #[bench::signature_invalid("signature_invalid")]
    #[bench::claim_missing("claim_missing")]
    #[bench::claim_invalid("claim_invalid")]
    #[bench::issuer_mismatch("issuer_mismatch")]
    #[bench::audience_mismatch("audience_mismatch")]
    #[bench::expired("expired")]
    #[bench::not_yet_valid("not_yet_valid")]
    #[bench::issued_in_future("issued_in_future")]
    #[bench::lifetime_too_long("lifetime_too_long")]
    #[bench::garbage_of_8_kib(args = (MALFORMED, garbage(|byte| byte.is_ascii_graphic())), setup = refusal_of)]
    #[bench::no_dot_in_8_kib(args = (MALFORMED, "a".repeat(MAX_TOKEN_BYTES)), setup = refusal_of)]
    #[bench::two_dots_in_8_kib(args = (MALFORMED, two_dots()), setup = refusal_of)]
    fn refused(call: Call) {
        call();
    }

    // What fetched keys cost beside fixed ones, those of `signature_invalid`: a forged token's claims
    // are not read, so that nothing else differs.
    #[library_benchmark]
    #[bench::fetched(live(None))]
    #[bench::under_refresh(live(Fault::Stall))]
    fn key_set(call: Call) {
        call();
    }

    library_benchmark_group!(
        name = verdicts,
        benchmarks = [bare, accepted, refused, key_set]
    );
}

main!(
    config = LibraryBenchmarkConfig::default()
        .tool(Callgrind::with_args(["--cache-sim=no"]))
        // Deep in aws-lc-rs valgrind's usual 12 callers do not reach up to the row.
        .tool(Dhat::with_args(["--num-callers=100"])),
    library_benchmark_groups = verdicts
);
