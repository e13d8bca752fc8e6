//! What a provider is, what it is asked and what it answers.

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::error::ProviderError;
use crate::chat::{FinishReason, Message, Sampling, ToolCall, ToolSpecs, Usage};

/// One attempt at a completion.
///
/// The messages are references, so that a system prompt, a shared history and new messages make one request without
/// a clone: the caller only collects pointers.
#[derive(Clone, Copy, Debug)]
pub struct ChatRequest<'a> {
    /// The model's id on the wire.
    pub model: &'a str,
    /// The conversation, oldest first.
    pub messages: &'a [&'a Message],
    /// The tools that the model may call.
    pub tools: &'a ToolSpecs,
    /// How the model should write.
    pub sampling: &'a Sampling,
    /// Whether the answer is wanted piece by piece.
    pub stream: bool,
    /// How many attempts at this same request failed before, at whichever provider: 0 for the first.
    pub attempt: u32,
}

/// A finished answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Completion {
    /// The text; empty when the model only calls tools.
    pub content: String,
    /// The model's reasoning, where the provider reveals it.
    pub reasoning: Option<String>,
    /// Calls that the model asks for.
    pub tool_calls: Vec<ToolCall>,
    /// Why the answer ended.
    pub finish: FinishReason,
    /// Tokens as the provider counted them; `None` when it did not say.
    pub usage: Option<Usage>,
    /// From the start of the attempt to the first piece of the answer; `None` when the answer came as a whole.
    pub time_to_first_token: Option<Duration>,
}

/// A piece of an answer in the making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delta {
    /// Of the text.
    Text(String),
    /// Of the reasoning.
    Reasoning(String),
}

/// Who receives the pieces of a streamed answer.
///
/// Asynchronous, so that a receiver can be bounded: while it has no room the provider does not read on, and TCP holds
/// the model's server back. That waiting counts against no timeout, because it is not the provider's fault.
/// A receiver that has gone away simply takes no more: whoever no longer wants the answer drops the attempt.
#[async_trait]
pub trait Deltas: Send {
    /// Takes one piece, waiting for room.
    async fn push(&mut self, delta: Delta);
}

/// Takes nothing: for answers that are wanted as a whole.
#[derive(Clone, Copy, Debug, Default)]
pub struct Discard;

#[async_trait]
impl Deltas for Discard {
    async fn push(&mut self, _delta: Delta) {}
}

#[async_trait]
impl<T: From<Delta> + Send> Deltas for mpsc::Sender<T> {
    async fn push(&mut self, delta: Delta) {
        // An error says that the receiver is gone, which the trait allows.
        let _ = self.send(delta.into()).await;
    }
}

/// A source of completions.
#[async_trait]
pub trait Provider: Send + Sync {
    /// The vendor or kind, as configured: `openai`, `echo`, ...
    fn name(&self) -> &str;

    /// Makes one attempt. When `request.stream` is set the pieces go to `deltas` as they arrive; the completion holds
    /// the whole answer in any case. Enforces the configured timeouts itself. Dropping the future cancels the attempt.
    async fn complete(
        &self,
        request: &ChatRequest<'_>,
        deltas: &mut dyn Deltas,
    ) -> Result<Completion, ProviderError>;
}
