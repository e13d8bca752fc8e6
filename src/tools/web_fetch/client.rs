//! The HTTP client, whose resolver knows no private addresses.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, redirect};
use rustls::{ClientConfig, RootCertStore};

use super::allowed::AllowedHosts;

/// A name resolves to private addresses only.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("not a public address")]
pub(super) struct PrivateAddress;

/// A client that follows no redirect by itself, keeps no cookies and goes through no proxy: behind a proxy nobody could
/// check what a name resolves to.
pub(crate) fn build(allowed: &AllowedHosts, connect_timeout: Duration) -> Result<Client, reqwest::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring supports the default protocol versions")
        .with_root_certificates(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(Guarded(allowed.clone()))
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(connect_timeout)
        // Pages come from everywhere: connections are hardly ever used again.
        .pool_max_idle_per_host(0)
        .user_agent(concat!("picoclaw/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Resolves names with the system's resolver and leaves out what may not be connected to.
#[derive(Debug)]
struct Guarded(AllowedHosts);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = self.0.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let addresses: Vec<SocketAddr> =
                found.filter(|address| allowed.allows(name.as_str(), address.ip())).collect();
            if addresses.is_empty() {
                return Err(PrivateAddress.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
