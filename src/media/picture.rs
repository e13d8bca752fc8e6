//! Images inside messages, as `data:` URLs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

/// The largest image of a message, in bytes.
pub const LARGEST: usize = 20 << 20;
/// Images in one message.
pub const MOST: usize = 16;
/// Images that weigh more than this together, as `data:` URLs, are in the session by their paths only. Pages show the
/// images of a session that are in it.
const MOST_INLINE: usize = 4 << 20;

/// The images that clients may send, with the ends of their names.
const TYPES: [(&str, &str); 6] = [
    ("image/jpeg", "jpg"),
    ("image/jpg", "jpg"),
    ("image/png", "png"),
    ("image/gif", "gif"),
    ("image/webp", "webp"),
    ("image/bmp", "bmp"),
];

/// An image that came inside a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// What it is called: it came without a name.
    pub name: String,
    /// The image itself.
    pub bytes: Bytes,
    /// As it came.
    pub url: String,
}

impl Picture {
    /// The `n`-th image of a message, out of a `data:` URL.
    ///
    /// # Errors
    /// What is wrong with it, for the client.
    pub fn read(n: usize, url: &str) -> Result<Self, String> {
        let unsupported = || "only data URLs of jpeg, png, gif, webp and bmp images are taken".to_owned();
        let rest = url.strip_prefix("data:").ok_or_else(unsupported)?;
        let (mime, data) = rest.split_once(";base64,").ok_or_else(unsupported)?;
        let mime = mime.split(';').next().unwrap_or_default().to_ascii_lowercase();
        let (_, end) = TYPES.iter().find(|(known, _)| *known == mime).ok_or_else(unsupported)?;
        if data.len() / 4 * 3 > LARGEST + 3 {
            return Err(format!("an image is larger than {} MB", LARGEST >> 20));
        }
        let bytes = STANDARD.decode(data.trim()).map_err(|_| "an image is not valid base64".to_owned())?;
        Ok(Self { name: format!("image-{n}.{end}"), bytes: bytes.into(), url: url.to_owned() })
    }
}

/// Whether a file of this media type is an image that a browser shows.
pub fn is_shown(mime: &str) -> bool {
    TYPES.iter().any(|(known, _)| *known == mime)
}

/// Whether images of these lengths, as `data:` URLs, are kept in the session itself.
pub fn fit_inline(lengths: impl Iterator<Item = usize>) -> bool {
    lengths.sum::<usize>() <= MOST_INLINE
}
