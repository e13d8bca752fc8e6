//! How a message becomes lines.

/// The most bytes of a line's text: of the 512 that a line may have, others see the sender and the command, too.
const LONGEST: usize = 400;

/// The lines of a text, each short enough, without blank ones and the fences of code.
pub(super) fn lines(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim_end).filter(|line| {
        let line = line.trim_start();
        !line.is_empty() && !line.starts_with("```")
    });
    lines.flat_map(cut).collect()
}

/// Pieces of a line, cut between words where it can be.
fn cut(line: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut rest = line;
    while rest.len() > LONGEST {
        let most = rest.floor_char_boundary(LONGEST);
        let end = rest[..most].rfind(' ').filter(|at| *at > most / 2).unwrap_or(most);
        pieces.push(rest[..end].trim_end().to_owned());
        rest = rest[end..].trim_start();
    }
    pieces.push(rest.to_owned());
    pieces
}

/// The text without what would end the line, or begin a command of the client's own.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if matches!(c, '\r' | '\n' | '\0' | '\u{1}') { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_short_lines() {
        assert_eq!(lines("one\n\n  two \r\n```rust\nlet x;\n```"), ["one", "  two", "let x;"]);
        let long = lines(&"wörd ".repeat(200));
        assert!(long.len() == 4 && long.iter().all(|line| line.len() <= LONGEST && line.ends_with("wörd")));
        assert_eq!(lines(&"é".repeat(300)).concat(), "é".repeat(300));
        assert!(lines(" \n").is_empty());
        assert_eq!(clean("a\r\nQUIT\u{1}"), "a  QUIT ");
    }
}
