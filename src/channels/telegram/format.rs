//! From the Markdown that models write to the HTML that the Bot API takes.
//!
//! What is not understood stays as it is written, escaped: the result is always well formed, because every mark is
//! turned only together with its other half.

use std::fmt::Write;

/// The text as HTML of the Bot API.
pub(crate) fn html(markdown: &str) -> String {
    let mut out = String::with_capacity(markdown.len() + markdown.len() / 8);
    let mut lines = markdown.lines().peekable();
    let mut quote: Vec<&str> = Vec::new();
    while let Some(line) = lines.next() {
        if let Some(quoted) = line.strip_prefix('>') {
            quote.push(quoted.trim_start());
            if lines.peek().is_some_and(|next| next.starts_with('>')) {
                continue;
            }
            let quoted: Vec<String> = quote.drain(..).map(inline).collect();
            let _ = writeln!(out, "<blockquote>{}</blockquote>", quoted.join("\n"));
        } else if let Some(language) = line.trim_start().strip_prefix("```") {
            let mut code = String::new();
            for line in lines.by_ref().take_while(|line| line.trim() != "```") {
                code.push_str(line);
                code.push('\n');
            }
            block(&mut out, language.trim(), code.trim_end_matches('\n'));
        } else {
            out.push_str(&line_of(line));
            out.push('\n');
        }
    }
    out.truncate(out.trim_end_matches('\n').len());
    out
}

fn block(out: &mut String, language: &str, code: &str) {
    let code = escape(code);
    let plain = |c: char| c.is_ascii_alphanumeric() || "+-#._".contains(c);
    let _ = if language.is_empty() || !language.chars().all(plain) {
        writeln!(out, "<pre>{code}</pre>")
    } else {
        writeln!(out, "<pre><code class=\"language-{language}\">{code}</code></pre>")
    };
}

fn line_of(line: &str) -> String {
    let hashes = line.chars().take_while(|c| *c == '#').count();
    if (1..=6).contains(&hashes)
        && let Some(title) = line[hashes..].strip_prefix(' ')
    {
        // Bold within bold would be one mark too many.
        return format!("<b>{}</b>", inline(&title.replace("**", "")));
    }
    let text = line.trim_start();
    let indent = &line[..line.len() - text.len()];
    match text.strip_prefix("- ").or_else(|| text.strip_prefix("* ")) {
        Some(item) => format!("{indent}• {}", inline(item)),
        None => inline(line),
    }
}

/// Marks within a line, and what they become. Longer ones first.
const MARKS: [(&str, &str); 5] = [("**", "b"), ("__", "b"), ("~~", "s"), ("*", "i"), ("_", "i")];

fn inline(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    // Whether a word ends right before the rest: within snake_case_names the marks mean nothing.
    let mut in_word = false;
    while let Some(first) = rest.chars().next() {
        if let Some((code, tail)) = rest.strip_prefix('`').and_then(|inner| inner.split_once('`'))
            && !code.is_empty()
        {
            let _ = write!(out, "<code>{}</code>", escape(code));
            rest = tail;
            in_word = false;
        } else if let Some((label, url, tail)) = link(rest) {
            let _ = write!(out, "<a href=\"{}\">{}</a>", escape(url).replace('"', "&quot;"), inline(label));
            rest = tail;
            in_word = false;
        } else if let Some((tag, inner, tail)) = MARKS.iter().find_map(|mark| marked(rest, *mark, in_word)) {
            let _ = write!(out, "<{tag}>{}</{tag}>", inline(inner));
            rest = tail;
            in_word = false;
        } else {
            out.push_str(&escape(first.encode_utf8(&mut [0; 4])));
            in_word = first.is_alphanumeric();
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

/// A text between two of the marks, which touch it and not more of themselves.
fn marked<'a>(
    text: &'a str,
    (mark, tag): (&str, &'static str),
    in_word: bool,
) -> Option<(&'static str, &'a str, &'a str)> {
    let inner = text.strip_prefix(mark)?;
    if in_word || inner.starts_with(char::is_whitespace) || inner.starts_with(&mark[..1]) {
        return None;
    }
    let closes = |at: &usize| {
        let (head, tail) = (&inner[..*at], &inner[at + mark.len()..]);
        let touches = !head.is_empty() && !head.ends_with(char::is_whitespace) && !head.ends_with(&mark[..1]);
        touches && !tail.starts_with(&mark[..1]) && !tail.starts_with(char::is_alphanumeric)
    };
    let end = inner.match_indices(mark).map(|(at, _)| at).find(closes)?;
    Some((tag, &inner[..end], &inner[end + mark.len()..]))
}

/// `[label](url)`.
fn link(text: &str) -> Option<(&str, &str, &str)> {
    let (label, rest) = text.strip_prefix('[')?.split_once("](")?;
    let (url, tail) = rest.split_once(')')?;
    let fits = !label.is_empty()
        && !label.contains(['[', ']'])
        && !url.contains(char::is_whitespace)
        && ["http://", "https://", "tg://", "mailto:"].iter().any(|scheme| url.starts_with(scheme));
    fits.then_some((label, url, tail))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_models_write_is_shown_as_meant() {
        for (markdown, expected) in [
            ("plain & <b>", "plain &amp; &lt;b&gt;"),
            (
                "**bold** and *italic* and _too_ and ~~gone~~",
                "<b>bold</b> and <i>italic</i> and <i>too</i> and <s>gone</s>",
            ),
            ("# Title **x**\ntext", "<b>Title x</b>\ntext"),
            ("- one\n  * two", "• one\n  • two"),
            ("a `x < **y**` b", "a <code>x &lt; **y**</code> b"),
            (
                "```rust\nlet a = 1 < 2;\n```\nafter",
                "<pre><code class=\"language-rust\">let a = 1 &lt; 2;</code></pre>\nafter",
            ),
            ("```\nopen", "<pre>open</pre>"),
            ("[a](https://x.y/?a=1&b=\")", "<a href=\"https://x.y/?a=1&amp;b=&quot;\">a</a>"),
            ("[a](javascript:x)", "[a](javascript:x)"),
            ("> q1\n> q2\nend", "<blockquote>q1\nq2</blockquote>\nend"),
            ("snake_case_name 2*3*4 a * b * c", "snake_case_name 2*3*4 a * b * c"),
            ("**not closed", "**not closed"),
            ("**a *b* c**", "<b>a <i>b</i> c</b>"),
            ("***both***", "***both***"),
        ] {
            assert_eq!(html(markdown), expected, "{markdown}");
        }
    }

    /// Whether every tag is closed in order.
    fn is_well_formed(html: &str) -> bool {
        let mut open = Vec::new();
        for part in html.split('<').skip(1) {
            let Some((tag, _)) = part.split_once('>') else { return false };
            match tag.strip_prefix('/') {
                Some(name) if open.pop() != Some(name) => return false,
                Some(_) => {}
                None => open.push(tag.split(' ').next().unwrap_or_default()),
            }
        }
        open.is_empty()
    }

    proptest! {
        #[test]
        fn the_result_is_always_well_formed(text in "([*_~`>#\\[\\]()<&a \n-]|```\n|https://x|\\PC){0,80}") {
            prop_assert!(is_well_formed(&html(&text)), "{}", html(&text));
        }
    }
}
