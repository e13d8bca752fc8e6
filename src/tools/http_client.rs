//! HTTP clients for addresses that an operator has configured.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Proxy, redirect};
use rustls::{ClientConfig, RootCertStore};

/// A client that follows no redirect: one would carry keys to a server that nobody configured. The environment's proxies
/// are used.
pub fn client(connect_timeout: Duration) -> Result<Client, reqwest::Error> {
    client_through(connect_timeout, "")
}

/// The same through this proxy, instead of those of the environment, unless its address is empty.
pub(crate) fn client_through(connect_timeout: Duration, proxy: &str) -> Result<Client, reqwest::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring supports the default protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let builder = Client::builder();
    let builder = if proxy.is_empty() { builder } else { builder.proxy(Proxy::all(proxy)?) };
    builder
        .tls_backend_preconfigured(tls)
        .redirect(redirect::Policy::none())
        .connect_timeout(connect_timeout)
        .user_agent(concat!("picoclaw/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// An error with its causes; what says the same twice is said once.
pub fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    for cause in std::iter::successors(error.source(), |cause| cause.source()) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}
