//! What a channel is to those who run it and send through it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::link::Link;
use picoclaw::chat::courier::{Attachment, Outgoing};
use picoclaw::http::inlets::Inlet;

/// A part of a message that goes out in one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text.
    Text {
        /// As the model writes it.
        text: String,
        /// The network's id of the message that it answers.
        reply_to: Option<String>,
    },
    /// A file.
    File {
        /// The file.
        file: Attachment,
        /// What is said about it; may be empty.
        caption: String,
    },
}

/// Why an attempt to send failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Another attempt may work.
    #[error("{reason}")]
    Passing {
        /// What happened, free of secrets.
        reason: String,
        /// When the network wants to see the next attempt.
        after: Option<Duration>,
    },
    /// No attempt will work.
    #[error("{0}")]
    Final(String),
}

impl SendError {
    /// A failure that may pass by itself.
    pub fn passing(reason: impl Into<String>) -> Self {
        Self::Passing { reason: reason.into(), after: None }
    }
}

/// Why a channel broke off, free of secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub String);

/// A connection to a chat network.
#[async_trait]
pub trait Channel: Send + Sync {
    /// Receives messages until [`Link::stop`] is cancelled, telling the link when it can and when it cannot. What it
    /// breaks off with is reported, and it is run again after a pause.
    async fn run(&self, link: &Arc<Link>) -> Result<(), Broken>;

    /// Makes one attempt to send one piece to a chat, in place of the message `replace` if there is one. Returns the
    /// network's id of the message.
    async fn send(
        &self,
        chat: &str,
        piece: &Piece,
        replace: Option<&str>,
    ) -> Result<Option<String>, SendError>;

    /// The same, where `id` is that of the piece: another attempt at it has the same, and a network that remembers ids
    /// shows it once although both attempts reached it.
    async fn send_once(
        &self,
        chat: &str,
        piece: &Piece,
        replace: Option<&str>,
        _id: &str,
    ) -> Result<Option<String>, SendError> {
        self.send(chat, piece, replace).await
    }

    /// Whether a message can take the place of one that was sent before.
    fn replaces(&self) -> bool {
        false
    }

    /// Cuts a message into pieces that the network takes.
    fn pieces(&self, message: &Outgoing) -> Vec<Piece> {
        pieces(message, |text| vec![text.to_owned()])
    }

    /// Shows in a chat that an answer is being written, for some seconds.
    async fn typing(&self, _chat: &str) {}

    /// The most messages a second that the network takes.
    fn rate(&self) -> f64 {
        10.0
    }

    /// The path that it answers on the gateway's own HTTP server.
    fn inlet(&self) -> Option<(String, Arc<dyn Inlet>)> {
        None
    }
}

/// The same pieces, but with the text of a message with one file as its caption, if that is no longer than `longest`
/// UTF-16 units, which is what networks count in.
pub(super) fn captioned(mut pieces: Vec<Piece>, longest: usize) -> Vec<Piece> {
    if let [Piece::Text { text, .. }, Piece::File { caption, .. }] = pieces.as_mut_slice()
        && text.encode_utf16().count() <= longest
    {
        *caption = std::mem::take(text);
        pieces.remove(0);
    }
    pieces
}

/// The pieces of a message: its text, split, and each of its files.
pub(super) fn pieces(message: &Outgoing, split: impl Fn(&str) -> Vec<String>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    if !message.text.trim().is_empty() {
        let mut reply_to = message.reply_to.clone();
        pieces.extend(
            split(&message.text).into_iter().map(|text| Piece::Text { text, reply_to: reply_to.take() }),
        );
    }
    let file = |file: &Attachment| Piece::File { file: file.clone(), caption: String::new() };
    pieces.extend(message.attachments.iter().map(file));
    pieces
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_caption_is_measured_as_networks_do() {
        let pieces = |text: &str| {
            let file = Attachment { name: "a".into(), mime: "b/c".into(), bytes: Bytes::new() };
            let message = Outgoing { attachments: vec![file], ..Outgoing::text(text) };
            captioned(pieces(&message, |text| vec![text.to_owned()]), 10).len()
        };
        assert_eq!((pieces("0123456789"), pieces("🦀🦀🦀🦀🦀")), (1, 1));
        assert_eq!((pieces("0123456789x"), pieces("🦀🦀🦀🦀🦀🦀")), (2, 2));
    }
}
