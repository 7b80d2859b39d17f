//! One suite for all examples: each is started as a process with an issuer of its own and attacked over
//! its socket. The expected answers stand here once, so all frameworks must give the same.
//!
//! It knows routes, headers and bodies, and nothing of frameworks.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)] // what fails here says so by failing

mod answer;
mod service;
pub mod suite;

pub use answer::Answer;
pub use service::{APP, Service};

/// The tests of the suite, for the program at this path.
#[macro_export]
macro_rules! suite {
    ($program:expr) => {
        $crate::suite!(
            $program,
            a_good_token_gets_in,
            a_request_without_a_token_gets_a_bare_challenge,
            a_bad_token_is_refused_with_its_code,
            a_token_anywhere_but_in_the_one_header_is_none,
            a_missing_scope_is_named,
            a_public_route_takes_nobody_but_no_bad_token,
            without_keys_there_is_no_verdict,
            no_token_is_ever_printed
        );
    };
    ($program:expr, $($test:ident),+) => {
        $(
            #[test]
            fn $test() {
                $crate::suite::$test($program);
            }
        )+
    };
}
