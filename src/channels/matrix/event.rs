//! What happens in rooms, as far as it is for the agent.

use serde_json::Value;

/// Something that somebody has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) sender: String,
    /// Without the mention that began it.
    pub(super) text: String,
    pub(super) mentioned: bool,
}

/// Reads an event of a room; `None` when nobody else has said anything by it.
pub(super) fn said(event: &Value, me: &str) -> Option<Said> {
    let (sender, content) = (event["sender"].as_str()?, &event["content"]);
    let is_message = event["type"] == "m.room.message"
        && matches!(content["msgtype"].as_str(), Some("m.text" | "m.emote"));
    // Somebody has changed what was said before, which is answered already.
    let is_change = content["m.relates_to"]["rel_type"] == "m.replace";
    if sender == me || !is_message || is_change {
        return None;
    }
    let mut text = without_quote(content["body"].as_str()?);
    let named = content["m.mentions"]["user_ids"].as_array().is_some_and(|ids| ids.iter().any(|id| id == me));
    let local = me.strip_prefix('@').and_then(|rest| rest.split(':').next()).unwrap_or(me);
    let mut mentioned = named || text.contains(me);
    for name in [me, local] {
        // As clients write it that turn a mention into text.
        let rest = text
            .get(..name.len())
            .filter(|begin| begin.eq_ignore_ascii_case(name))
            .map(|_| &text[name.len()..]);
        if let Some(rest) = rest.and_then(|rest| rest.strip_prefix([':', ','])) {
            text = rest.trim_start();
            mentioned = true;
            break;
        }
    }
    let text =
        if content["msgtype"] == "m.emote" { format!("* {sender} {text}") } else { text.trim().to_owned() };
    (!text.is_empty()).then(|| Said { sender: sender.to_owned(), text, mentioned })
}

/// An answer without the quote of what it answers, which older clients put before it.
fn without_quote(body: &str) -> &str {
    if !body.starts_with("> <") {
        return body;
    }
    body.split_once("\n\n").map_or(body, |(_, answer)| answer)
}

/// Whether an event is one that only the devices of people can read.
pub(super) fn is_encrypted(event: &Value) -> bool {
    event["type"] == "m.room.encrypted"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(content: &Value) -> Option<Said> {
        let event = json!({ "type": "m.room.message", "sender": "@ann:x", "content": content });
        said(&event, "@pico:x")
    }

    #[test]
    fn mentions_are_found_however_clients_write_them() {
        let said = |body: &str, mentions: Value| {
            let said = text(&json!({ "msgtype": "m.text", "body": body, "m.mentions": mentions })).unwrap();
            (said.text, said.mentioned)
        };
        let me = json!({ "user_ids": ["@pico:x"] });
        assert_eq!(said("hello", json!({})), ("hello".into(), false));
        assert_eq!(said("Pico: hello", json!({})), ("hello".into(), true));
        assert_eq!(said("@pico:x: hello", me.clone()), ("hello".into(), true));
        assert_eq!(said("hello Pico", me), ("hello Pico".into(), true));
        assert_eq!(said("> <@pico:x> before\n\nand now?", json!({})), ("and now?".into(), false));
        assert_eq!(said("picoclaw: x", json!({})), ("picoclaw: x".into(), false));
    }

    #[test]
    fn own_words_changes_and_pictures_are_left_alone() {
        let own = json!({ "type": "m.room.message", "sender": "@pico:x", "content": { "msgtype": "m.text", "body": "x" } });
        assert_eq!(said(&own, "@pico:x"), None);
        let change =
            json!({ "msgtype": "m.text", "body": "* x", "m.relates_to": { "rel_type": "m.replace" } });
        assert_eq!(text(&change), None);
        assert_eq!(text(&json!({ "msgtype": "m.notice", "body": "x" })), None);
        assert_eq!(text(&json!({ "msgtype": "m.text", "body": " " })), None);
        assert_eq!(text(&json!({})), None);
        assert!(is_encrypted(&json!({ "type": "m.room.encrypted" })));
    }
}
