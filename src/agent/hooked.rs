//! A turn's completions and tool calls, with hooks around them.

use std::sync::Arc;
use std::time::Instant;

use picoclaw_telemetry::words::FailureReason;

use super::attempts::Question;
use super::hooks::{Abort, At, BeforeTool, Hooks, LlmAsk, Stage};
use super::inbound::Progress;
use super::models::Candidate;
use super::round;
use super::turn::{self, Work};
use crate::chat::{ToolCall, ToolSpecs};
use crate::providers::{Completion, ProviderError};
use crate::tools::ToolOutput;

/// One completion. A hook that ends the turn is no failure of a provider; it only takes the same way out.
pub(super) async fn complete(
    hooks: &dyn Hooks,
    at: At<'_>,
    question: &Question<'_>,
) -> Result<(Completion, Arc<Candidate>), ProviderError> {
    let changed = if hooks.want(Stage::BeforeLlm) {
        let model = question.candidates.first().map_or_else(String::new, |first| first.model_name.clone());
        let messages = question.messages.iter().map(|message| (*message).clone()).collect();
        let ask = LlmAsk { model, messages, tools: question.tools.to_vec() };
        Some(hooks.before_llm(at, ask).await.map_err(aborted)?)
    } else {
        None
    };
    let changed_messages = changed.as_ref().map(|ask| ask.messages.iter().collect::<Vec<_>>());
    let changed_tools: Option<ToolSpecs> = changed.as_ref().map(|ask| ask.tools.clone().into());
    let judged = hooks.want(Stage::AfterLlm);
    let asked = Question {
        messages: changed_messages.as_deref().unwrap_or(question.messages),
        tools: changed_tools.as_ref().unwrap_or(question.tools),
        // What may still be changed is not shown yet.
        progress: question.progress.filter(|_| !judged),
        ..*question
    };
    let (completion, candidate) = round::complete(&asked).await?;
    if !judged {
        return Ok((completion, candidate));
    }
    let completion = hooks.after_llm(at, &candidate.model_name, completion).await.map_err(aborted)?;
    if let Some(progress) = question.progress
        && !completion.content.is_empty()
    {
        // A caller who no longer listens has cancelled the turn, which ends it elsewhere.
        let _ = progress.send(Progress::Text(completion.content.clone())).await;
    }
    Ok((completion, candidate))
}

/// One tool call.
pub(super) async fn call(
    hooks: &dyn Hooks,
    work: &Work<'_>,
    turn: u64,
    call: &ToolCall,
) -> Result<ToolOutput, ProviderError> {
    let at = turn::at(work, turn);
    let settle = |name: &str, output| work.setup.tools.settle(turn::calling(work, turn), name, output);
    let call = match hooks.before_tool(at, call.clone()).await.map_err(aborted)? {
        BeforeTool::Call(call) => call,
        BeforeTool::Outcome(output) => return Ok(settle(&call.function.name, output)),
    };
    if let Err(reason) = hooks.approve_tool(at, &call).await {
        return Ok(settle(&call.function.name, ToolOutput::denied(reason)));
    }
    let began = Instant::now();
    let output = turn::act(work, turn, &call).await;
    if hooks.want(Stage::AfterTool) {
        return hooks.after_tool(at, &call, output, began.elapsed()).await.map_err(aborted);
    }
    Ok(output)
}

#[allow(clippy::needless_pass_by_value)] // As `map_err` hands it over.
fn aborted(abort: Abort) -> ProviderError {
    ProviderError::new(FailureReason::Unknown, abort.0)
}
