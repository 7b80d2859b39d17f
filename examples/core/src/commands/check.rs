//! `check`: everything that `serve` would refuse, all of it at once. It changes nothing.

use serde_json::json;

use super::{Failure, Output, settings};
use crate::service::Live;
use crate::settings::{Purpose, Settings};
use crate::store::{self, StoreError};

/// What to do about a database without Core's own app.
pub(super) const NOT_INITIALISED: &str =
    "DATABASE_URL: the database has not been set up: run `dailey-core init`";

pub(super) fn run(output: Output) -> Result<(), Failure> {
    let problems = match settings(Purpose::Serve) {
        Ok(settings) => problems(&settings),
        Err(Failure(lines)) => lines,
    };
    let fine = problems.is_empty();
    if output.json {
        output.print(&json!({ "ok": fine, "problems": problems }), "")?;
    } else if fine {
        output.print(&json!({}), "serve would start")?;
    }
    if fine { Ok(()) } else { Err(Failure(problems)) }
}

fn problems(settings: &Settings) -> Vec<String> {
    let mut problems = Vec::new();
    // The audience plays no part in what can be wrong.
    problems.extend(Live::load(settings, None).err().unwrap_or_default());
    match is_initialised(settings) {
        Ok(true) => {}
        Ok(false) => problems.push(NOT_INITIALISED.to_owned()),
        Err(error) => problems.push(format!("DATABASE_URL: {error}")),
    }
    if let Err(error) = std::net::TcpListener::bind(settings.listen) {
        problems.push(match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                format!(
                    "port {} is taken: stop what listens there or set PORT",
                    settings.listen.port()
                )
            }
            _ => format!("cannot listen on {}: {error}", settings.listen),
        });
    }
    problems
}

/// Asks the database, without changing it.
fn is_initialised(settings: &Settings) -> Result<bool, StoreError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| StoreError::Failed(error.to_string()))?
        .block_on(store::is_initialised(&settings.database))
}
