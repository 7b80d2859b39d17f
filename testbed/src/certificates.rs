//! Certificates made on the spot, from authorities that nobody else trusts.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// An authority.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key, as PEM.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

/// Why making one cannot fail.
const OF_OURS: &str = "names of the tests are names, and keys are made here";

impl Authority {
    /// A new one.
    ///
    /// # Panics
    /// Never: what it is made of is given here.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect(OF_OURS);
        let pem = params.self_signed(&key).expect(OF_OURS).pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// Its own certificate.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for a server of these names and addresses.
    ///
    /// # Panics
    /// For a name that is none.
    pub fn server(&self, names: &[&str]) -> Pair {
        self.sign(names, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A certificate for a client.
    ///
    /// # Panics
    /// Never: it has no name.
    pub fn client(&self) -> Pair {
        self.sign(&[], ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(&self, names: &[&str], purpose: ExtendedKeyUsagePurpose) -> Pair {
        let all: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(all).expect(OF_OURS);
        if let Some(name) = names.first() {
            params.distinguished_name.push(DnType::CommonName, *name);
        }
        params.extended_key_usages = vec![purpose];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().expect(OF_OURS);
        let certificate = params.signed_by(&key, &self.issuer).expect(OF_OURS);
        Pair {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }
}

impl Pair {
    /// Writes `NAME.pem` and `NAME.key`, which only its owner can read, into `folder`, made when it is not there.
    pub fn write(&self, folder: &Path, name: &str) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join(format!("{name}.pem")), &self.certificate)?;
        let mut private = fs::File::options();
        private.write(true).create(true).truncate(true).mode(0o600);
        let mut file = private.open(folder.join(format!("{name}.key")))?;
        file.write_all(self.key.as_bytes())
    }
}
