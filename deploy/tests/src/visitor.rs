//! Somebody in the internet who comes through Cloudflare.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::{Certificate, Client};

use crate::certificates::Authority;
use crate::world::CLIENT;

/// Longer than any answer may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A client that trusts `authority` alone.
pub fn client(authority: &Authority) -> Client {
    let authority = Certificate::from_pem(authority.pem().as_bytes()).unwrap();
    Client::builder()
        .no_proxy()
        .tls_certs_only([authority])
        .local_address(IpAddr::V4(CLIENT))
        .timeout(PATIENCE)
        .build()
        .unwrap()
}

/// Runs what such a client does.
pub fn run<F: Future>(what: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(what)
}
