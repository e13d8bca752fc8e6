//! The images of a conversation, as models see them.
//!
//! A session keeps where an image is: a path below the workspace, an address, or the image itself as a `data:` URL. For a
//! request files become `data:` URLs. What cannot be shown is said in the text: a turn does not fail for an image that is
//! gone.

mod file;

use std::fmt::Write;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use picoclaw_telemetry::words::ImageOutcome;
use serde_json::Value;

use self::file::read;
use super::models::{Candidate, Models};
use crate::chat::image_type;
use crate::chat::{MEDIA, Message};

/// Most images in a request: the newest.
const MOST: usize = 16;
/// What they may weigh together, in bytes, unless there is only one.
const MOST_BYTES: u64 = 32 << 20;

/// How models see images.
#[derive(Clone, Debug)]
pub struct Pictures {
    /// The directory that paths of images are relative to.
    pub workspace: PathBuf,
    /// The workspace of an agent that has one of its own: what its tools load lies there.
    pub own: Option<PathBuf>,
    /// The largest image in bytes.
    pub largest: u64,
    /// The configured names of the models that answer messages with images, in the order in which they are tried. Without
    /// any, the usual ones do.
    pub models: Vec<String>,
}

/// Whether images belong to the message.
pub(super) fn has_any(message: &Message) -> bool {
    !message.media().is_empty()
}

impl Pictures {
    /// The workspace of the agent.
    pub(super) fn home(&self) -> &Path {
        self.own.as_deref().unwrap_or(&self.workspace)
    }

    /// Who is asked about images, if there is somebody special.
    pub(super) fn candidates(&self, models: &Models) -> Option<Vec<Arc<Candidate>>> {
        let mut all: Vec<Arc<Candidate>> = Vec::new();
        for candidate in self.models.iter().filter_map(|name| models.candidates(Some(name))).flatten() {
            if all.iter().all(|known| !Arc::ptr_eq(known, &candidate)) {
                all.push(candidate);
            }
        }
        (!all.is_empty()).then_some(all)
    }

    /// Finds the images of a conversation; with `sees` they are shown.
    pub(super) async fn show(&self, messages: &[&Message], sees: bool) -> Shown {
        let mut wanted: Vec<(usize, Vec<Want>)> = Vec::new();
        for (at, message) in messages.iter().enumerate().rev().filter(|(_, message)| has_any(message)) {
            let wants =
                message.media().iter().map(|image| if sees { self.want(image) } else { Want::Withheld });
            wanted.push((at, wants.collect()));
        }
        let is_file = |want: &Want| matches!(want, Want::File(_));
        let found = if wanted.iter().flat_map(|(_, wants)| wants).any(is_file) {
            let largest = self.largest;
            let find = tokio::task::spawn_blocking(move || find(wanted, largest));
            // Without the images the text can still be answered.
            find.await.unwrap_or_default()
        } else {
            find(wanted, self.largest)
        };
        Shown::new(messages, found)
    }

    fn want(&self, image: &Value) -> Want {
        let text = image.as_str().unwrap_or_default();
        if text.starts_with("https://") || text.starts_with("http://") {
            return Want::Address;
        }
        if let Some((_, base64)) = text.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,")) {
            let known = image_type::of_base64(base64);
            return known.map_or(Want::Strange, |kind| Want::Data {
                bytes: base64.len() as u64 / 4 * 3,
                right: text.starts_with(&format!("data:{kind};")),
                kind,
            });
        }
        let path = Path::new(text);
        let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
        if inside && !text.is_empty() && !text.contains(':') {
            Want::File(self.own.iter().chain([&self.workspace]).map(|at| at.join(path)).collect())
        } else {
            Want::Gone
        }
    }
}

/// An image of a message.
enum Want {
    Address,
    Data {
        bytes: u64,
        kind: &'static str,
        /// Whether it says of itself what it is.
        right: bool,
    },
    /// The first of these that is there.
    File(Vec<PathBuf>),
    /// A reference that only the program understood that wrote it.
    Gone,
    Strange,
    Withheld,
}

