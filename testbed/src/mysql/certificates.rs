//! An authority of a cluster's own, and a certificate for each server with its name and the loopback
//! address in it: the replica reaches its source at the near end of a tunnel.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use super::Error;
use super::passwords::write_private;

/// An authority made on the spot.
#[derive(Debug)]
pub struct Certificates {
    issuer: Issuer<'static, KeyPair>,
    ca_pem: String,
}

impl Certificates {
    /// A new authority that nobody else trusts.
    pub fn new() -> Result<Self, Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
            .distinguished_name
            .push(DnType::CommonName, "dailey testbed");
        let key = KeyPair::generate()?;
        let ca_pem = params.self_signed(&key)?.pem();
        Ok(Self {
            issuer: Issuer::new(params, key),
            ca_pem,
        })
    }

    /// Writes `ca.pem`, `server.pem` and `server.key` for a server into `folder`.
    pub(super) fn write_for(&self, name: &str, folder: &Path) -> Result<(), Error> {
        let mut params = CertificateParams::new(vec![name.to_owned(), "127.0.0.1".to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        write_private(&folder.join("server.pem"), &certificate.pem())?;
        write_private(&folder.join("server.key"), &key.serialize_pem())?;
        self.write_ca(folder).map(drop)
    }

    /// Writes the authority's certificate to `ca.pem` in `folder`.
    pub fn write_ca(&self, folder: &Path) -> Result<PathBuf, Error> {
        let path = folder.join("ca.pem");
        write_private(&path, &self.ca_pem)?;
        Ok(path)
    }
}
