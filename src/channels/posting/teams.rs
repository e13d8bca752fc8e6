//! A message as an Adaptive Card, which workflows of Teams post into a channel.

use serde_json::{Value, json};

use super::table::{Part, parts, plain};

/// The longest message, in UTF-16 units: a request may have 28 KB, and a unit may take three bytes.
pub(super) const LONGEST: usize = 7000;
/// The largest request, in bytes.
const LARGEST: usize = 28_000;
/// The heading, unless the target has one of its own.
const TITLE: &str = "PicoClaw Notification";

/// What is posted. Every cell of a table takes some eighty bytes besides its text; a large table is shown as text.
pub(super) fn document(text: &str, title: &str) -> Value {
    let whole = card(text, title, table);
    if whole.to_string().len() <= LARGEST {
        return whole;
    }
    let lines = |rows: &[Vec<String>]| json!({ "type": "TextBlock", "text": plain(rows), "wrap": true, "fontType": "Monospace" });
    card(text, title, lines)
}

fn card(text: &str, title: &str, table: impl Fn(&[Vec<String>]) -> Value) -> Value {
    let title = if title.trim().is_empty() { TITLE } else { title };
    let mut body = vec![json!({
        "type": "TextBlock", "text": title, "wrap": true, "size": "Large", "weight": "Bolder", "style": "heading",
    })];
    body.extend(parts(text).into_iter().map(|part| match part {
        Part::Text(text) => json!({ "type": "TextBlock", "text": without_headings(&text), "wrap": true }),
        Part::Table(rows) => table(&rows),
    }));
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.5",
        "msteams": { "width": "Full" },
        "body": body,
    });
    let kind = "application/vnd.microsoft.card.adaptive";
    json!({ "type": "message", "attachments": [{ "contentType": kind, "contentUrl": null, "content": card }] })
}

fn table(rows: &[Vec<String>]) -> Value {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| rows[0].get(column).map_or(1, |cell| cell.chars().count().max(1));
    let cell = |text: &str| json!({ "type": "TableCell", "items": [{ "type": "TextBlock", "text": text, "wrap": true }] });
    let row = |row: &Vec<String>| {
        let cells: Vec<Value> =
            (0..columns).map(|column| cell(row.get(column).map_or("", String::as_str))).collect();
        json!({ "type": "TableRow", "cells": cells })
    };
    json!({
        "type": "Table",
        "firstRowAsHeaders": true,
        "showGridLines": true,
        "columns": (0..columns).map(|column| json!({ "width": width(column) })).collect::<Vec<_>>(),
        "rows": rows.iter().map(row).collect::<Vec<_>>(),
    })
}

/// Cards know bold text and lists, and no headings.
fn without_headings(text: &str) -> String {
    let line = |line: &str| {
        let hashes = line.chars().take_while(|c| *c == '#').count();
        match line[hashes..].strip_prefix(' ') {
            Some(title) if (1..=6).contains(&hashes) => format!("**{}**", title.replace("**", "").trim()),
            _ => line.to_owned(),
        }
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_has_a_heading_text_and_tables() {
        let document = document("# Result\nall **good**\n| name | n |\n|--|--|\n| a | 1 |", "");
        let card = &document["attachments"][0]["content"];
        assert_eq!(document["attachments"][0]["contentType"], "application/vnd.microsoft.card.adaptive");
        assert_eq!(card["body"][0]["text"], TITLE);
        assert_eq!(card["body"][1]["text"], "**Result**\nall **good**");
        let table = &card["body"][2];
        assert_eq!(table["columns"], json!([{ "width": 4 }, { "width": 1 }]));
        assert_eq!(table["rows"][1]["cells"][0]["items"][0]["text"], "a");
        assert_eq!(super::document("x", "Mine")["attachments"][0]["content"]["body"][0]["text"], "Mine");
    }

    #[test]
    fn a_table_of_many_cells_still_fits() {
        let text =
            format!("| a | b | c | d | e |\n|--|--|--|--|--|\n{}", "| 1 | 2 | 3 | 4 | 5 |\n".repeat(200));
        let document = document(&text, "");
        assert!(text.len() < LONGEST && document.to_string().len() <= LARGEST);
        let rows = document["attachments"][0]["content"]["body"][1]["text"].as_str().unwrap();
        assert!(rows.starts_with("a | b | c | d | e\n1 | 2"), "{rows}");
    }
}
