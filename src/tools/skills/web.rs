//! Fetching from registries: over https, from public addresses, and no more than was agreed.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, LOCATION};
use reqwest::{Client, Response, Url};

use crate::http_client::in_full;
use crate::{AllowedHosts, public_client};

/// How long connecting may take, and all of a request.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(60);
/// Most redirects that are followed.
const MAX_REDIRECTS: usize = 5;

/// The way to registries.
#[derive(Debug, Default)]
pub(super) struct Web {
    // Made by the first request: most gateways never need it.
    client: OnceLock<Client>,
    /// Hosts that may be asked although their addresses are not public, and without TLS.
    allowed: AllowedHosts,
}

impl Web {
    pub(super) fn new(allowed: AllowedHosts) -> Self {
        Self { client: OnceLock::new(), allowed }
    }

    /// The answer of an address, up to so many bytes. A token goes to the address' own host alone, not to where it
    /// redirects. `None` where there is nothing.
    pub(super) async fn get(&self, url: &Url, token: &str, most: usize) -> Result<Option<Vec<u8>>, String> {
        let got = tokio::time::timeout(TIMEOUT, self.follow(url, token, most)).await;
        let host = url.host_str().unwrap_or_default();
        got.unwrap_or_else(|_| Err("it did not answer in time".to_owned()))
            .map_err(|error| format!("{host} cannot be used: {error}"))
    }

    async fn follow(&self, from: &Url, token: &str, most: usize) -> Result<Option<Vec<u8>>, String> {
        let mut url = from.clone();
        for _ in 0..=MAX_REDIRECTS {
            self.check(&url)?;
            let mut request = self.client()?.get(url.clone());
            if !token.is_empty() && url.host() == from.host() && url.port() == from.port() {
                request = request.header(AUTHORIZATION, format!("Bearer {token}"));
            }
            // The address may hold a token after a redirect, so it is not shown.
            let response = request.send().await.map_err(|error| in_full(&error.without_url()))?;
            let status = response.status();
            if status.is_redirection() {
                let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
                let next = location.and_then(|location| url.join(location).ok());
                url = next.ok_or_else(|| format!("it answered {status} without an address"))?;
                continue;
            }
            return match status.as_u16() {
                200 => body(response, most).await.map(Some),
                404 | 410 => Ok(None),
                401 | 403 | 429 => Err(format!("it answered {status}: an auth_token for it may be missing")),
                _ => Err(format!("it answered {status}")),
            };
        }
        Err(format!("it redirects more than {MAX_REDIRECTS} times"))
    }

    /// Checks what can be told from the address alone; names are checked when they are resolved.
    fn check(&self, url: &Url) -> Result<(), String> {
        let host = url.host_str().unwrap_or_default();
        if url.scheme() != "https" && !(url.scheme() == "http" && self.allowed.lists(host)) {
            return Err("it is not reached over https".to_owned());
        }
        match host.trim_matches(['[', ']']).parse() {
            Ok(ip) if !self.allowed.allows(host, ip) => Err("it is not a public address".to_owned()),
            _ => Ok(()),
        }
    }

    fn client(&self) -> Result<&Client, String> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let made = public_client(&self.allowed, CONNECT_TIMEOUT).map_err(|error| error.to_string())?;
        Ok(self.client.get_or_init(|| made))
    }
}

async fn body(mut response: Response, most: usize) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| in_full(&error.without_url()))? {
        if body.len() + chunk.len() > most {
            return Err(format!("its answer has more than {} MiB", most >> 20));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
