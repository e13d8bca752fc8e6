//! The mark with which a model asks for several messages instead of one, where `split_on_marker` allows it.

use picoclaw::chat::courier::Outgoing;

/// The mark, without the spaces that models put into it.
pub const MARKER: &str = "<|[SPLIT]|>";

/// Whether a text begins with the mark.
enum Begins {
    No,
    /// It may, once more of it is there.
    Perhaps,
    /// It does, and the mark is this long.
    Yes(usize),
}

fn begins(text: &str) -> Begins {
    let mut rest = text;
    for (n, piece) in ["<|", "[", "SPLIT", "]", "|>"].iter().enumerate() {
        if n > 0 {
            rest = rest.trim_start();
        }
        match rest.strip_prefix(piece) {
            Some(after) => rest = after,
            None if piece.starts_with(rest) => return Begins::Perhaps,
            None => return Begins::No,
        }
    }
    Begins::Yes(text.len() - rest.len())
}

/// What stands before the first mark, and what after it.
pub(super) fn cut(text: &str) -> Option<(&str, &str)> {
    text.match_indices("<|").find_map(|(at, _)| match begins(&text[at..]) {
        Begins::Yes(length) => Some((&text[..at], &text[at + length..])),
        _ => None,
    })
}

/// The parts between the marks, but for blank ones. Without any the text is its own part.
pub(super) fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = cut(rest) {
        parts.push(before.trim());
        rest = after;
    }
    if rest.len() == text.len() {
        return vec![text];
    }
    parts.push(rest.trim());
    parts.retain(|part| !part.is_empty());
    if parts.is_empty() { vec![text] } else { parts }
}

/// A text that still grows, without what may become a mark at its end.
pub(super) fn settled(text: &str) -> &str {
    match text.rfind('<') {
        Some(at) if matches!(begins(&text[at..]), Begins::Perhaps) => &text[..at],
        _ => text,
    }
}

/// The part of a growing text that can be shown: the first one, without what is or may become a mark.
pub(super) fn visible(text: &str) -> &str {
    let mut rest = text;
    while let Some((before, after)) = cut(rest) {
        if !before.trim().is_empty() {
            return before.trim();
        }
        rest = after;
    }
    settled(rest).trim_start()
}

/// The text in one, for those who get one message only.
pub(super) fn together(text: &str) -> String {
    parts(text).join("\n\n")
}

/// The messages that a message stands for; its files go with the last one.
pub(super) fn messages(message: &Outgoing) -> Vec<Outgoing> {
    let mut messages: Vec<Outgoing> = parts(&message.text).into_iter().map(Outgoing::text).collect();
    if let Some(first) = messages.first_mut() {
        first.reply_to.clone_from(&message.reply_to);
    }
    if let Some(last) = messages.last_mut() {
        last.attachments.clone_from(&message.attachments);
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_at_marks_however_they_are_spaced() {
        assert_eq!(parts("one<|[SPLIT]|>two <| [ SPLIT ] |>\n three"), ["one", "two", "three"]);
        assert_eq!(parts("<|[SPLIT]|> one <|[SPLIT]|> <|[SPLIT]|>"), ["one"]);
        assert_eq!(parts(" as it is "), [" as it is "]);
        assert_eq!(parts("<|[SPLIT]|>"), ["<|[SPLIT]|>"]);
        assert_eq!(parts("a <|[SPILT]|> <|[SPLIT]| b"), ["a <|[SPILT]|> <|[SPLIT]| b"]);
        assert_eq!(parts("<|<|[SPLIT]|>b"), ["<|", "b"]);
        assert_eq!(together("one<|[SPLIT]|>two"), "one\n\ntwo");
    }

    #[test]
    fn a_growing_text_does_not_show_half_a_mark() {
        for end in ["<", "<|", "<| ", "<|[", "<|[SPL", "<|[SPLIT", "<|[SPLIT ]", "<|[SPLIT]|"] {
            assert_eq!(settled(&format!("text {end}")), "text ", "{end}");
        }
        assert_eq!(visible(" <|[SPLIT]|> one <|[SPLIT]|> "), "one");
        assert_eq!(visible("<|[SPLIT]|> one <|[SP"), "one ");
        for whole in ["text", "a < b", "a <b>", "a <|b", "a<|[SPLIT]|>"] {
            assert_eq!(settled(whole), whole);
        }
    }

    #[test]
    fn files_go_with_the_last_message_and_the_first_one_answers() {
        let file = picoclaw::chat::courier::Attachment {
            name: "a".into(),
            mime: "text/plain".into(),
            bytes: "x".into(),
        };
        let message = Outgoing {
            text: "one<|[SPLIT]|>two".into(),
            attachments: vec![file.clone()],
            reply_to: Some("7".into()),
        };
        let [first, last] = messages(&message).try_into().unwrap();
        assert_eq!(first, Outgoing { reply_to: Some("7".into()), ..Outgoing::text("one") });
        assert_eq!(last, Outgoing { attachments: vec![file], ..Outgoing::text("two") });
        assert_eq!(messages(&Outgoing::text("")), [Outgoing::text("")]);
    }
}
