//! A message in Slack's blocks.

use serde_json::{Value, json};

use super::table::{Part, aligned, parts};
use crate::slack::mrkdwn;
use crate::split::split;

/// The longest message, in UTF-16 units. Slack takes 50 blocks, and a letter may be written as five.
pub(super) const LONGEST: usize = 12_000;
/// The longest block.
const LONGEST_BLOCK: usize = 3000;

/// What is posted. `name` and `icon` may be empty.
pub(super) fn document(text: &str, name: &str, icon: &str) -> Value {
    let shown = parts(text).into_iter().map(|part| match part {
        Part::Text(text) => mrkdwn(&text),
        Part::Table(rows) => mrkdwn(&format!("```\n{}\n```", aligned(&rows))),
    });
    let block = |text| json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } });
    let shown = shown.collect::<Vec<_>>().join("\n");
    let blocks: Vec<Value> = split(&shown, LONGEST_BLOCK).into_iter().map(block).collect();
    let mut document = json!({ "blocks": blocks });
    for (key, value) in [("username", name), ("icon_emoji", icon)] {
        if !value.is_empty() {
            document[key] = json!(value);
        }
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_tables_become_blocks_that_slack_takes() {
        let text = format!("**Done** <!here>\n| a | b |\n|---|--|\n| 1 | 2 |\n{}", "word ".repeat(1000));
        let document = document(&text, "Pico", "");
        let blocks = document["blocks"].as_array().unwrap();
        let texts: Vec<&str> = blocks.iter().map(|block| block["text"]["text"].as_str().unwrap()).collect();
        let begin = "*Done* &lt;!here&gt;\n```\na | b\n--|--\n1 | 2\n```\nword ";
        assert!(texts[0].starts_with(begin), "{}", &texts[0][..60]);
        assert!(texts.len() == 2 && texts.iter().all(|text| text.len() <= 3000));
        assert_eq!((&document["username"], document.get("icon_emoji")), (&json!("Pico"), None));
    }
}
