//! What channels and the agent say to each other.

use std::path::PathBuf;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use picoclaw_telemetry::words::{FailureReason, Rejection, TurnStatus};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::DropGuard;

use crate::chat::{FinishReason, Message, Sampling, ToolCall, Usage};

/// Where a message belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conversation {
    /// The gateway remembers the history under this name; the inbound messages are only the new ones.
    Session(String),
    /// The same for a chat of a network.
    Chat(Chat),
    /// The same under exactly this key, for conversations that no person holds.
    Key(String),
    /// A single turn of this name, which knows nothing of others and is not stored.
    Single(String),
    /// The caller sends the whole history each time; nothing is stored.
    Stateless,
}

/// A chat of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chat {
    /// `direct` for a conversation with one person; otherwise what the network calls it: `group`, `channel`.
    pub kind: &'static str,
    /// The network's id of the chat.
    pub id: String,
    /// What the chat is a part of, with its kind, such as `guild:123`; empty when the network has nothing like it.
    pub space: String,
    /// The topic or thread within the chat; empty for none.
    pub topic: String,
    /// The network's id of whoever sent the message; empty when it does not say.
    pub sender: String,
    /// Whether the message mentions the agent.
    pub mentioned: bool,
}

/// A message on its way from a channel to the agent.
#[derive(Clone, Debug)]
pub struct Inbound {
    /// Which channel it came through, as configured (`http`, `cli`, ...).
    pub channel: &'static str,
    /// Where it belongs.
    pub conversation: Conversation,
    /// The new messages of a session, or the whole history of a stateless conversation; the last one is the user's.
    pub messages: Vec<Message>,
    /// The configured model that the caller asks for; `None` for the default.
    pub model: Option<String>,
    /// Wishes about how the model writes.
    pub sampling: Sampling,
    /// Whether the caller wants the answer as it is written.
    pub stream: bool,
    /// Whether the caller wants to hear which tools are called although it wants the answer as a whole.
    pub tool_calls: bool,
    /// Whether it may join a turn of its session that runs already, as in a chat where people add to what they have
    /// just said. Its reply is that turn's then, see [`Reply::joined`]. Otherwise it waits for a turn of its own.
    pub steer: bool,
    /// When the channel accepted it: the response time counts from here.
    pub received: Instant,
}

/// What happens during a turn, for a caller who streams.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// A piece of the answer.
    Text(String),
    /// A piece of the model's reasoning.
    Reasoning(String),
    /// The model calls tools; what it said so far was no answer yet.
    ToolCalls {
        /// What it said, which explains the calls; may be empty. Whoever streams has had it as text.
        said: String,
        /// The calls.
        calls: Vec<ToolCall>,
    },
}

/// The end of a successful turn. The session is on disk when this is handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The whole answer.
    pub content: String,
    /// The configured name of the model that wrote it.
    pub model_name: String,
    /// Tokens of all completions of the turn.
    pub usage: Usage,
    /// Why the answer ended.
    pub finish: FinishReason,
    /// How full the model's context window is now, where a conversation is remembered.
    pub context: Option<ContextUsage>,
    /// The message joined a turn that another one had begun, and this is that turn's answer: whoever reads both in one
    /// place has it already.
    pub joined: bool,
}

/// How much of a model's context window a conversation takes, in tokens as the gateway counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContextUsage {
    /// What the next request begins with: instructions, tools and the conversation.
    pub used: u64,
    /// The window.
    pub total: u64,
    /// The conversation's part of what is used.
    pub history: u64,
    /// From where on the oldest messages are left out.
    pub compress_at: u64,
    /// From where on the conversation is summed up.
    pub summarize_at: u64,
}

impl ContextUsage {
    /// How far it is on the way to messages being left out, in percent.
    pub fn percent(&self) -> u64 {
        self.used.saturating_mul(100).checked_div(self.compress_at).unwrap_or(100).min(100)
    }
}

/// How people in a chat are told which tools are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToolFeedback {
    /// The longest arguments that are shown, in characters.
    pub max_args_length: usize,
    /// Whether every call is a message of its own, instead of all in one that the answer takes the place of.
    pub separate_messages: bool,
}

/// The end of a turn without an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TurnError {
    /// How the turn ended: failed, timeout or cancelled.
    pub status: TurnStatus,
    /// What the provider failed with, when it was the provider.
    pub reason: Option<FailureReason>,
    /// For a person, free of secrets.
    pub message: String,
    /// When trying again makes sense, as the provider said.
    pub retry_after: Option<Duration>,
}

/// A message that was not accepted: no turn was started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Why.
    pub reason: Rejection,
    /// For a person.
    pub message: String,
}

/// A turn in progress. Dropping it cancels the turn.
#[derive(Debug)]
pub struct TurnHandle {
    /// Pieces of the answer; closed when the turn ends. Empty unless the inbound asked to stream.
    /// Bounded: a caller who does not read slows down only its own turn.
    pub progress: Pieces,
    /// The end of the turn.
    pub reply: oneshot::Receiver<Result<Reply, TurnError>>,
    /// Cancels the turn when dropped.
    pub cancel: DropGuard,
}

/// The pieces of an answer, for whoever asked to have it as it is written.
#[derive(Debug, Default)]
pub struct Pieces(Option<mpsc::Receiver<Progress>>);

impl Pieces {
    /// The next piece; `None` at the end.
    pub async fn recv(&mut self) -> Option<Progress> {
        self.0.as_mut()?.recv().await
    }

    /// The same within a future.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Progress>> {
        self.0.as_mut().map_or(Poll::Ready(None), |pieces| pieces.poll_recv(cx))
    }
}

impl From<mpsc::Receiver<Progress>> for Pieces {
    fn from(pieces: mpsc::Receiver<Progress>) -> Self {
        Self(Some(pieces))
    }
}

/// A model that a caller may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelInfo {
    /// Its configured name.
    pub name: String,
    /// Its provider.
    pub provider: String,
}

/// What a channel needs of the agent.
#[async_trait]
pub trait Assistant: Send + Sync {
    /// Accepts a message and starts its turn, or says why not. The message counts as received once accepted.
    async fn submit(&self, inbound: Inbound) -> Result<TurnHandle, Refusal>;

    /// Counts a message that the channel itself had to refuse, for example because it is malformed.
    fn refused(&self, channel: &'static str, reason: Rejection);

    /// The same, with what an operator wants to know. It stands in the log: it must not quote what people say.
    fn refused_because(&self, channel: &'static str, reason: Rejection, _why: &str) {
        self.refused(channel, reason);
    }

    /// Where files belong that come with a message: the workspace of the agent that would answer it, whose tools see
    /// nothing else. `None` when that does not matter.
    fn workspace(&self, _channel: &str, _conversation: &Conversation) -> Option<PathBuf> {
        None
    }

    /// How people are told of tool calls, if they are.
    fn tool_feedback(&self) -> Option<ToolFeedback> {
        None
    }

    /// Whether an answer for a chat may be several messages, with marks between them.
    fn splits_answers(&self) -> bool {
        false
    }

    /// The configured models, the default first.
    fn models(&self) -> Vec<ModelInfo>;
}
