//! `web_search`: what search engines find.
//!
//! The engines that the operator has switched on are asked in order until one answers. Their addresses come from the
//! configuration alone, so a private one is as good as any.

mod duckduckgo;
mod engine;
mod hit;
#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, Response};
use serde_json::{Value, json};

pub use engine::{Engine, EngineKind};

use self::hit::Found;
use super::arguments::Arguments;
use super::output::ToolOutput;
use super::tool::Tool;
use picoclaw_chat::ToolSpec;

/// Most hits shown.
const MAX_HITS: u64 = 10;
/// Longest query, in bytes.
const MAX_QUERY: usize = 2_000;
/// Most bytes of an engine's answer.
const MAX_BODY: usize = 2 << 20;
/// How long an engine may take.
const TIMEOUT: Duration = Duration::from_secs(15);

/// How far back a search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Range {
    Day,
    Week,
    Month,
    Year,
}

/// What is looked for.
#[derive(Debug)]
struct Query {
    text: String,
    count: u64,
    range: Option<Range>,
}

/// Asks search engines.
#[derive(Clone, Debug)]
pub struct WebSearch {
    engines: Arc<[Engine]>,
    proxy: Arc<str>,
    // Made by the first search.
    client: Arc<OnceLock<Client>>,
}

impl WebSearch {
    /// The tool with these engines, asked in this order.
    pub fn new(engines: &[Engine]) -> Self {
        Self { engines: engines.into(), proxy: Arc::default(), client: Arc::default() }
    }

    /// The same through this proxy; an empty address leaves it to the environment.
    #[must_use]
    pub fn through(self, proxy: &str) -> Self {
        Self { proxy: proxy.into(), ..self }
    }

    fn client(&self) -> Result<&Client, ToolOutput> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let made = crate::http_client::client_through(TIMEOUT, &self.proxy).map_err(|error| {
            ToolOutput::error(format!("web_search cannot be used on this machine: {error}"))
        })?;
        Ok(self.client.get_or_init(|| made))
    }

    async fn search(&self, query: &Query) -> Result<ToolOutput, ToolOutput> {
        let client = self.client()?;
        let mut troubles = Vec::new();
        for engine in self.engines.iter() {
            match ask(client, engine, query).await {
                Ok(found) => return Ok(ToolOutput::success(show(engine.kind.name(), query, &found))),
                Err(trouble) => troubles.push(format!("{}: {trouble}", engine.kind.name())),
            }
        }
        Err(ToolOutput::error(format!(
            "no search engine answered ({}); try again later",
            troubles.join("; ")
        )))
    }
}

#[async_trait]
impl Tool for WebSearch {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "web_search".to_owned(),
            description:
                "Search the web: titles, addresses and excerpts of pages. Read a page with web_fetch."
                    .to_owned(),
            parameters: json!({
                "type": "object",
                "properties": {
                    "query": {"type": "string", "description": "What to look for."},
                    "count": {"type": "integer", "minimum": 1, "maximum": 10, "description": "Most results; 10 by default."},
                    "range": {"type": "string", "enum": ["d", "w", "m", "y"], "description": "Only pages of the last day, week, month or year."},
                },
                "required": ["query"],
            }),
        }
    }

    async fn call(&self, arguments: Value) -> ToolOutput {
        match Query::parse(arguments) {
            Ok(query) => self.search(&query).await.into(),
            Err(output) => output,
        }
    }
}

impl Query {
    fn parse(arguments: Value) -> Result<Self, ToolOutput> {
        let arguments = Arguments::new(arguments)?;
        let text = arguments.text("query", "what to look for")?.trim();
        if text.is_empty() || text.len() > MAX_QUERY {
            return Err(ToolOutput::error(format!("argument `query` must have 1 to {MAX_QUERY} bytes")));
        }
        let range = match arguments.optional_text("range")?.unwrap_or_default() {
            "" => None,
            "d" => Some(Range::Day),
            "w" => Some(Range::Week),
            "m" => Some(Range::Month),
            "y" => Some(Range::Year),
            other => {
                return Err(ToolOutput::error(format!(
                    "there is no range `{other}`; give d, w, m or y, or none"
                )));
            }
        };
        let count = arguments.number("count")?.filter(|count| *count > 0).unwrap_or(MAX_HITS);
        Ok(Self { text: text.to_owned(), count: count.min(MAX_HITS), range })
    }
}

/// Asks an engine with one key after the other, as long as a key is what is wrong.
async fn ask(client: &Client, engine: &Engine, query: &Query) -> Result<Found, String> {
    let mut trouble = "it has no key".to_owned();
    for key in engine.keys() {
        let sent = engine.request(client, query, key).timeout(TIMEOUT).send().await;
        // The address may hold a key, so it is not shown.
        let response = sent.map_err(|error| crate::http_client::in_full(&error.without_url()))?;
        let status = response.status();
        if status.is_success() {
            let body = body(response).await?;
            let mut found = engine.found(&body).ok_or("its answer was not understood")?;
            found.hits.truncate(usize::try_from(query.count.min(engine.max_results)).unwrap_or_default());
            return Ok(found);
        }
        trouble = format!("it answered {status}");
        if !matches!(status.as_u16(), 401 | 402 | 403 | 429) {
            break;
        }
    }
    Err(trouble)
}

async fn body(mut response: Response) -> Result<String, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| error.without_url().to_string())? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err("its answer is too long".to_owned());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

fn show(engine: &str, query: &Query, Found { words, hits }: &Found) -> String {
    let mut text = format!("Results for: {} (via {engine})\n", query.text);
    if !words.is_empty() {
        let _ = writeln!(text, "{words}\n");
    }
    if hits.is_empty() && words.is_empty() {
        text.push_str("Nothing was found.\n");
    }
    for (index, hit) in hits.iter().enumerate() {
        let _ = writeln!(text, "{}. {}\n   {}", index + 1, hit.title, hit.url);
        if !hit.excerpt.is_empty() {
            let _ = writeln!(text, "   {}", hit.excerpt);
        }
    }
    text
}
