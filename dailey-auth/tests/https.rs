//! The key set over TLS: a private authority, HTTP/1.1 and HTTP/2, and certificates that must not do.

#![allow(clippy::unwrap_used)] // what fails here says so by failing

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dailey_auth::testing::{SigningKey, TokenBuilder};
use dailey_auth::{FetchError, Verifier};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

const APP: &str = "app";
const ISSUER: &str = "https://core.example";
const PATIENCE: Duration = Duration::from_secs(10);

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// What a server has seen: the version of each request, and whether it asked on a condition.
type Seen = Arc<Mutex<Vec<(Version, bool)>>>;

/// Serves `document` on loopback over TLS, under a certificate with these parameters.
async fn serve(
    authority: &Authority,
    certificate: CertificateParams,
    protocols: &[&[u8]],
    document: String,
) -> (SocketAddr, Seen) {
    let key = KeyPair::generate().unwrap();
    let certificate = certificate.signed_by(&key, authority).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Seen::default();
    let record = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, document) = (acceptor.clone(), document.clone());
            let record = Arc::clone(&record);
            tokio::spawn(async move {
                // Clients that do not trust us go away here.
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let answer = service_fn(move |request: Request<Incoming>| {
                    let response = answer(&request, &record, &document);
                    async move { Ok::<_, Infallible>(response) }
                });
                let server = auto::Builder::new(TokioExecutor::new());
                server
                    .serve_connection(TokioIo::new(stream), answer)
                    .await
                    .ok();
            });
        }
    });
    (address, seen)
}

fn answer(request: &Request<Incoming>, seen: &Seen, document: &str) -> Response<Full<Bytes>> {
    let conditional = request.headers().contains_key(IF_NONE_MATCH);
    seen.lock().unwrap().push((request.version(), conditional));
    let mut response = Response::builder().header(ETAG, "\"1\"");
    if conditional {
        response = response.status(StatusCode::NOT_MODIFIED);
        return response.body(Full::default()).unwrap();
    }
    response
        .header(CONTENT_TYPE, "application/jwk-set+json")
        .body(Full::from(document.to_owned()))
        .unwrap()
}

fn loopback() -> CertificateParams {
    CertificateParams::new(["127.0.0.1".to_owned()]).unwrap()
}

fn verifier(address: SocketAddr, authority: &Authority) -> Verifier {
    Verifier::builder(ISSUER, [APP])
        .jwks_url(format!("https://{address}/jwks.json"))
        .root_certificate_pem(authority.pem())
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_private_authority_is_trusted_over_both_versions_of_http() {
    let authority = authority();
    let key = SigningKey::generate();
    let good = TokenBuilder::new(ISSUER, APP).sign(&key);
    let protocols: [(&[&[u8]], Version); 3] = [
        (&[b"h2", b"http/1.1"], Version::HTTP_2),
        (&[b"http/1.1"], Version::HTTP_11),
        (&[], Version::HTTP_11),
    ];
    for (protocols, version) in protocols {
        let (address, seen) = serve(&authority, loopback(), protocols, key.public_jwks()).await;
        let verifier = verifier(address, &authority);
        verifier.ready(PATIENCE).await.unwrap();
        verifier.verify(&good).await.unwrap();
        verifier.refresh().await.unwrap();
        let seen = seen.lock().unwrap().clone();
        assert_eq!(seen, [(version, false), (version, true)]);
    }
}

#[tokio::test]
async fn a_certificate_that_does_not_prove_the_address_is_refused() {
    let (ours, other) = (authority(), authority());
    let key = SigningKey::generate();
    let mut expired = loopback();
    expired.not_after = date_time_ymd(2020, 1, 1);
    let mut not_yet = loopback();
    not_yet.not_before = date_time_ymd(4000, 1, 1);
    let elsewhere = CertificateParams::new(["core.example".to_owned()]).unwrap();
    for (what, signer, certificate) in [
        ("another authority", &other, loopback()),
        ("another name", &ours, elsewhere),
        ("expired", &ours, expired),
        ("not valid yet", &ours, not_yet),
    ] {
        let (address, seen) = serve(signer, certificate, &[b"h2"], key.public_jwks()).await;
        let verifier = verifier(address, &ours);
        let refused = verifier.refresh().await;
        assert_eq!(refused, Err(FetchError::Connection), "{what}");
        assert!(seen.lock().unwrap().is_empty(), "{what}: nothing was asked");
    }
}

#[tokio::test]
async fn a_platform_that_does_not_know_the_authority_does_not_trust_it() {
    let (address, seen) = serve(
        &authority(),
        loopback(),
        &[b"h2"],
        SigningKey::generate().public_jwks(),
    )
    .await;
    let verifier = Verifier::builder(ISSUER, [APP])
        .jwks_url(format!("https://{address}/jwks.json"))
        .build()
        .unwrap();
    assert_eq!(verifier.refresh().await, Err(FetchError::Connection));
    assert!(seen.lock().unwrap().is_empty());
}
