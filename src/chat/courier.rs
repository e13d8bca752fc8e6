//! Sending a message to a chat, for whoever is not answering one: tools, jobs, sub-agents.

use async_trait::async_trait;
use bytes::Bytes;

/// A message on its way out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outgoing {
    /// The text as the model writes it (Markdown); the channel brings it into the form of its network.
    pub text: String,
    /// Files that go with it.
    pub attachments: Vec<Attachment>,
    /// The network's id of the message that this one answers.
    pub reply_to: Option<String>,
}

impl Outgoing {
    /// A message of text alone.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

/// A file that goes with a message.
#[derive(Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its name without directories.
    pub name: String,
    /// Its media type, such as `image/png`.
    pub mime: String,
    /// The file itself.
    pub bytes: Bytes,
}

impl std::fmt::Debug for Attachment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}, {} bytes)", self.name, self.mime, self.bytes.len())
    }
}

/// A delivered message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The network's id of the message, if it gives one.
    pub id: Option<String>,
    /// How many attempts it took, at least one.
    pub tries: u32,
}

/// Why a message was not delivered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// Nothing of that name is configured and can send.
    #[error("there is no channel \"{channel}\" that can send messages; there are: {known}")]
    UnknownChannel {
        /// What was asked for.
        channel: String,
        /// The names of those that can.
        known: String,
    },
    /// Too many messages wait for this channel already.
    #[error("{waiting} messages already wait for the channel \"{channel}\"; try again later")]
    Full {
        /// The channel.
        channel: String,
        /// How many wait.
        waiting: usize,
    },
    /// The network did not take it.
    #[error("the channel \"{channel}\" could not deliver the message ({tries} tries): {reason}")]
    Failed {
        /// The channel.
        channel: String,
        /// How often it was tried.
        tries: u32,
        /// What the last attempt failed with, free of secrets.
        reason: String,
    },
    /// The channel stopped before it was delivered.
    #[error("the channel \"{channel}\" stopped before the message was delivered")]
    Stopped {
        /// The channel.
        channel: String,
    },
}

/// Delivers messages to chats.
#[async_trait]
pub trait Courier: Send + Sync {
    /// Sends a message to a chat of the channel that is configured under this name, and returns when the network has
    /// taken it: queue, rate limit and retries included. Dropping the future does not take the message back.
    async fn deliver(&self, channel: &str, chat: &str, message: Outgoing) -> Result<Receipt, DeliveryError>;

    /// The names of the channels that can send, in order.
    fn destinations(&self) -> Vec<String>;
}
