//! DuckDuckGo's page for browsers without scripts.

use reqwest::Url;

use super::hit::{Hit, plain};

/// The hits of a page. `None` when it is another page, such as one that asks whether a person is there.
pub(super) fn hits(page: &str) -> Option<Vec<Hit>> {
    let mut hits = Vec::new();
    for piece in page.split("class=\"result__a\"").skip(1) {
        let Some((address, rest)) = piece.split_once("href=\"").and_then(|(_, rest)| rest.split_once('"'))
        else {
            continue;
        };
        let title =
            rest.split_once('>').and_then(|(_, rest)| rest.split_once("</a>")).map(|(title, _)| title);
        let excerpt = piece.split_once("class=\"result__snippet\"").and_then(|(_, rest)| {
            let (_, rest) = rest.split_once('>')?;
            Some(rest.split_once("</a>")?.0)
        });
        let Some(url) = target(&plain(address)) else { continue };
        hits.push(Hit {
            title: plain(title.unwrap_or_default()),
            url,
            excerpt: plain(excerpt.unwrap_or_default()),
        });
    }
    let is_answer = !hits.is_empty() || page.contains("no-results") || page.contains("No results");
    is_answer.then_some(hits)
}

/// Where a link really leads: it goes through the engine, which counts. `None` for advertisements.
fn target(link: &str) -> Option<String> {
    let absolute = if link.starts_with("//") { format!("https:{link}") } else { link.to_owned() };
    let url = Url::parse(&absolute).ok()?;
    let through = url.host_str().is_some_and(|host| host.ends_with("duckduckgo.com"));
    match url.path() {
        "/l/" if through => url.query_pairs().find(|(name, _)| name == "uddg").map(|(_, to)| to.into_owned()),
        "/y.js" if through => None,
        _ => Some(absolute),
    }
}
