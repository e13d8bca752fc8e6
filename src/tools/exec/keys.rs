//! Keys by their names, as a terminal sends them.

/// The bytes of keys that are written one after the other: `ctrl-c`, `up,up,enter`, `C-c`, `q`.
///
/// # Errors
/// The first word that names no key.
pub(super) fn bytes<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let words = names.into_iter().flat_map(|name| name.split([',', ' ']));
    for word in words.map(str::trim).filter(|word| !word.is_empty()) {
        bytes.extend_from_slice(&key(word).ok_or_else(|| word.to_owned())?);
    }
    Ok(bytes)
}

fn key(name: &str) -> Option<Vec<u8>> {
    let lower = name.to_ascii_lowercase();
    let sequence = match lower.as_str() {
        "enter" | "return" => "\r",
        "tab" => "\t",
        "space" => " ",
        "comma" => ",",
        "escape" | "esc" => "\x1b",
        "backspace" | "bspace" => "\x7f",
        "delete" | "dc" => "\x1b[3~",
        "insert" | "ic" => "\x1b[2~",
        "up" => "\x1b[A",
        "down" => "\x1b[B",
        "right" => "\x1b[C",
        "left" => "\x1b[D",
        "home" => "\x1b[H",
        "end" => "\x1b[F",
        "pageup" | "ppage" => "\x1b[5~",
        "pagedown" | "npage" => "\x1b[6~",
        "btab" | "shift-tab" => "\x1b[Z",
        "f1" => "\x1bOP",
        "f2" => "\x1bOQ",
        "f3" => "\x1bOR",
        "f4" => "\x1bOS",
        "f5" => "\x1b[15~",
        "f6" => "\x1b[17~",
        "f7" => "\x1b[18~",
        "f8" => "\x1b[19~",
        "f9" => "\x1b[20~",
        "f10" => "\x1b[21~",
        "f11" => "\x1b[23~",
        "f12" => "\x1b[24~",
        _ => return combined(name, &lower),
    };
    Some(sequence.into())
}

/// A letter with Control or Alt, or a character by itself.
fn combined(name: &str, lower: &str) -> Option<Vec<u8>> {
    let control = ["ctrl-", "ctrl+", "c-", "^"].iter().find_map(|prefix| lower.strip_prefix(prefix));
    if let Some([letter @ (b'a'..=b'z' | b'[' | b'\\' | b']')]) = control.map(str::as_bytes) {
        return Some(vec![letter & 0x1f]);
    }
    let alt = ["alt-", "alt+", "m-"].iter().find(|prefix| lower.starts_with(**prefix));
    let rest = alt.map_or(name, |prefix| &name[prefix.len()..]);
    let one = rest.chars().count() == 1;
    one.then(|| [if alt.is_some() { "\x1b" } else { "" }, rest].concat().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_by_their_usual_names() {
        for (names, expected) in [
            ("ctrl-c", "\x03"),
            ("C-d", "\x04"),
            ("^[", "\x1b"),
            ("up, Enter", "\x1b[A\r"),
            ("y enter", "y\r"),
            ("Q", "Q"),
            ("alt-x", "\x1bx"),
            ("M-X", "\x1bX"),
            ("é", "é"),
            ("", ""),
        ] {
            assert_eq!(bytes([names]), Ok(expected.as_bytes().to_vec()), "{names}");
        }
        assert_eq!(bytes(["q", "hyper-x"]), Err("hyper-x".to_owned()));
    }
}
