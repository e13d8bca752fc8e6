//! Bodies of responses as text for a model.

use std::io;
use std::time::{Duration, Instant};

/// Columns that HTML is laid out in.
const WIDTH: usize = 120;
/// How deep the elements of a page may be nested: laying it out takes time that grows with the square of the depth.
const MAX_DEPTH: usize = 100;
/// Sum of the depths of all nodes up to which a page is laid out: each level may indent every line. Large articles
/// have less than half of it.
const MAX_COST: usize = 2_000_000;
/// Bytes of a page that are laid out.
const MAX_LAYOUT: usize = 1 << 20;
/// Longest time for parsing a page.
const MAX_PARSE: Duration = Duration::from_secs(2);

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Html,
    /// Any other text.
    Text,
    /// The server did not say.
    Unknown,
}

impl Kind {
    /// What a content type says; `None` for what is not text.
    pub(super) fn of(content_type: Option<&str>) -> Option<Self> {
        let Some(content_type) = content_type else {
            return Some(Self::Unknown);
        };
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let subtype = essence.split_once('/').map_or("", |(_, subtype)| subtype);
        match essence.as_str() {
            "text/html" | "application/xhtml+xml" => Some(Self::Html),
            "" => Some(Self::Unknown),
            _ if essence.starts_with("text/") => Some(Self::Text),
            _ if essence.starts_with("application/")
                && ["json", "xml", "yaml", "javascript", "toml", "x-ndjson", "graphql", "sql"]
                    .iter()
                    .any(|known| {
                        subtype.trim_start_matches("x-") == *known || subtype.ends_with(&format!("+{known}"))
                    }) =>
            {
                Some(Self::Text)
            }
            _ => None,
        }
    }
}

/// The text of a body; `None` when it is binary after all.
pub(super) async fn extract(kind: Kind, body: Vec<u8>) -> Option<String> {
    if body.contains(&0) {
        return None;
    }
    let text = match String::from_utf8(body) {
        Ok(text) => text,
        Err(_) if kind == Kind::Unknown => return None,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    };
    let html = kind == Kind::Html || kind == Kind::Unknown && looks_like_html(&text);
    if !html {
        return Some(text);
    }
    // Laying a page out takes a while. If it fails the model can still read the source.
    tokio::task::spawn_blocking(move || plain(&text).unwrap_or(text)).await.ok()
}

/// At most `limit` characters of the text, and how many it has.
pub(super) fn shorten(text: &str, limit: usize) -> (&str, usize) {
    let end = text.char_indices().nth(limit).map_or(text.len(), |(at, _)| at);
    (&text[..end], text.chars().count())
}

fn looks_like_html(text: &str) -> bool {
    let start = text.trim_start().get(..14).unwrap_or_default().to_ascii_lowercase();
    start.starts_with("<!doctype html") || start.starts_with("<html")
}

/// The page laid out, or nothing when that would take too long.
fn plain(html: &str) -> Option<String> {
    let config = html2text::config::plain().allow_width_overflow();
    let html = &html.as_bytes()[..html.len().min(MAX_LAYOUT)];
    let dom = config.parse_html(Hurried { html, until: Instant::now() + MAX_PARSE }).ok()?;
    if is_costly(&dom) {
        return None;
    }
    let tree = config.dom_to_render_tree(&dom).ok()?;
    config.render_to_string(tree, WIDTH).ok()
}

/// A page that breaks off when its time is over: parsing cannot be stopped otherwise.
struct Hurried<'a> {
    html: &'a [u8],
    until: Instant,
}

impl io::Read for Hurried<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if Instant::now() > self.until { Err(io::ErrorKind::TimedOut.into()) } else { self.html.read(buffer) }
    }
}

/// Whether laying the page out would take too much time and memory. Without recursion: the page decides how deep it is.
fn is_costly(dom: &html2text::RcDom) -> bool {
    let mut cost = 0;
    let mut pending = vec![(dom.document.clone(), 0)];
    while let Some((node, depth)) = pending.pop() {
        cost += depth;
        if depth > MAX_DEPTH || cost > MAX_COST {
            return true;
        }
        pending.extend(node.children.borrow().iter().map(|child| (child.clone(), depth + 1)));
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_tell_text_from_the_rest() {
        let kind = |content_type| Kind::of(Some(content_type));
        assert_eq!(kind("Text/HTML; charset=utf-8"), Some(Kind::Html));
        for text in [
            "text/csv",
            "application/json",
            "application/ld+json; x=y",
            "application/x-yaml",
            "application/xml",
        ] {
            assert_eq!(kind(text), Some(Kind::Text), "{text}");
        }
        for other in
            ["image/svg", "application/octet-stream", "application/pdf", "application/jsonish", "video/mp4"]
        {
            assert_eq!(kind(other), None, "{other}");
        }
        assert_eq!(Kind::of(None), Some(Kind::Unknown));
    }

    #[tokio::test]
    async fn a_page_made_to_be_slow_is_handed_out_as_its_source() {
        for tags in ["<div>".repeat(3_000), format!("{}{}", "<blockquote>".repeat(90), "<p>x".repeat(20_000))]
        {
            assert_eq!(extract(Kind::Html, tags.clone().into_bytes()).await, Some(tags));
        }
    }

    #[test]
    fn an_ordinary_page_is_laid_out_with_its_links() {
        let html = format!("{}<p>a <a href=\"https://x.org/\">link</a></p>", "<div>".repeat(40));
        let text = plain(&html).unwrap();
        assert!(text.contains("link") && text.contains("https://x.org/"), "{text}");
    }

    #[test]
    fn shortening_counts_characters() {
        assert_eq!(shorten("aéb", 2), ("aé", 3));
        assert_eq!(shorten("aéb", 3), ("aéb", 3));
    }
}
