//! Runs each model. How many orders there were is printed, and never few.

use interleavings::{key_set, tokens};

fn all_hold(name: &str, orders: usize) {
    // For who runs it to see how much was tried.
    #[allow(clippy::print_stdout)]
    {
        println!("{name}: {orders} orders");
    }
    assert!(orders > 10, "{name}: {orders} orders are no exploration");
}

macro_rules! models {
    ($room:ident: $($name:ident)*) => {$(
        #[test]
        fn $name() {
            all_hold(stringify!($name), $room::$name());
        }
    )*};
}

models! { key_set:
    two_callers_of_a_new_key_share_one_fetch_and_are_accepted
    a_key_that_has_just_come_is_never_refused
    a_failing_issuer_has_no_token_called_bad
    a_late_fetch_lets_its_callers_go
    a_refresher_that_ends_leaves_nobody_waiting
    a_wanted_refresh_brings_what_was_published_before_it
    who_waits_for_the_first_set_hears_of_it
}

models! { tokens:
    no_token_is_ever_taken_for_another
    a_row_in_disorder_heals_with_the_next_token
    a_swept_entry_does_not_come_back
}
