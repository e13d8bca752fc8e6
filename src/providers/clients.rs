//! The HTTP clients that providers share: one connection pool per way out.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use hyper::Uri;
use hyper_util::client::legacy::{Client as Pool, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use reqwest::{Proxy, redirect};
use rustls::{ClientConfig, RootCertStore};

use super::transport::{Client, Dial};

/// How long connecting to a server may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections kept for later per server, and for how long.
const IDLE_CONNECTIONS: usize = 256;
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);

/// Shared HTTP clients, made when first needed: a gateway that never leaves the machine loads no root certificates.
///
/// * plain `http` without a configured proxy: directly, because such a server is near (ollama, vllm, ...);
/// * `https`: through the environment's proxies (`HTTPS_PROXY`, `NO_PROXY`), if there are any;
/// * with a configured proxy: through that one.
///
/// No client follows a redirect, which would carry the key to a server that nobody configured.
#[derive(Clone, Default)]
pub struct HttpClients {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    tls: OnceLock<ClientConfig>,
    secure: OnceLock<reqwest::Client>,
    // One per plain server and one per proxy of the configuration: as many as model entries at most.
    plain: Mutex<HashMap<Uri, Client>>,
    proxied: Mutex<HashMap<String, reqwest::Client>>,
}

impl HttpClients {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// The client of a plain `http` server without a proxy, which is asked under the name [`NAMELESS`].
    ///
    /// [`NAMELESS`]: super::transport::NAMELESS
    pub(super) fn direct(&self, server: &Uri) -> Client {
        let mut plain = self.shared.plain.lock().unwrap_or_else(PoisonError::into_inner);
        plain.entry(server.clone()).or_insert_with(|| direct_client(server.clone())).clone()
    }

    /// The client for `https`, and for plain `http` through a proxy.
    ///
    /// # Errors
    /// The proxy's URL is not one, or the TLS library refuses its own defaults.
    pub fn client(&self, proxy: Option<&str>) -> Result<reqwest::Client, reqwest::Error> {
        let Some(url) = proxy else {
            return cached(&self.shared.secure, || http_client(self.tls(), None));
        };
        let mut proxied = self.shared.proxied.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = proxied.get(url) {
            return Ok(client.clone());
        }
        let client = http_client(self.tls(), Some(Proxy::all(url)?))?;
        proxied.insert(url.to_owned(), client.clone());
        Ok(client)
    }

    /// Clients that trust this authority alone, and no proxies of the environment: for servers in tests.
    #[cfg(test)]
    pub(super) fn trusting(authority: rustls::pki_types::CertificateDer<'static>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(authority).expect("a certificate");
        let clients = Self::new();
        let tls = clients.shared.tls.get_or_init(|| tls_config(roots)).clone();
        let direct = builder(tls).no_proxy().build().expect("a client");
        clients.shared.secure.get_or_init(|| direct);
        clients
    }

    /// How to speak TLS: for connections that are no HTTP exchanges.
    pub fn tls(&self) -> ClientConfig {
        let make = || tls_config(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect());
        self.shared.tls.get_or_init(make).clone()
    }
}

impl fmt::Debug for HttpClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A proxy's URL may hold a password.
        f.debug_struct("HttpClients").finish_non_exhaustive()
    }
}

/// Two threads may build at the same time; the first one's client stays.
fn cached(
    cell: &OnceLock<reqwest::Client>,
    make: impl FnOnce() -> Result<reqwest::Client, reqwest::Error>,
) -> Result<reqwest::Client, reqwest::Error> {
    if let Some(client) = cell.get() {
        return Ok(client.clone());
    }
    let client = make()?;
    Ok(cell.get_or_init(|| client).clone())
}

fn tls_config(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports the default protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

fn direct_client(server: Uri) -> Client {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let pool = Pool::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .build(Dial { connector, server });
    Client::Direct(pool)
}

fn builder(tls: ClientConfig) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .tcp_nodelay(true)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .redirect(redirect::Policy::none())
        .http1_only()
}

fn http_client(tls: ClientConfig, proxy: Option<Proxy>) -> Result<reqwest::Client, reqwest::Error> {
    let mut builder = builder(tls);
    if let Some(proxy) = proxy {
        // In place of the environment's.
        builder = builder.no_proxy().proxy(proxy);
    }
    builder.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_certificates_are_loaded_by_the_first_https_client_only() {
        let clients = HttpClients::new();
        clients.direct(&Uri::from_static("http://localhost"));
        assert!(clients.shared.tls.get().is_none());
        clients.client(None).expect("secure");
        assert!(clients.shared.tls.get().is_some());
    }

    #[test]
    fn a_proxy_has_one_client_and_its_password_stays_hidden() {
        let clients = HttpClients::new();
        for _ in 0..2 {
            clients.client(Some("http://user:hunter22@127.0.0.1:1")).expect("proxied");
        }
        assert_eq!(clients.shared.proxied.lock().unwrap().len(), 1);
        assert!(!format!("{clients:?}").contains("hunter22"));
        assert!(clients.client(Some("::")).is_err());
    }
}
