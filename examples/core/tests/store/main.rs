//! What every store does, whatever the database: one suite, with the clock turned by hand, run on each of them.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "in a test, a failed step is the report")]

mod apps;
mod fixture;
mod logins;
mod refresh;
mod throttle;

use crate::fixture::{Fixture, Server};

/// Each test of the suite on `SQLite` as a test of its own, and all of them on one `MySQL` server.
macro_rules! suite {
    ($($module:ident :: $name:ident,)*) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                crate::$module::$name(crate::Fixture::on_sqlite().await).await;
            })*
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        #[ignore = "needs MySQL: `cargo xtask test` sets it up and runs this"]
        async fn the_suite_holds_on_mysql() {
            let server = Server::start();
            $(
                println!("{}", stringify!($name));
                crate::$module::$name(Fixture::on_mysql(&server).await).await;
            )*
        }
    };
}

suite! {
    apps::the_tables_are_those_that_were_agreed_on,
    apps::what_is_written_is_read_again_to_the_last_letter,
    apps::names_and_addresses_are_compared_byte_for_byte,
    apps::cores_own_app_is_one_and_stays_as_it_is,
    apps::an_old_secret_ends_a_day_later_or_at_once,
    apps::a_deleted_app_takes_everything_with_it,
    apps::sweeping_forgets_what_has_ended_and_nothing_else,
    apps::much_that_has_ended_is_forgotten_piece_by_piece,
    apps::every_security_event_leaves_its_line,
    logins::a_login_does_not_outlive_what_changed_while_its_password_was_verified,
    logins::disabling_and_a_new_password_end_every_session,
    refresh::a_token_is_exchanged_once_forgiven_for_ten_seconds_and_then_betrays_its_family,
    refresh::a_token_ends_and_its_successor_lives_on,
    refresh::nothing_is_spent_by_a_refused_request,
    refresh::of_many_at_once_one_wins,
    refresh::a_revocation_overtakes_every_exchange,
    throttle::failures_of_an_account_are_counted_until_it_logs_in,
    throttle::many_at_once_are_counted_one_by_one,
    throttle::an_address_waits_without_locking_accounts,
    throttle::who_does_not_prove_to_be_an_app_is_noted_so_often_and_no_oftener,
}
