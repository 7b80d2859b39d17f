//! An authority of a cluster's own, and a certificate for each server with its name and the loopback
//! address in it: the replica reaches its source at the near end of a tunnel.

use std::path::{Path, PathBuf};

use super::Error;
use super::passwords::write_private;
use crate::certificates::Authority;

/// An authority made on the spot.
#[derive(Debug)]
pub struct Certificates {
    authority: Authority,
}

impl Certificates {
    /// A new authority that nobody else trusts.
    pub fn new() -> Self {
        Self {
            authority: Authority::new("dailey testbed"),
        }
    }

    /// Writes `ca.pem`, `server.pem` and `server.key` for a server into `folder`.
    pub(super) fn write_for(&self, name: &str, folder: &Path) -> Result<(), Error> {
        let pair = self.authority.server(&[name, "127.0.0.1"]);
        pair.write(folder, "server")
            .map_err(Error::file("cannot write a certificate to", folder))?;
        self.write_ca(folder).map(drop)
    }

    /// Writes the authority's certificate to `ca.pem` in `folder`.
    pub fn write_ca(&self, folder: &Path) -> Result<PathBuf, Error> {
        let path = folder.join("ca.pem");
        write_private(&path, self.authority.pem())?;
        Ok(path)
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}
