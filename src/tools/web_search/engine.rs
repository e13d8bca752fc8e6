//! The search engines and what they speak.

use std::fmt;

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use super::duckduckgo;
use super::hit::{Found, Hit};
use super::{Query, Range};

/// A search engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// Brave Search.
    Brave,
    /// DuckDuckGo's page without scripts; needs no key.
    DuckDuckGo,
    /// A SearXNG instance; needs no key.
    SearXng,
    /// Tavily.
    Tavily,
    /// Perplexity's search.
    Perplexity,
    /// Baidu's search for programs.
    Baidu,
    /// Zhipu's search.
    Glm,
    /// A Gemini model that searches with Google and sums up.
    Gemini,
}

impl EngineKind {
    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Brave => "brave",
            Self::DuckDuckGo => "duckduckgo",
            Self::SearXng => "searxng",
            Self::Tavily => "tavily",
            Self::Perplexity => "perplexity",
            Self::Baidu => "baidu_search",
            Self::Glm => "glm_search",
            Self::Gemini => "gemini",
        }
    }

    /// Where it is, unless somebody says otherwise.
    fn address(self) -> &'static str {
        match self {
            Self::Brave => "https://api.search.brave.com/res/v1/web/search",
            Self::DuckDuckGo => "https://html.duckduckgo.com/html/",
            Self::SearXng => "http://localhost:8888",
            Self::Tavily => "https://api.tavily.com/search",
            Self::Perplexity => "https://api.perplexity.ai/search",
            Self::Baidu => "https://qianfan.baidubce.com/v2/ai_search/web_search",
            Self::Glm => "https://open.bigmodel.cn/api/paas/v4/web_search",
            Self::Gemini => "https://generativelanguage.googleapis.com/v1beta",
        }
    }

    fn needs_key(self) -> bool {
        !matches!(self, Self::DuckDuckGo | Self::SearXng)
    }
}

/// A search engine as it is configured.
#[derive(Clone)]
pub struct Engine {
    pub(super) kind: EngineKind,
    pub(super) max_results: u64,
    address: String,
    keys: Vec<String>,
    /// Which of the engine's own indexes, or which model, is asked, for those that have several.
    index: String,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine at an address, or the usual one when that is empty. `None` without the keys that it needs.
    pub fn new(kind: EngineKind, address: &str, keys: Vec<String>, max_results: u64) -> Option<Self> {
        let keys: Vec<String> = keys.into_iter().filter(|key| !key.is_empty()).collect();
        let address = if address.is_empty() { kind.address() } else { address };
        let address = match kind {
            EngineKind::SearXng => {
                format!("{}/search", address.trim_end_matches('/').trim_end_matches("/search"))
            }
            EngineKind::Tavily if !address.ends_with("/search") => {
                format!("{}/search", address.trim_end_matches('/'))
            }
            EngineKind::Gemini => address.trim_end_matches('/').to_owned(),
            _ => address.to_owned(),
        };
        (!keys.is_empty() || !kind.needs_key()).then_some(Self {
            kind,
            max_results,
            address,
            keys,
            index: if kind == EngineKind::Gemini { "gemini-2.5-flash" } else { "search_std" }.to_owned(),
        })
    }

    /// The same with this one of the engine's own indexes or models; an empty name means the usual one.
    #[must_use]
    pub fn with_index(self, index: &str) -> Self {
        if index.is_empty() { self } else { Self { index: index.to_owned(), ..self } }
    }

