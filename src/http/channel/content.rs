//! The `content` of a message that comes in parts: texts and images.

use serde_json::{Map, Value};

use super::request::Defect;
use crate::chat::Role;
use crate::chat::image_type;
use crate::media::picture::{MOST, Picture};
use crate::quote::quote;

/// The longest address of an image, in bytes.
const LONGEST_ADDRESS: usize = 8192;

/// What the parts of a message say.
#[derive(Default)]
pub(super) struct Content {
    /// Their texts, one below the other.
    pub(super) text: String,
    /// `data:` URLs and addresses.
    pub(super) images: Vec<String>,
}

impl Content {
    /// Reads the parts of the message at this place.
    pub(super) fn read(parts: Vec<Value>, role: Role, at: &str) -> Result<Self, Defect> {
        let mut content = Self::default();
        let mut texts = 0;
        for (index, part) in parts.into_iter().enumerate() {
            let at = format!("{at}[{index}]");
            let Value::Object(mut part) = part else {
                return Err(Defect::at(at, "must be an object"));
            };
            match part_kind(&mut part, &at)? {
                Part::Text(field) => {
                    let text = part_text(&mut part, field, &at)?;
                    content.text.push_str(if texts > 0 { "\n" } else { "" });
                    content.text.push_str(&text);
                    texts += 1;
                }
                Part::Image if role == Role::User => content.images.push(image(part, &at)?),
                Part::Image => {
                    return Err(Defect::at(format!("{at}.type"), "only messages of the user hold images"));
                }
            }
        }
        if content.images.len() > MOST {
            return Err(Defect::at(at, format_args!("has more than {MOST} images")));
        }
        Ok(content)
    }
}

enum Part {
    /// A text in this field.
    Text(&'static str),
    Image,
}

fn part_kind(part: &mut Map<String, Value>, at: &str) -> Result<Part, Defect> {
    let kind = part.remove("type");
    match kind.as_ref().and_then(Value::as_str) {
        Some("text" | "input_text" | "output_text") => Ok(Part::Text("text")),
        Some("refusal") => Ok(Part::Text("refusal")),
        Some("image_url" | "input_image") => Ok(Part::Image),
        Some(kind @ ("input_audio" | "audio" | "file" | "input_file")) => {
            let what = format_args!("{kind} parts are not supported: the gateway takes text and images");
            Err(Defect::unsupported(format!("{at}.type"), what))
        }
        Some(kind) => Err(Defect::at(
            format!("{at}.type"),
            format_args!("{} is no kind of part: use text or image_url", quote(kind)),
        )),
        None => Err(Defect::at(format!("{at}.type"), "is missing or not a string")),
    }
}

fn part_text(part: &mut Map<String, Value>, field: &str, at: &str) -> Result<String, Defect> {
    match part.remove(field) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(Defect::at(format!("{at}.{field}"), "is missing or not a string")),
    }
}

/// The address of an image: `"image_url": {"url": ...}`, or the address itself as some clients write it.
fn image(mut part: Map<String, Value>, at: &str) -> Result<String, Defect> {
    let (at, url) = match part.remove("image_url") {
        Some(Value::Object(mut fields)) => (format!("{at}.image_url.url"), fields.remove("url")),
        other => (format!("{at}.image_url"), other),
    };
    let Some(Value::String(url)) = url else {
        return Err(Defect::at(at, "is missing or not a string"));
    };
    if url.starts_with("https://") || url.starts_with("http://") {
        return match url.len() {
            ..=LONGEST_ADDRESS => Ok(url),
            _ => Err(Defect::at(at, format_args!("must have at most {LONGEST_ADDRESS} bytes"))),
        };
    }
    if !url.starts_with("data:") {
        return Err(Defect::at(at, "must be a data: URL with the image in base64, or an https address"));
    }
    let picture = Picture::read(1, &url).map_err(|problem| Defect::at(&at, problem))?;
    if image_type::of(&picture.bytes).is_none() {
        return Err(Defect::at(at, "is no png, jpeg, gif or webp image"));
    }
    Ok(url)
}
