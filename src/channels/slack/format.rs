//! From the Markdown that models write to Slack's `mrkdwn`.

/// The text as Slack shows it.
pub(crate) fn mrkdwn(markdown: &str) -> String {
    let mut in_code = false;
    let lines = markdown.lines().map(|line| {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
            // Slack would show the language as a line of the code.
            return "```".to_owned();
        }
        if in_code { escape(line) } else { line_of(line) }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What somebody wrote, as it was written: Slack marks addresses and names, and spells three signs out.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, marked)) = rest.split_once('<') {
        let Some((mark, after)) = marked.split_once('>') else { break };
        out.push_str(before);
        let (target, label) = mark.split_once('|').unwrap_or((mark, ""));
        match (target.chars().next(), label) {
            // `<#C1|general>`, `<!here>`, `<!date^...|yesterday>`; who has an id only keeps that: `<@U1>`.
            (Some('#'), label) if !label.is_empty() => out.push_str(&format!("#{label}")),
            (Some('!'), "") => out.push_str(&target.replacen('!', "@", 1)),
            (Some('!'), label) => out.push_str(label),
            (Some('@' | '#'), "") => out.push_str(&format!("<{target}>")),
            (Some('@'), label) => out.push_str(&format!("@{label}")),
            (_, "") => out.push_str(target.strip_prefix("mailto:").unwrap_or(target)),
            (_, label) if target.trim_start_matches("mailto:").ends_with(label) => out.push_str(label),
            (_, label) => out.push_str(&format!("[{label}]({target})")),
        }
        rest = after;
    }
    out.push_str(rest);
    out.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

fn line_of(line: &str) -> String {
    let hashes = line.chars().take_while(|c| *c == '#').count();
    if (1..=6).contains(&hashes)
        && let Some(title) = line[hashes..].strip_prefix(' ')
    {
        return format!("*{}*", escape(&title.replace("**", "")));
    }
    // A quote keeps its mark.
    if let Some(quoted) = line.strip_prefix('>') {
        return format!(">{}", inline(quoted));
    }
    let text = line.trim_start();
    let indent = &line[..line.len() - text.len()];
    match text.strip_prefix("- ").or_else(|| text.strip_prefix("* ")) {
        Some(item) => format!("{indent}• {}", inline(item)),
        None => inline(line),
    }
}

fn inline(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let pair = |mark: &str| {
            let (inner, tail) = rest.strip_prefix(mark)?.split_once(mark)?;
            (!inner.is_empty() && inner.trim() == inner).then_some((inner, tail))
        };
        if let Some((code, tail)) = pair("`") {
            out.push_str(&format!("`{}`", escape(code)));
            rest = tail;
        } else if let Some((bold, tail)) = pair("**").or_else(|| pair("__")) {
            out.push_str(&format!("*{}*", escape(bold)));
            rest = tail;
        } else if let Some((gone, tail)) = pair("~~") {
            out.push_str(&format!("~{}~", escape(gone)));
            rest = tail;
        } else if let Some((label, url, tail)) = link(rest) {
            out.push_str(&format!("<{}|{}>", escape(url), escape(label)));
            rest = tail;
        } else {
            out.push_str(&escape(first.encode_utf8(&mut [0; 4])));
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

fn link(text: &str) -> Option<(&str, &str, &str)> {
    let (label, rest) = text.strip_prefix('[')?.split_once("](")?;
    let (url, tail) = rest.split_once(')')?;
    let fits = !label.is_empty()
        && !label.contains(['[', '|'])
        && !url.contains(['|', ' '])
        && (url.starts_with("https://") || url.starts_with("http://"));
    fits.then_some((label, url, tail))
}

/// Only these three mean something to Slack everywhere; a model's text pings nobody with them.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_read_as_they_wrote_it() {
        for (slack, written) in [
            ("if a &lt; b &amp;&amp; c &gt; d", "if a < b && c > d"),
            ("see <https://x.test/?a=1&amp;b=2>", "see https://x.test/?a=1&b=2"),
            ("<https://x.test|the page>", "[the page](https://x.test)"),
            ("<http://x.test|x.test> <mailto:a@x.test|a@x.test>", "x.test a@x.test"),
            ("<@U1> in <#C1|general>, <!here>", "<@U1> in #general, @here"),
            ("&amp;lt; stays, and a < b", "&lt; stays, and a < b"),
        ] {
            assert_eq!(plain(slack), written);
        }
    }

    #[test]
    fn what_models_write_is_shown_as_meant_and_pings_nobody() {
        for (markdown, expected) in [
            ("**bold** ~~gone~~ `a < b`", "*bold* ~gone~ `a &lt; b`"),
            ("# Title\n- one", "*Title*\n• one"),
            ("[a](https://x.y?a=1&b=2)", "<https://x.y?a=1&amp;b=2|a>"),
            ("```rust\nlet a: Vec<u8>;\n```", "```\nlet a: Vec&lt;u8&gt;;\n```"),
            ("<!channel> & <@U1>", "&lt;!channel&gt; &amp; &lt;@U1&gt;"),
            ("> said", "> said"),
            ("2 ** 3 ** 4", "2 ** 3 ** 4"),
        ] {
            assert_eq!(mrkdwn(markdown), expected, "{markdown}");
        }
    }
}
