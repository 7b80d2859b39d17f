//! The database's file and the one connection to it, as long as that is the file which stands at the path.
//!
//! A file that was moved away or replaced can still be written through an open connection. What was acknowledged like that
//! would be gone after a restart, so it is refused until a file of Core's stands there again.

use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::{LOCK_DEADLINE, apps, failed, schema};
use crate::store::StoreError;

/// Device and number of the database's file and of its log: the same as long as they are the same files.
type Identity = [Option<(u64, u64)>; 2];

/// A database file.
pub(super) struct File {
    path: PathBuf,
    open: Option<(Identity, Connection)>,
}

impl File {
    /// Opens it, making it (readable by its owner only) and bringing its schema up to date.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        // First the connection, which makes both files.
        let connection = connect(path)?;
        Ok(Self {
            open: Some((identity(path)?, connection)),
            path: path.to_owned(),
        })
    }

    /// The connection to the file that stands at the path now.
    pub(super) fn connection(&mut self) -> Result<&mut Connection, StoreError> {
        let now = identity(&self.path);
        let known = self.open.as_ref().map(|(then, _)| then);
        if known != now.as_ref().ok() {
            // First of all, what is acknowledged goes from the log into the file, wherever that is by now: a log that is
            // left behind would be taken for the next file's, or be deleted with what is in it.
            if let Some((_, connection)) = &self.open {
                empty_log(connection)?;
            }
            let now = now?;
            self.open = None;
            if !is_initialised(&self.path)? {
                return Err(StoreError::Failed(
                    "what stands in its file's place is not a database of Core".to_owned(),
                ));
            }
            tracing::warn!("the database's file was replaced; Core goes on with what is there now");
            let connection = connect(&self.path)?;
            // Its log was made by connecting.
            self.open = Some((identity(&self.path).unwrap_or(now), connection));
        }
        match &mut self.open {
            Some((_, connection)) => Ok(connection),
            None => Err(gone()),
        }
    }
}

/// Whether the file has Core's own app, without making or changing it.
pub(super) fn is_initialised(path: &Path) -> Result<bool, StoreError> {
    if !path.exists() {
        return Ok(false);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| failed(&error))?;
    schema::check(&connection)?;
    Ok(schema::version(&connection)?.is_some() && apps::core_app(&connection)?.is_some())
}

fn identity(path: &Path) -> Result<Identity, StoreError> {
    let of = |path: &Path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.dev(), metadata.ino()))
    };
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let file = of(path).ok_or_else(gone)?;
    Ok([Some(file), of(Path::new(&log))])
}

fn empty_log(connection: &Connection) -> Result<(), StoreError> {
    let busy: i64 = connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .map_err(|error| failed(&error))?;
    if busy == 0 {
        Ok(())
    } else {
        Err(StoreError::Busy)
    }
}

fn gone() -> StoreError {
    StoreError::Failed("its file is gone: put it back, or stop Core and begin anew".to_owned())
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    // Made here, because SQLite would make it readable by others; its -wal and -shm files follow its mode.
    std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| StoreError::Failed(format!("its file cannot be opened ({error})")))?;
    let mut connection = Connection::open(path).map_err(|error| failed(&error))?;
    connection
        .busy_timeout(LOCK_DEADLINE)
        .map_err(|error| failed(&error))?;
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;",
        )
        .map_err(|error| failed(&error))?;
    schema::migrate(&mut connection)?;
    Ok(connection)
}
