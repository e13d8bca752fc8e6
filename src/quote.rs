//! Texts of others in messages of our own.

/// Most characters of a text that are repeated to whoever sent it.
const LONGEST: usize = 60;

/// The beginning of a text, in quotes and with control characters escaped, for a message that names what is wrong.
pub fn quote(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}... ({} bytes)", &text[..end], text.len()),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_texts_are_whole_and_long_ones_cut() {
        assert_eq!(quote("a\n"), r#""a\n""#);
        assert_eq!(quote(&"é".repeat(60)), format!("{:?}", "é".repeat(60)));
        assert_eq!(quote(&"é".repeat(61)), format!("{:?}... (122 bytes)", "é".repeat(60)));
    }
}
