//! A Core over TLS that can be broken in one place at a time.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use dailey_auth::testing::SigningKey;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// What an address answers.
#[derive(Clone)]
pub(crate) enum Answer {
    /// This status, this content type, this body.
    Says(u16, &'static str, String),
    /// A redirect to this place.
    Redirect(String),
    /// Nothing, ever.
    Stalls,
    /// Nothing: the connection ends.
    HangsUp,
}

#[derive(Clone)]
struct Behaviour {
    health: Answer,
    jwks: Answer,
    /// How far its clock is ahead; `None` says no time.
    ahead: Option<Ahead>,
}

#[derive(Clone, Copy)]
pub(crate) enum Ahead {
    By(Duration),
    Behind(Duration),
    /// The clock is right, but a cache has had the answer for this long.
    Cached(Duration),
}

pub(crate) struct Core {
    port: u16,
    behaviour: Arc<Mutex<Behaviour>>,
    folder: TempDir,
    acceptor: TlsAcceptor,
    pub(crate) key: SigningKey,
}

impl Core {
    pub(crate) async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let key = SigningKey::generate();
        let acceptor = acceptor(folder.path());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let behaviour = Arc::new(Mutex::new(Behaviour {
            health: Answer::Says(200, "application/json", r#"{"status":"ok"}"#.into()),
            jwks: Answer::Says(200, "application/json", key.public_jwks()),
            ahead: Some(Ahead::By(Duration::ZERO)),
        }));
        let shared = Arc::clone(&behaviour);
        let own = acceptor.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, shared) = (own.clone(), Arc::clone(&shared));
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let mut head = vec![0; 4096];
                    let read = stream.read(&mut head).await.unwrap_or_default();
                    let head = String::from_utf8_lossy(&head[..read]).into_owned();
                    let behaviour = shared.lock().unwrap().clone();
                    let answer = if head.starts_with("GET /health ") {
                        behaviour.health
                    } else {
                        behaviour.jwks
                    };
                    let date = match behaviour.ahead {
                        None => String::new(),
                        Some(ahead) => {
                            let now = SystemTime::now();
                            let (now, age) = match ahead {
                                Ahead::By(time) => (now + time, None),
                                Ahead::Behind(time) => (now - time, None),
                                Ahead::Cached(time) => (now - time, Some(time.as_secs())),
                            };
                            let age = age.map(|age| format!("Age: {age}\r\n"));
                            format!("Date: {}\r\n{}", httpdate(now), age.unwrap_or_default())
                        }
                    };
                    let text = match answer {
                        Answer::Says(status, kind, body) => format!(
                            "HTTP/1.1 {status} Said\r\n{date}Content-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                            body.len()
                        ),
                        Answer::Redirect(place) => format!(
                            "HTTP/1.1 302 Found\r\n{date}Location: {place}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                        ),
                        Answer::Stalls => std::future::pending().await,
                        Answer::HangsUp => return,
                    };
                    let _ = stream.write_all(text.as_bytes()).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self {
            port,
            behaviour,
            folder,
            acceptor,
            key,
        }
    }

    /// Its base address, and the issuer of its tokens.
    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// The certificate authority that its certificate is from.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// TLS with the same authority in front of a port: another one, on `localhost`.
    pub(crate) async fn tls_in_front_of(&self, port: u16) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let outside = listener.local_addr().unwrap().port();
        let acceptor = self.acceptor.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let behind = TcpStream::connect(("127.0.0.1", port)).await;
                    let (Ok(mut stream), Ok(mut behind)) = (acceptor.accept(stream).await, behind)
                    else {
                        return;
                    };
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
                });
            }
        });
        outside
    }

    pub(crate) fn health(&self, answer: Answer) {
        self.behaviour.lock().unwrap().health = answer;
    }

    pub(crate) fn jwks(&self, answer: Answer) {
        self.behaviour.lock().unwrap().jwks = answer;
    }

    pub(crate) fn clock(&self, ahead: impl Into<Option<Ahead>>) {
        self.behaviour.lock().unwrap().ahead = ahead.into();
    }
}

fn acceptor(folder: &Path) -> TlsAcceptor {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// RFC 9110 section 5.6.7, through the library that the service reads it with.
fn httpdate(time: SystemTime) -> String {
    httpdate::fmt_http_date(time)
}
