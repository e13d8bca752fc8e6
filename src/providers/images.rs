//! Images that belong to a message.

use serde_json::Value;

use crate::chat::Message;

/// An image as a message holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Image<'a> {
    /// The image itself, in base64.
    Data {
        /// `image/png`, ...
        media_type: &'a str,
        base64: &'a str,
    },
    /// Where it is.
    Url(&'a str),
}

/// The images of a message, in order. What is neither a `data:` URL of an image nor one of the web is left out: no
/// provider could look at it.
pub(super) fn of(message: &Message) -> impl Iterator<Item = Image<'_>> {
    message.media().iter().filter_map(Value::as_str).filter_map(read)
}

fn read(url: &str) -> Option<Image<'_>> {
    if url.starts_with("https://") || url.starts_with("http://") {
        return Some(Image::Url(url));
    }
    let (head, base64) = url.strip_prefix("data:")?.split_once(',')?;
    let media_type = head.strip_suffix(";base64")?;
    media_type.starts_with("image/").then_some(Image::Data { media_type, base64 })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::chat::Role;

    #[test]
    fn only_images_that_a_provider_can_see_count() {
        let mut message = Message::new(Role::User, "look");
        assert_eq!(of(&message).count(), 0);
        message.other.insert(
            crate::chat::MEDIA.into(),
            json!(["data:image/png;base64,AAAA", "https://x/y.jpg", "media://1", "data:text/plain,x", 7]),
        );
        let expected =
            [Image::Data { media_type: "image/png", base64: "AAAA" }, Image::Url("https://x/y.jpg")];
        assert_eq!(of(&message).collect::<Vec<_>>(), expected);
    }
}
