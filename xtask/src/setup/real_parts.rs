//! Real servers of others, unpacked by the crate `testbed`.

use testbed::parts::{
    ChromiumPart, MotoPart, MysqlPart, NginxPart, Pm2Part, S3sFsPart, SshdPart, SystemdPart,
};

use crate::stop::{Outcome, Stop};

/// Unpacks what is missing.
pub(crate) fn real_parts() -> Outcome<()> {
    MysqlPart::set_up()
        .and_then(|_| SshdPart::set_up())
        .and_then(|_| NginxPart::set_up())
        .and_then(|_| SystemdPart::set_up())
        .and_then(|_| Pm2Part::set_up())
        .and_then(|_| MotoPart::set_up())
        .and_then(|_| S3sFsPart::set_up())
        .and_then(|_| ChromiumPart::set_up())
        .map(drop)
        .map_err(|error| Stop::because(error.to_string()))
}

/// Unpacks what is missing of what the soak runs on.
pub(crate) fn soak_parts() -> Outcome<()> {
    MysqlPart::set_up()
        .and_then(|_| NginxPart::set_up())
        .and_then(|_| MotoPart::set_up())
        .map(drop)
        .map_err(|error| Stop::because(error.to_string()))
}
