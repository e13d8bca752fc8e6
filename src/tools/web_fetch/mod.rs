//! `web_fetch`: a page of the web as text, from public addresses only.
//!
//! A model can be talked into fetching what only the gateway's machine can reach: a database, a cloud's metadata
//! service. So addresses are checked where a connection is made, after the name was resolved, and for each redirect.

mod address;
mod allowed;
mod client;
mod text;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Client, Response, Url};
use serde_json::{Value, json};

pub use allowed::{AllowedHosts, InvalidHost};
pub(crate) use client::build as public_client;

use super::arguments::Arguments;
use super::output::ToolOutput;
use super::tool::Tool;
use picoclaw_chat::ToolSpec;

/// Most characters handed to the model, whatever it asks for.
const MAX_CHARS: usize = 200_000;
/// Most redirects that are followed.
const MAX_REDIRECTS: usize = 5;
/// Characters shown of a page that comes with an error status.
const ERROR_CHARS: usize = 1_000;

/// How `web_fetch` works.
#[derive(Clone, Debug)]
pub struct WebFetchOptions {
    /// Hosts that may be fetched although their addresses are not public.
    pub private_host_whitelist: AllowedHosts,
    /// Longest time for connecting.
    pub connect_timeout: Duration,
    /// Longest time for a page, redirects included.
    pub timeout: Duration,
    /// Most bytes of a page that are read.
    pub most_bytes: usize,
    /// Characters handed to the model when it does not say how many.
    pub default_chars: usize,
}

impl Default for WebFetchOptions {
    fn default() -> Self {
        Self {
            private_host_whitelist: AllowedHosts::default(),
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(30),
            most_bytes: 10 << 20,
            default_chars: 50_000,
        }
    }
}

/// Fetches a page of the web as text.
#[derive(Clone, Debug)]
pub struct WebFetch {
    // Made by the first fetch: most gateways never need root certificates for this, and memory is counted from the
    // start.
    client: Arc<OnceLock<Client>>,
    options: WebFetchOptions,
}

impl WebFetch {
    /// The tool, with a client of its own: its resolver refuses private addresses.
    pub fn new(options: &WebFetchOptions) -> Self {
        Self { client: Arc::default(), options: options.clone() }
    }

