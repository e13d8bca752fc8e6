//! A page that was found.

use serde_json::Value;

/// Longest excerpt, in characters.
const MAX_EXCERPT: usize = 1_000;

/// A page that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) title: String,
    pub(super) url: String,
    pub(super) excerpt: String,
}

/// What an engine found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// What the engine itself says; empty for most.
    pub(super) words: String,
    pub(super) hits: Vec<Hit>,
}

impl Hit {
    /// The hits of a list in JSON, whose members have these names. `None` when it is no list.
    pub(super) fn list(items: &Value, [title, url, excerpt]: [&str; 3]) -> Option<Vec<Self>> {
        let text = |item: &Value, name: &str| plain(item[name].as_str().unwrap_or_default());
        let hit = |item: &Value| Self {
            title: text(item, title),
            url: item[url].as_str().unwrap_or_default().to_owned(),
            excerpt: text(item, excerpt),
        };
        Some(items.as_array()?.iter().map(hit).filter(|hit| !hit.url.is_empty()).collect())
    }
}

/// Text without markup, in one line, shortened.
pub(super) fn plain(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        text.push_str(&rest[..start]);
        // A `<` that begins no tag stands for itself.
        match rest[start..]
            .find('>')
            .filter(|_| rest[start + 1..].starts_with(|c: char| c.is_alphabetic() || c == '/'))
        {
            Some(end) => rest = &rest[start + end + 1..],
            None => {
                text.push('<');
                rest = &rest[start + 1..];
            }
        }
    }
    text.push_str(rest);
    for (entity, character) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#x27;", "'"),
        ("&#39;", "'"),
        ("&nbsp;", " "),
        ("&amp;", "&"),
    ] {
        if text.contains(entity) {
            text = text.replace(entity, character);
        }
    }
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_EXCERPT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
