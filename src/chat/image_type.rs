//! The formats of images that providers take, told by how a file begins.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// As much of a file says what it is.
const HEAD: usize = 12;

/// The media type of an image that begins like this, if it is one that every provider takes.
pub fn of(head: &[u8]) -> Option<&'static str> {
    match head {
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

/// The same of a file in base64.
pub fn of_base64(text: &str) -> Option<&'static str> {
    of(&STANDARD.decode(text.get(..HEAD / 3 * 4)?).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_known_by_their_first_bytes() {
        for (head, kind) in [
            (&b"\x89PNG\r\n\x1a\n1234"[..], Some("image/png")),
            (b"\xff\xd8\xff\xe012345678", Some("image/jpeg")),
            (b"GIF89a123456", Some("image/gif")),
            (b"RIFF1234WEBP", Some("image/webp")),
            (b"RIFF1234WAVE", None),
            (b"BM1234567890", None),
            (b"<svg></svg>1", None),
            (b"", None),
        ] {
            assert_eq!(of(head), kind);
            assert_eq!(of_base64(&STANDARD.encode(head)), kind);
        }
    }
}
