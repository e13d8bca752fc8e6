//! Text within JSON strings.

/// Whether a byte cannot stand in a JSON string as it is, or may begin a character that should not: U+2028 and U+2029 are
/// ends of lines to some readers.
const fn is_special(byte: u8) -> bool {
    byte < 0x20 || matches!(byte, b'"' | b'\\' | 0x7f | 0xe2)
}

/// The most bytes that one byte of text becomes.
pub const GROWTH: usize = 6;

/// Appends text as it stands between the quotes of a JSON string.
pub fn push(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    loop {
        let (plain, special) = rest.split_at(plain_length(rest));
        out.extend_from_slice(plain);
        let Some(byte) = special.first() else { return };
        let mut length = 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0xe2 => match special {
                [_, 0x80, 0xa8, ..] => {
                    out.extend_from_slice(b"\\u2028");
                    length = 3;
                }
                [_, 0x80, 0xa9, ..] => {
                    out.extend_from_slice(b"\\u2029");
                    length = 3;
                }
                _ => out.push(0xe2),
            },
            byte => {
                let hex = |n: u8| b"0123456789abcdef"[usize::from(n & 15)];
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(*byte)]);
            }
        }
        rest = &special[length..];
    }
}

/// How many bytes at the beginning can stand as they are. Most texts are plain from one end to the other, so eight bytes
/// are looked at at once; the last eight overlap those before.
fn plain_length(bytes: &[u8]) -> usize {
    let words = bytes.as_chunks().0;
    let plain = words.iter().take_while(|word| !has_special(**word)).count();
    if plain == words.len() && end(bytes).is_some_and(|end| !has_special(end)) {
        return bytes.len();
    }
    let plain = plain * 8;
    plain + bytes[plain..].iter().take_while(|byte| !is_special(**byte)).count()
}

/// The last eight bytes; of four to seven the first four and the last four.
fn end(bytes: &[u8]) -> Option<[u8; 8]> {
    if let Some(end) = bytes.last_chunk() {
        return Some(*end);
    }
    let (&[a, b, c, d], &[w, x, y, z]) = (bytes.first_chunk()?, bytes.last_chunk()?);
    Some([a, b, c, d, w, x, y, z])
}

/// Whether any of eight bytes is special.
const fn has_special(bytes: [u8; 8]) -> bool {
    const fn each(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; 8])
    }
    // A byte less than n borrows from its highest bit when n is subtracted, and had none before.
    const fn less(word: u64, n: u8) -> u64 {
        word.wrapping_sub(each(n)) & !word & each(0x80)
    }
    const fn equal(word: u64, byte: u8) -> u64 {
        less(word ^ each(byte), 1)
    }
    let word = u64::from_ne_bytes(bytes);
    let controls = less(word, 0x20) | equal(word, 0x7f);
    (controls | equal(word, b'"') | equal(word, b'\\') | equal(word, 0xe2)) != 0
}

/// The longest beginning of a text that takes at most `room` bytes when escaped.
pub fn fitting(text: &str, room: usize) -> &str {
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

    #[test]
    fn eight_bytes_are_looked_at_at_once() {
        for byte in 0..=u8::MAX {
            for at in 0..8 {
                let mut word = [b'x'; 8];
                word[at] = byte;
                assert_eq!(has_special(word), is_special(byte), "{byte:#x} at {at}");
            }
        }
        assert!(!has_special([0xff, 0x80, 0x21, b'!', b'#', b'[', b']', 0x7e]));
    }

    #[test]
    fn what_is_special_is_found_wherever_it_stands() {
        for length in 0..70 {
            for at in 0..length {
                let mut text = "x".repeat(length);
                text.replace_range(at..=at, "\"");
                assert_eq!(escaped(&text), text.replace('"', "\\\""), "at {at} of {length}");
            }
        }
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