    fn client(&self) -> Result<&Client, ToolOutput> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let options = &self.options;
        let made =
            client::build(&options.private_host_whitelist, options.connect_timeout).map_err(|error| {
                ToolOutput::error(format!("web_fetch cannot be used on this machine: {error}"))
            })?;
        Ok(self.client.get_or_init(|| made))
    }

    async fn fetch(&self, url: Url, max_chars: usize) -> Result<ToolOutput, ToolOutput> {
        let (url, response) = self.follow(url).await?;
        let status = response.status();
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = text::Kind::of(content_type).ok_or_else(|| {
            let found = content_type.unwrap_or_default().to_owned();
            ToolOutput::error(format!("{url} is {found}, not text; web_fetch reads text only"))
        })?;
        let (body, cut) = body(response, &url, self.options.most_bytes).await?;
        let text = text::extract(kind, body)
            .await
            .ok_or_else(|| ToolOutput::error(format!("{url} is not text; web_fetch reads text only")))?;
        let limit = if status.is_success() { max_chars } else { max_chars.min(ERROR_CHARS) };
        let (shown, total) = text::shorten(&text, limit);
        let mut page = format!("{url}\n\n{shown}");
        if shown.len() < text.len() {
            page.push_str(&format!("\n[truncated: {limit} of {total} characters]"));
        } else if cut {
            page.push_str(&format!(
                "\n[truncated: the page has more than {} bytes]",
                self.options.most_bytes
            ));
        }
        if status.is_success() {
            Ok(ToolOutput::success(page))
        } else {
            Err(ToolOutput::error(format!("the server answered {status} for {page}")))
        }
    }

    /// Requests a page and what it redirects to, checking each address.
    async fn follow(&self, mut url: Url) -> Result<(Url, Response), ToolOutput> {
        for _ in 0..=MAX_REDIRECTS {
            self.check(&url)?;
            let response =
                self.client()?.get(url.clone()).send().await.map_err(|error| failed(&url, &error))?;
            let location = response.headers().get(LOCATION).filter(|_| response.status().is_redirection());
            let Some(location) = location else {
                return Ok((url, response));
            };
            let next = location.to_str().ok().and_then(|location| url.join(location).ok());
            let next = next
                .ok_or_else(|| ToolOutput::error(format!("{url} redirects to something that is no URL")))?;
            url = without_credentials(next);
        }
        Err(ToolOutput::error(format!(
            "more than {MAX_REDIRECTS} redirects, the last to {url}; give the final URL"
        )))
    }

    /// Checks what can be told from the URL alone; names are checked when they are resolved.
    fn check(&self, url: &Url) -> Result<(), ToolOutput> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(ToolOutput::denied(format!(
                "{url} is not an http or https URL; web_fetch takes no other"
            )));
        }
        let host = url.host_str().unwrap_or_default();
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse();
        match literal {
            Ok(ip) if !self.options.private_host_whitelist.allows(host, ip) => Err(refused(host)),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Tool for WebFetch {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "web_fetch".to_owned(),
            description:
                "Fetch a web page, or another text, from an http or https URL. HTML becomes plain text. Only \
                          public addresses can be reached."
                    .to_owned(),
            parameters: json!({
                "type": "object",
                "properties": {
                    "url": {"type": "string", "description": "The URL, with http:// or https://."},
                    "maxChars": {"type": "integer", "minimum": 1, "description": "Most characters to return; 50000 by default."},
                },
                "required": ["url"],
            }),
        }
    }

    async fn call(&self, arguments: Value) -> ToolOutput {
        let (url, max_chars) = match parse(arguments, self.options.default_chars) {
            Ok(parsed) => parsed,
            Err(output) => return output,
        };
        match tokio::time::timeout(self.options.timeout, self.fetch(url.clone(), max_chars)).await {
            Ok(fetched) => fetched.into(),
            Err(_) => timed_out(&url),
        }
    }
}

fn parse(arguments: Value, default_chars: usize) -> Result<(Url, usize), ToolOutput> {
    let arguments = Arguments::new(arguments)?;
    let url = arguments.text("url", "an http or https URL")?;
    let url = Url::parse(url.trim()).map_err(|error| {
        ToolOutput::error(format!(
            "argument `url` is no URL ({error}); give one like https://example.com/page"
        ))
    })?;
    let max_chars = match arguments.number("maxChars")? {
        None | Some(0) => default_chars,
        Some(max) => usize::try_from(max).unwrap_or(usize::MAX),
    };
    Ok((without_credentials(url), max_chars.min(MAX_CHARS)))
}

/// The URL without user name and password, which would be sent along.
fn without_credentials(mut url: Url) -> Url {
    // These fail for URLs without a host, which the check refuses.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

/// Reads the body up to the limit; says whether there was more.
async fn body(mut response: Response, url: &Url, most: usize) -> Result<(Vec<u8>, bool), ToolOutput> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(url, &error))? {
        let room = most - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            return Ok((body, true));
        }
    }
    Ok((body, false))
}

fn failed(url: &Url, error: &reqwest::Error) -> ToolOutput {
    let mut causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    if causes.any(<dyn std::error::Error>::is::<client::PrivateAddress>) {
        return refused(url.host_str().unwrap_or_default());
    }
    if error.is_timeout() {
        return timed_out(url);
    }
    // The innermost cause says most, and the URL is named already.
    let cause = std::iter::successors(std::error::Error::source(error), |cause| cause.source()).last();
    let cause = cause.map_or_else(|| error.to_string(), ToString::to_string);
    ToolOutput::error(format!("{url} could not be fetched: {cause}"))
}

fn refused(host: &str) -> ToolOutput {
    ToolOutput::denied(format!(
        "{host} is not a public address, which is not allowed; the operator can allow it in private_host_whitelist"
    ))
}

fn timed_out(url: &Url) -> ToolOutput {
    ToolOutput::timeout(format!("{url} did not answer in time; try again later or another page"))
}

#[cfg(test)]
mod tests;
