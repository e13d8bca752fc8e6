//! Text within JSON strings.

/// Whether a byte cannot stand in a JSON string as it is, or may begin a character that should not: U+2028 and U+2029 are
/// ends of lines to some readers.
fn is_special(byte: u8) -> bool {
    byte < 0x20 || matches!(byte, b'"' | b'\\' | 0x7f | 0xe2)
}

/// The most bytes that one byte of text becomes.
pub(super) const GROWTH: usize = 6;

/// Appends text, escaped.
pub(super) fn push(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut clean_from = 0;
    let mut at = plain_blocks(bytes);
    while at < bytes.len() {
        let byte = bytes[at];
        if !is_special(byte) {
            at += 1;
            continue;
        }
        let (length, escaped): (usize, &[u8]) = match byte {
            b'"' => (1, b"\\\""),
            b'\\' => (1, b"\\\\"),
            b'\n' => (1, b"\\n"),
            b'\r' => (1, b"\\r"),
            b'\t' => (1, b"\\t"),
            0xe2 => match bytes.get(at..at + 3) {
                Some([_, 0x80, 0xa8]) => (3, b"\\u2028"),
                Some([_, 0x80, 0xa9]) => (3, b"\\u2029"),
                _ => {
                    at += 1;
                    continue;
                }
            },
            _ => {
                out.extend_from_slice(&bytes[clean_from..at]);
                let hex = |n: u8| b"0123456789abcdef"[usize::from(n & 15)];
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte)]);
                at += 1;
                clean_from = at;
                continue;
            }
        };
        out.extend_from_slice(&bytes[clean_from..at]);
        out.extend_from_slice(escaped);
        at += length;
        clean_from = at;
    }
    out.extend_from_slice(&bytes[clean_from..]);
}

/// How many bytes at the beginning stand in blocks without special ones: most texts have none, and blocks are compared at
/// once.
fn plain_blocks(bytes: &[u8]) -> usize {
    const BLOCK: usize = 16;
    let plain = |block: &&[u8]| !block.iter().fold(false, |any, byte| any | is_special(*byte));
    bytes.chunks_exact(BLOCK).take_while(plain).count() * BLOCK
}

/// The longest beginning of a text that takes at most `room` bytes when escaped.
pub(super) fn fitting(text: &str, room: usize) -> &str {
    if text.len() * GROWTH <= room {
        return text;
    }
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += match c {
            '"' | '\\' | '\n' | '\r' | '\t' => 2,
            '\u{2028}' | '\u{2029}' => 6,
            c if c.is_ascii_control() => 6,
            c => c.len_utf8(),
        };
        if used > room {
            return &text[..at];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn escaped(text: &str) -> String {
        let mut out = Vec::new();
        push(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn specials_are_escaped() {
        assert_eq!(escaped("a\"b\\c\n\r\t\u{1}\u{7f}"), r#"a\"b\\c\n\r\t\u0001\u007f"#);
        assert_eq!(escaped("\u{2028}x\u{2029}…é"), "\\u2028x\\u2029…é");
    }

    proptest! {
        #[test]
        fn a_parser_reads_the_text_back(text in any::<String>()) {
            let quoted = format!("\"{}\"", escaped(&text));
            prop_assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), text);
            let ends = quoted.contains(['\u{2028}', '\u{2029}', '\n']);
            prop_assert!(!ends);
        }

        #[test]
        fn what_fits_is_the_longest_beginning_that_does(text in "[a\"\n\u{1}é\u{2028}]{0,40}", room in 0usize..80) {
            let cut = fitting(&text, room);
            prop_assert!(text.starts_with(cut));
            prop_assert!(escaped(cut).len() <= room);
            if let Some(next) = text[cut.len()..].chars().next() {
                let longer = escaped(&[cut, &next.to_string()].concat());
                prop_assert!(longer.len() > room);
            }
        }
    }
}
