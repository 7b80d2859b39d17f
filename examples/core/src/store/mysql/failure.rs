//! What went wrong on the server or on the way to it, in words for the operator.

use std::io::ErrorKind;

use mysql_async::{DriverError, Error, IoError};

use crate::store::StoreError;

/// Codes of the server (`mysqld_error.h`) that mean something here.
const DUPLICATE_ENTRY: u16 = 1062;
const LOCK_WAIT_TIMEOUT: u16 = 1205;
const DEADLOCK: u16 = 1213;
const TOO_MANY_CONNECTIONS: u16 = 1040;
/// `--read-only` or `--super-read-only`.
const OPTION_PREVENTS_STATEMENT: u16 = 1290;
const READ_ONLY_MODE: u16 = 1836;

/// Said of a server that takes no writes.
pub(super) const READ_ONLY: &str =
    "the server takes no writes (read_only): DATABASE_URL must name the primary";

/// A failed statement.
pub(super) fn failed(error: &Error) -> StoreError {
    match error {
        Error::Server(server) => match server.code {
            LOCK_WAIT_TIMEOUT | DEADLOCK | TOO_MANY_CONNECTIONS => StoreError::Busy,
            OPTION_PREVENTS_STATEMENT | READ_ONLY_MODE => StoreError::Failed(READ_ONLY.to_owned()),
            // The server's own text repeats what was written.
            DUPLICATE_ENTRY => StoreError::Failed("a key is there twice".to_owned()),
            code => StoreError::Failed(format!("error {code}: {}", server.message)),
        },
        _ => StoreError::Failed(error.to_string()),
    }
}

/// What a violated unique key means; any other error stays what it is.
pub(super) fn or_taken(error: &Error, taken: StoreError) -> StoreError {
    match error {
        Error::Server(server) if server.code == DUPLICATE_ENTRY => taken,
        _ => failed(error),
    }
}

/// A connection that was not made.
pub(super) fn connecting_failed(error: &Error) -> StoreError {
    if let Error::Io(IoError::Io(error)) = error
        && !matches!(
            error.kind(),
            ErrorKind::InvalidData | ErrorKind::NotFound | ErrorKind::PermissionDenied
        )
    {
        return StoreError::Unreachable(error.to_string());
    }
    StoreError::Failed(match error {
        Error::Driver(DriverError::NoClientSslFlagFromServer) => {
            "the server offers no TLS, and without it Core does not connect".to_owned()
        }
        Error::Io(IoError::Tls(error)) => {
            format!("its certificate was not accepted ({error}): see ssl-ca and tls-hostname")
        }
        // A handshake that fails comes as an error of input and output.
        Error::Io(IoError::Io(error)) if error.kind() == ErrorKind::InvalidData => {
            format!("its certificate was not accepted ({error}): see ssl-ca and tls-hostname")
        }
        Error::Io(IoError::Io(error))
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::PermissionDenied
            ) =>
        {
            format!("the file that ssl-ca or socket names cannot be opened ({error})")
        }
        Error::Server(_) => return failed(error),
        _ => error.to_string(),
    })
}