    /// The keys; an empty one where none is needed.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        let none = self.keys.is_empty().then_some("");
        self.keys.iter().map(String::as_str).chain(none)
    }

    pub(super) fn request(&self, client: &Client, query: &Query, key: &str) -> RequestBuilder {
        let (text, count) = (query.text.as_str(), query.count.to_string());
        let get = |parameters: &[(&str, &str)]| {
            // Pairs of texts can always be written so.
            let url = reqwest::Url::parse_with_params(&self.address, parameters);
            client.get(url.map_or_else(|_| self.address.clone(), Into::into))
        };
        let post_to = |address: &str, body: Value| {
            client.post(address).header("Content-Type", "application/json").body(body.to_string())
        };
        let post = |body| post_to(&self.address, body);
        match self.kind {
            EngineKind::Brave => {
                let mut parameters = vec![("q", text), ("count", &count)];
                parameters
                    .extend(query.range.map(|range| ("freshness", word(range, ["pd", "pw", "pm", "py"]))));
                get(&parameters).header("X-Subscription-Token", key).header("Accept", "application/json")
            }
            EngineKind::SearXng => {
                let mut parameters = vec![("q", text), ("format", "json")];
                parameters.extend(query.range.map(|range| ("time_range", long_word(range))));
                get(&parameters)
            }
            EngineKind::DuckDuckGo => {
                let mut parameters = vec![("q", text)];
                parameters.extend(query.range.map(|range| ("df", word(range, ["d", "w", "m", "y"]))));
                // Programs that say what they are get another page.
                get(&parameters)
                    .header("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0")
            }
            EngineKind::Tavily => {
                let mut body = json!({"query": text, "max_results": query.count, "search_depth": "basic"});
                if let Some(range) = query.range {
                    body["time_range"] = long_word(range).into();
                }
                post(body).bearer_auth(key)
            }
            EngineKind::Perplexity => {
                let mut body = json!({"query": text, "max_results": query.count});
                if let Some(range) = query.range {
                    body["search_recency_filter"] = long_word(range).into();
                }
                post(body).bearer_auth(key)
            }
            EngineKind::Baidu => {
                let mut body = json!({
                    "messages": [{"role": "user", "content": text}],
                    "search_source": "baidu_search_v2",
                    "resource_type_filter": [{"type": "web", "top_k": query.count}],
                });
                if let Some(range) = query.range {
                    // It knows nothing shorter than a week.
                    body["search_recency_filter"] = word(range, ["week", "week", "month", "year"]).into();
                }
                post(body).bearer_auth(key)
            }
            EngineKind::Glm => {
                let mut body = json!({
                    "search_query": text,
                    "search_engine": self.index,
                    "search_intent": false,
                    "count": query.count,
                });
                if let Some(range) = query.range {
                    body["search_recency_filter"] =
                        word(range, ["oneDay", "oneWeek", "oneMonth", "oneYear"]).into();
                }
                post(body).bearer_auth(key)
            }
            EngineKind::Gemini => {
                let since = query.range.map_or_else(String::new, |range| {
                    format!(" (only pages of the last {})", long_word(range))
                });
                let body = json!({
                    "contents": [{"role": "user", "parts": [{"text": format!("{text}{since}")}]}],
                    "tools": [{"google_search": {}}],
                });
                let address = format!("{}/models/{}:generateContent", self.address, self.index);
                post_to(&address, body).header("x-goog-api-key", key)
            }
        }
    }

    /// What is in an answer. `None` when it is not understood.
    pub(super) fn found(&self, body: &str) -> Option<Found> {
        let hits = match self.kind {
            EngineKind::DuckDuckGo => duckduckgo::hits(body)?,
            EngineKind::Gemini => return gemini(&serde_json::from_str(body).ok()?),
            _ => self.hits(&serde_json::from_str(body).ok()?)?,
        };
        Some(Found { words: String::new(), hits })
    }

    fn hits(&self, answer: &Value) -> Option<Vec<Hit>> {
        match self.kind {
            // Without hits there is no `web`.
            EngineKind::Brave if answer["web"].is_null() => answer.is_object().then(Vec::new),
            EngineKind::Brave => Hit::list(&answer["web"]["results"], ["title", "url", "description"]),
            EngineKind::Baidu => Hit::list(&answer["references"], ["title", "url", "content"]),
            EngineKind::Glm => Hit::list(&answer["search_result"], ["title", "link", "content"]),
            EngineKind::Perplexity => Hit::list(&answer["results"], ["title", "url", "snippet"]),
            _ => Hit::list(&answer["results"], ["title", "url", "content"]),
        }
    }
}

/// What a model says, and the pages that it says so from.
fn gemini(answer: &Value) -> Option<Found> {
    let candidate = answer.get("candidates")?.get(0)?;
    let parts = candidate["content"]["parts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let words = parts.iter().filter(|part| part["thought"] != true).filter_map(|part| part["text"].as_str());
    let chunks = candidate["groundingMetadata"]["groundingChunks"].as_array();
    let pages = chunks.into_iter().flatten().map(|chunk| chunk["web"].clone()).collect();
    let hits = Hit::list(&Value::Array(pages), ["title", "uri", ""])?;
    Some(Found { words: words.collect::<String>().trim().to_owned(), hits })
}

fn word(range: Range, [day, week, month, year]: [&'static str; 4]) -> &'static str {
    match range {
        Range::Day => day,
        Range::Week => week,
        Range::Month => month,
        Range::Year => year,
    }
}

fn long_word(range: Range) -> &'static str {
    word(range, ["day", "week", "month", "year"])
}
