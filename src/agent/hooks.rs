//! Where somebody outside may watch and change a turn. Without hooks nothing of this is reached.

use std::time::Duration;

use async_trait::async_trait;

use crate::chat::{Message, ToolCall, ToolSpec};
use crate::providers::Completion;
use crate::tools::{Caller, ToolOutput};

/// A moment of a turn at which hooks are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Before a request to a model.
    BeforeLlm,
    /// After its answer.
    AfterLlm,
    /// Before a tool call.
    BeforeTool,
    /// Whether a tool may be called.
    ApproveTool,
    /// After a tool call.
    AfterTool,
}

/// Where in a turn it is.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    /// The turn's number.
    pub turn: u64,
    /// The id of the agent that takes it.
    pub agent: &'a str,
    /// The session.
    pub session: &'a str,
    /// On whose behalf.
    pub caller: Caller<'a>,
}

/// A request to a model.
#[derive(Clone, Debug)]
pub struct LlmAsk {
    /// The configured name of the model that is asked first.
    pub model: String,
    /// The conversation.
    pub messages: Vec<Message>,
    /// The tools on offer.
    pub tools: Vec<ToolSpec>,
}

/// What becomes of a tool call.
#[derive(Clone, Debug)]
pub enum BeforeTool {
    /// This call is made.
    Call(ToolCall),
    /// None is made, and this is the outcome.
    Outcome(ToolOutput),
}

/// A hook ends the turn. For a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Abort(pub String);

/// Those who are asked.
#[async_trait]
pub trait Hooks: Send + Sync {
    /// Whether anybody wants to be asked at this stage.
    fn want(&self, stage: Stage) -> bool;

    /// Before a request to a model: what is asked instead.
    async fn before_llm(&self, at: At<'_>, ask: LlmAsk) -> Result<LlmAsk, Abort>;

    /// After its answer: what the answer is instead.
    async fn after_llm(&self, at: At<'_>, model: &str, answer: Completion) -> Result<Completion, Abort>;

    /// Before a tool call, whether or not there is such a tool.
    async fn before_tool(&self, at: At<'_>, call: ToolCall) -> Result<BeforeTool, Abort>;

    /// Whether a tool may be called. The error says why not.
    async fn approve_tool(&self, at: At<'_>, call: &ToolCall) -> Result<(), String>;

    /// After a tool call: what the outcome is instead.
    async fn after_tool(
        &self,
        at: At<'_>,
        call: &ToolCall,
        output: ToolOutput,
        took: Duration,
    ) -> Result<ToolOutput, Abort>;
}