/// What became of it.
enum Found {
    /// It goes as it is.
    AsItIs,
    /// It goes as this `data:` URL.
    Url(String),
    /// It goes, but as what it is.
    Retyped(&'static str),
    Not(ImageOutcome),
}

/// The first of several places where there is something.
fn first(paths: &[PathBuf], largest: u64) -> Result<(String, u64), ImageOutcome> {
    let mut found = Err(ImageOutcome::Missing);
    for path in paths {
        found = read(path, largest);
        if !matches!(found, Err(ImageOutcome::Missing)) {
            break;
        }
    }
    found
}

type Finds = Vec<(usize, Vec<Found>)>;

/// The newest ones first.
fn find(wanted: Vec<(usize, Vec<Want>)>, largest: u64) -> Finds {
    let (mut images, mut bytes) = (0, 0);
    let mut one = |want: Want| {
        let full = |more: u64| images >= MOST || (images > 0 && bytes + more > MOST_BYTES);
        let (found, size) = match want {
            Want::Withheld => return Found::Not(ImageOutcome::Withheld),
            Want::Gone => return Found::Not(ImageOutcome::Missing),
            Want::Strange => return Found::Not(ImageOutcome::Unsupported),
            _ if full(0) => return Found::Not(ImageOutcome::Surplus),
            Want::Address => (Found::AsItIs, 0),
            Want::Data { bytes, .. } if bytes > largest => return Found::Not(ImageOutcome::TooLarge),
            Want::Data { bytes, right: true, .. } => (Found::AsItIs, bytes),
            Want::Data { bytes, kind, .. } => (Found::Retyped(kind), bytes),
            Want::File(paths) => match first(&paths, largest) {
                Ok((url, size)) => (Found::Url(url), size),
                Err(why) => return Found::Not(why),
            },
        };
        if full(size) {
            return Found::Not(ImageOutcome::Surplus);
        }
        images += 1;
        bytes += size;
        found
    };
    let mut finds = Vec::with_capacity(wanted.len());
    for (at, wants) in wanted {
        // Within a message, too, the last one counts most.
        let mut found: Vec<Found> = wants.into_iter().rev().map(&mut one).collect();
        found.reverse();
        finds.push((at, found));
    }
    finds
}

/// A conversation whose images are found.
pub(super) struct Shown {
    /// The messages that had to be changed, with their places.
    changed: Vec<(usize, Message)>,
    counts: [u64; ImageOutcome::ALL.len()],
}

impl Shown {
    fn new(messages: &[&Message], finds: Finds) -> Self {
        let mut shown = Self { changed: Vec::new(), counts: [0; ImageOutcome::ALL.len()] };
        for (at, found) in finds {
            for one in &found {
                let outcome = if let Found::Not(why) = one { *why } else { ImageOutcome::Sent };
                shown.counts[outcome as usize] += 1;
            }
            if !found.iter().all(|one| matches!(one, Found::AsItIs)) {
                shown.changed.push((at, with(messages[at], found)));
            }
        }
        shown
    }

    /// How many images there are of each kind, as far as there are any.
    pub(super) fn counts(&self) -> impl Iterator<Item = (ImageOutcome, u64)> {
        let all = ImageOutcome::ALL.iter().copied().zip(self.counts);
        all.filter(|(_, images)| *images > 0)
    }

    /// The conversation with its images.
    pub(super) fn conversation<'a>(&'a self, messages: &[&'a Message]) -> Vec<&'a Message> {
        let mut all = messages.to_vec();
        for (at, message) in &self.changed {
            all[*at] = message;
        }
        all
    }
}

/// The message with these images, and in words what is not among them.
fn with(message: &Message, found: Vec<Found>) -> Message {
    let mut media = Vec::with_capacity(found.len());
    let mut content = message.content.clone();
    for (image, found) in message.media().iter().zip(found) {
        let text = image.as_str().unwrap_or_default();
        match found {
            Found::AsItIs => media.push(text.to_owned()),
            Found::Url(url) => media.push(url),
            Found::Retyped(kind) => {
                let base64 = text.split_once(',').map_or("", |(_, base64)| base64);
                media.push(format!("data:{kind};base64,{base64}"));
            }
            Found::Not(why) => {
                if !content.is_empty() {
                    content.push('\n');
                }
                // An image that is in the message itself has no name.
                let name = if text.starts_with("data:") { "image" } else { text };
                let _ = write!(content, "[{name}: {}]", words(why));
            }
        }
    }
    let other = message.other.iter().filter(|(key, _)| *key != MEDIA);
    Message {
        model_name: message.model_name.clone(),
        created_at: message.created_at.clone(),
        reasoning_content: message.reasoning_content.clone(),
        tool_calls: message.tool_calls.clone(),
        tool_call_id: message.tool_call_id.clone(),
        other: other
            .map(|(key, value)| (key.clone(), value.clone()))
            .chain((!media.is_empty()).then(|| (MEDIA.to_owned(), media.into())))
            .collect(),
        ..Message::new(message.role, content)
    }
}

/// Why an image is not there, for the model.
const fn words(outcome: ImageOutcome) -> &'static str {
    match outcome {
        ImageOutcome::Sent => "shown",
        ImageOutcome::Missing => "no longer there",
        ImageOutcome::Unsupported => "not shown, it is no png, jpeg, gif or webp image",
        ImageOutcome::TooLarge => "not shown, it is larger than agents.defaults.max_media_size",
        ImageOutcome::Surplus => "not shown, there are too many newer images",
        ImageOutcome::Withheld => "not shown to this model",
    }
}

#[cfg(test)]
mod tests;
