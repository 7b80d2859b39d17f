//! Real servers of others, unpacked by the crate `testbed`.

use testbed::parts::{ChromiumPart, MysqlPart, SshdPart};

use crate::stop::{Outcome, Stop};

/// Unpacks what is missing.
pub(crate) fn real_parts() -> Outcome<()> {
    MysqlPart::set_up()
        .and_then(|_| SshdPart::set_up())
        .and_then(|_| ChromiumPart::set_up())
        .map(drop)
        .map_err(|error| Stop::because(error.to_string()))
}
