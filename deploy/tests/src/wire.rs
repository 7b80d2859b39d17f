//! One TLS connection, byte by byte: for what no HTTP client would send.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};

use crate::certificates::Pair;

/// Longer than any answer may take, but for what waits for a limit.
const PATIENCE: Duration = Duration::from_secs(40);

/// How to connect.
#[derive(Debug, Clone)]
pub struct Way<'a> {
    /// From which address.
    pub from: Ipv4Addr,
    /// To which.
    pub to: Ipv4Addr,
    /// Which name is asked for.
    pub name: &'a str,
    /// Whom the server's certificate must come from.
    pub authority: &'a str,
    /// What is shown to the server.
    pub pass: Option<&'a Pair>,
    /// The TLS versions that are offered.
    pub versions: Vec<&'static SupportedProtocolVersion>,
}

/// An open connection.
#[derive(Debug)]
pub struct Wire(StreamOwned<ClientConnection, TcpStream>);

/// A plain connection from an address.
pub fn tcp(from: Ipv4Addr, to: Ipv4Addr, port: u16) -> io::Result<TcpStream> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    bind(&socket, &SocketAddrV4::new(from, 0))?;
    connect(&socket, &SocketAddrV4::new(to, port))?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

impl Way<'_> {
    /// Connects, and shakes hands.
    pub fn open(&self) -> io::Result<Wire> {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(self.authority.as_bytes()).unwrap();
        roots.add(authority).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&self.versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match self.pass {
            None => config.with_no_client_auth(),
            Some(pass) => {
                let certificate = CertificateDer::from_pem_slice(pass.certificate.as_bytes());
                let key = PrivateKeyDer::from_pem_slice(pass.key.as_bytes()).unwrap();
                config
                    .with_client_auth_cert(vec![certificate.unwrap()], key)
                    .unwrap()
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = ServerName::try_from(self.name.to_owned()).unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, tcp(self.from, self.to, 443)?);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Wire(stream))
    }

    /// Everything that comes back for these bytes until the server closes.
    pub fn ask(&self, bytes: &str) -> io::Result<String> {
        let mut wire = self.open()?;
        wire.send(bytes)?;
        Ok(wire.rest())
    }
}

impl Wire {
    /// Sends these bytes.
    pub fn send(&mut self, bytes: &str) -> io::Result<()> {
        self.0.write_all(bytes.as_bytes())?;
        self.0.flush()
    }

    /// What comes until the server closes, however it closes.
    pub fn rest(&mut self) -> String {
        let mut all = Vec::new();
        let mut piece = [0; 16 * 1024];
        loop {
            match self.0.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => all.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    panic!("the server neither answered nor closed within {PATIENCE:?}")
                }
                Err(_) => break,
            }
        }
        String::from_utf8_lossy(&all).into_owned()
    }
}

/// The statuses of the answers in what came back, which may be several.
pub fn statuses(text: &str) -> Vec<u16> {
    text.split("HTTP/1.1 ")
        .skip(1)
        .filter_map(|answer| answer.get(..3)?.parse().ok())
        .collect()
}
