//! Cuts long texts where a reader would.

/// What opens and closes a block of code.
const FENCE: &str = "```";
/// Room for the fence that closes a block of code at a cut.
const FENCE_ROOM: usize = 4;

/// The text in pieces of at most `most` UTF-16 units, which is what networks count in, cut at the end of a paragraph, of
/// a line, of a sentence or of a word if one is in the latter half of the piece. A block of code that is cut is closed
/// and opened again.
///
/// # Panics
/// When `most` is too small for a fence and a character.
pub(super) fn split(text: &str, most: usize) -> Vec<String> {
    assert!(most > 64, "a piece has room for more than its fences");
    let mut pieces = Vec::new();
    let mut rest = text.trim_end();
    // The line that opened the block of code in which the rest begins.
    let mut open: Option<String> = None;
    while !rest.is_empty() {
        let mut piece = open.as_ref().map(|fence| format!("{fence}\n")).unwrap_or_default();
        let room = most - units(&piece) - FENCE_ROOM;
        let end = if units(rest) <= room { rest.len() } else { cut(rest, room) };
        let (head, tail) = rest.split_at(end);
        piece.push_str(head.trim_end());
        open = fence_open_at_end(&piece);
        if open.is_some() && !tail.is_empty() {
            piece.push('\n');
            piece.push_str(FENCE);
        }
        pieces.push(piece);
        // Leading spaces mean something in code, line ends do not.
        rest = if open.is_some() { tail.strip_prefix('\n').unwrap_or(tail) } else { tail.trim_start() };
    }
    pieces
}

fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// Where to cut a text that is longer than `room`.
fn cut(text: &str, room: usize) -> usize {
    let mut end = 0;
    let mut taken = 0;
    for (at, c) in text.char_indices() {
        taken += c.len_utf16();
        if taken > room {
            break;
        }
        end = at + c.len_utf8();
    }
    let head = &text[..end];
    let after = |mark: &str| head.rfind(mark).map(|at| at + mark.len()).filter(|at| *at > end / 2);
    ["\n\n", "\n", ". ", "! ", "? ", " "].iter().find_map(|mark| after(mark)).unwrap_or(end)
}

/// The line that opens the block of code which is still open at the end of the text; not the whole of a long one.
fn fence_open_at_end(text: &str) -> Option<String> {
    let mut open = None;
    for line in text.lines().filter(|line| line.trim_start().starts_with(FENCE)) {
        open = if open.is_some() { None } else { Some(line.trim_start().chars().take(24).collect()) };
    }
    open
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cuts_are_where_a_reader_would_make_them() {
        let paragraph = format!("{}.\n\n{}", "a".repeat(60), "b".repeat(30));
        assert_eq!(split(&paragraph, 80), [format!("{}.", "a".repeat(60)), "b".repeat(30)]);
        let words = "word ".repeat(30);
        let pieces = split(&words, 80);
        assert!(pieces.iter().all(|piece| piece.ends_with("word") && piece.len() <= 80), "{pieces:?}");
        assert_eq!(split("short", 80), ["short"]);
        assert!(split(" \n", 80).is_empty());
        assert_eq!(split(&"x".repeat(100), 80), ["x".repeat(76), "x".repeat(24)]);
    }

    #[test]
    fn code_that_is_cut_stays_code() {
        let code = format!("See:\n```rust\n{}```\nDone.", "let x = 1;\n".repeat(12));
        let pieces = split(&code, 100);
        assert!(pieces.len() > 1);
        for piece in &pieces {
            assert_eq!(piece.matches(FENCE).count() % 2, 0, "{piece}");
            assert!(units(piece) <= 100);
        }
        assert!(pieces[1].starts_with("```rust\nlet x"), "{}", pieces[1]);
        assert_eq!(pieces.concat().matches("let x = 1;").count(), 12);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_every_piece_fits(text in "(\\PC|[ \n]|```\n|🦀){0,400}") {
            let pieces = split(&text, 70);
            let solid = |text: &str| text.chars().filter(|c| !c.is_whitespace() && *c != '`').collect::<String>();
            for piece in &pieces {
                prop_assert!(units(piece) <= 70, "{} units: {piece:?}", units(piece));
                prop_assert!(!piece.trim().is_empty());
            }
            if !text.contains("```") {
                prop_assert_eq!(solid(&pieces.concat()), solid(&text));
            }
        }
    }
}
