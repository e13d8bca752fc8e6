//! How much of a conversation fits into a model's context window.
//!
//! Tokens are estimated as a quarter of the bytes, plus a few per message, times a correction that is learnt from what
//! the model's provider counted: see [`Correction`].

use std::sync::atomic::{AtomicU32, Ordering};

use crate::chat::{Message, ToolSpec};

/// Bytes of a token, about, in most languages and models.
const BYTES_PER_TOKEN: u64 = 4;
/// What a message costs beside its text, in bytes.
const MESSAGE_OVERHEAD: u64 = 16;
/// What a picture costs, in bytes of text.
const MEDIA_BYTES: u64 = 4_000;
/// From how many estimated tokens on an answer teaches something: in shorter requests the provider's own additions weigh
/// too much.
const TEACHING: u64 = 200;

/// The bounds of a conversation, in tokens and messages.
#[derive(Clone, Copy, Debug)]
pub struct ContextLimits {
    /// What the model takes, its answer included.
    pub window: u64,
    /// More messages than these are summed up after a turn.
    pub summarize_messages: usize,
    /// More than this part of the window is summed up after a turn.
    pub summarize_percent: u64,
}

impl ContextLimits {
    /// What is left for the request when an answer of this length must fit too. At least half of the window.
    pub(super) fn room(&self, answer: u64) -> u64 {
        self.window - answer.min(self.window / 2)
    }

    /// From how many tokens on a conversation is summed up.
    pub(super) fn summarize_tokens(&self) -> u64 {
        self.window.saturating_mul(self.summarize_percent) / 100
    }
}

/// What a message weighs, in bytes that a model reads.
pub(super) fn weigh(message: &Message) -> u64 {
    let calls: usize =
        message.tool_calls.iter().map(|call| call.function.name.len() + call.function.arguments.len()).sum();
    (message.content.len() + calls) as u64 + MESSAGE_OVERHEAD + message.media().len() as u64 * MEDIA_BYTES
}

/// What the offer of tools weighs, in bytes that a model reads.
pub(super) fn weigh_tools(specs: &[ToolSpec]) -> u64 {
    specs.iter().map(|spec| serde_json::to_vec(spec).map_or(0, |text| text.len() as u64)).sum()
}

/// How much more a model counts than the general rule says, in thousandths.
///
/// It follows what the provider counted by a quarter of the difference each time. It never says much less than the rule:
/// some providers do not count what they had in a cache.
#[derive(Debug)]
pub(super) struct Correction(AtomicU32);

impl Default for Correction {
    fn default() -> Self {
        Self(AtomicU32::new(1_000))
    }
}

impl Correction {
    const LEAST: u64 = 800;
    const MOST: u64 = 4_000;

    /// The tokens of so many bytes.
    pub(super) fn tokens(&self, bytes: u64) -> u64 {
        (bytes / BYTES_PER_TOKEN).saturating_mul(u64::from(self.0.load(Ordering::Relaxed))) / 1_000
    }

    /// Takes in that a request of so many bytes had this many tokens.
    pub(super) fn learn(&self, bytes: u64, tokens: u64) {
        let estimate = bytes / BYTES_PER_TOKEN;
        if estimate < TEACHING || tokens == 0 {
            return;
        }
        let seen = (tokens.saturating_mul(1_000) / estimate).clamp(Self::LEAST, Self::MOST);
        let known = u64::from(self.0.load(Ordering::Relaxed));
        let next = (3 * known + seen) / 4;
        // Between two turns one lesson may be lost, which the next one makes up for.
        self.0.store(u32::try_from(next).expect("both are at most 4,000"), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Role;

    #[test]
    fn an_estimate_follows_what_providers_count() {
        let correction = Correction::default();
        assert_eq!(correction.tokens(4_000), 1_000);
        correction.learn(400, 900);
        assert_eq!(correction.tokens(4_000), 1_000, "too short to tell");
        for _ in 0..20 {
            correction.learn(4_000, 1_500);
        }
        assert!((1_480..=1_500).contains(&correction.tokens(4_000)), "{}", correction.tokens(4_000));
        for _ in 0..20 {
            correction.learn(4_000, 3);
        }
        assert!(correction.tokens(4_000) >= 800, "a cache that is not counted must not mislead");
    }

    #[test]
    fn an_answer_leaves_half_of_the_window() {
        let limits = ContextLimits { window: 1_000, summarize_messages: 20, summarize_percent: 75 };
        assert_eq!((limits.room(200), limits.room(5_000), limits.summarize_tokens()), (800, 500, 750));
    }

    #[test]
    fn pictures_weigh() {
        let mut message = Message::new(Role::User, "abcd");
        assert_eq!(weigh(&message), 20);
        message.other.insert("media".into(), serde_json::json!(["data:image/png;base64,x"]));
        assert_eq!(weigh(&message), 4_020);
    }
}
