//! The loop of a turn: completion, tool calls, completion, … until the model answers.

use std::sync::Arc;

use picoclaw_telemetry::guard::Turn;
use picoclaw_telemetry::words::{Compaction, FailureReason, TurnStatus};
use picoclaw_telemetry::{Bus, Detail, Event};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::attempts::{self, Question, RetryPolicy};
use super::crew::{self, Post};
use super::gate::Entered;
use super::hooked;
use super::hooks::At;
use super::inbound::{ContextUsage, Progress, Reply, TurnError};
use super::models::Candidate;
use super::offer::Offer;
use super::round;
use super::setup::Setup;
use super::task::Answer;
use super::tool_calls::Calling;
use super::transcript::Transcript;
use crate::chat::{
    EXPLANATION, EXTRA_CONTENT, FinishReason, MEDIA, Message, Role, Sampling, ToolCall, Usage,
};
use crate::providers::ProviderError;
use crate::sessions::SessionId;
use crate::tools::{Caller, ToolOutput};

const EMPTY_ANSWER: &str = "The model gave an empty answer.";

/// What a turn works with.
pub(super) struct Work<'a> {
    pub(super) bus: &'a Bus,
    pub(super) setup: &'a Arc<Setup>,
    pub(super) session: &'a Detail,
    pub(super) caller: Caller<'a>,
    pub(super) candidates: &'a [Arc<Candidate>],
    /// Whether they are to see images.
    pub(super) sees: bool,
    pub(super) sampling: &'a Sampling,
    pub(super) progress: Option<&'a mpsc::Sender<Progress>>,
    /// Who hears of tool calls.
    pub(super) told: Option<&'a mpsc::Sender<Progress>>,
    /// Where messages wait that may join the turn.
    pub(super) gate: Option<&'a Entered>,
    /// When the turn's time is over.
    pub(super) deadline: Option<Instant>,
    /// Most requests to the model.
    pub(super) rounds: u32,
    /// Most tokens of all of them together.
    pub(super) token_budget: Option<u64>,
    /// Where the turn stands among those that it works for.
    pub(super) post: Post<'a>,
}

/// Asks and acts until the model answers. The new messages are in the transcript, whatever happens.
pub(super) async fn run(
    work: &Work<'_>,
    guard: &mut Turn,
    transcript: &mut Transcript,
    joined: &mut Vec<Answer>,
) -> Result<(Reply, TurnStatus), TurnError> {
    let limits = &work.setup.limits;
    let mut usage = Usage::default();
    let mut rounds = 0;
    let mut overflowed = false;
    let mut said = String::new();
    let mut offer = offer(work);
    while rounds < work.rounds && !is_spent(work, usage) {
        keep_within_budget(work, transcript, offer.bytes());
        let asked = {
            let messages = transcript.messages();
            let question = Question {
                bus: work.bus,
                turn: guard.number(),
                session: work.session,
                candidates: work.candidates,
                messages: &messages,
                pictures: work.setup.pictures.as_ref(),
                sees: work.sees,
                tools: offer.specs(),
                sampling: work.sampling,
                progress: work.progress,
                deadline: work.deadline,
                policy: RetryPolicy { retries: limits.llm_retries, backoff: limits.llm_backoff },
            };
            match &work.setup.hooks {
                None => round::complete(&question).await,
                Some(hooks) => hooked::complete(hooks.as_ref(), at(work, guard.number()), &question).await,
            }
        };
        let (completion, candidate) = match asked {
            Err(error) if error.reason == FailureReason::ContextOverflow && !overflowed && !error.partial => {
                overflowed = true;
                let half = transcript.bytes() / 2;
                if !transcript.cut(half, Compaction::Overflow) {
                    return Err(turn_error(error));
                }
                continue;
            }
            asked => asked.map_err(turn_error)?,
        };
        rounds += 1;
        let used = completion.usage.unwrap_or_default();
        let asked_bytes = transcript.bytes() + offer.bytes();
        work.setup.correction(&candidate).learn(asked_bytes, used.input);
        usage += used;
        guard.completion(attempts::tokens(used));

        let calls = completion.tool_calls.clone();
        let answered = calls.is_empty();
        let content = match completion.content {
            text if answered && text.is_empty() => EMPTY_ANSWER.to_owned(),
            text => text,
        };
        transcript.push(Message {
            model_name: Some(candidate.model_name.clone()),
            reasoning_content: completion.reasoning,
            tool_calls: completion.tool_calls,
            ..Message::new(Role::Assistant, content.clone())
        });
        if answered {
            said = after(said, content);
            if rounds < work.rounds && take_in(work, guard, transcript, joined) {
                tell(work, "\n\n").await;
                continue;
            }
            let model_name = candidate.model_name.clone();
            let (finish, context) = (completion.finish, Some(context_usage(work, transcript, offer.bytes())));
            return Ok((
                Reply { content: said, model_name, usage, finish, context, joined: false },
                TurnStatus::Completed,
            ));
        }
        if let Some(told) = work.told {
            let _ = told.send(Progress::ToolCalls(explained(&calls, &content))).await;
        }
        for call in &calls {
            let output = match &work.setup.hooks {
                None => act(work, guard.number(), call).await,
                Some(hooks) => {
                    let called = hooked::call(hooks.as_ref(), work, guard.number(), call).await;
                    called.map_err(turn_error)?
                }
            };
            offer.learn(&call.function.name, output.found, limits.found_tools_turns);
            let mut result = Message::tool_result(call.id.clone(), output.text);
            if !output.media.is_empty() {
                result.other.insert(MEDIA.to_owned(), output.media.into());
            }
            transcript.push(result);
        }
        if rounds < work.rounds {
            hear(work, transcript);
            take_in(work, guard, transcript, joined);
        }
    }
    let reply = at_the_limit(work, transcript, usage, offer.bytes()).await;
    Ok((Reply { content: after(said, reply.content), ..reply }, TurnStatus::ToolLimit))
}

/// Calls with what the model said about them, where the web page looks for it.
fn explained(calls: &[ToolCall], said: &str) -> Vec<ToolCall> {
    let mut calls = calls.to_vec();
    if !said.trim().is_empty() {
        for call in &mut calls {
            let extra = call.other.entry(EXTRA_CONTENT).or_insert_with(|| json!({}));
            if let Some(extra) = extra.as_object_mut() {
                extra.entry(EXPLANATION).or_insert_with(|| said.trim().into());
            }
        }
    }
    calls
}

/// What the model is shown in this turn. What a sub-agent finds is its own.
fn offer<'a>(work: &Work<'a>) -> Offer<'a> {
    let session = work.post.session.filter(|_| work.post.depth == 0).map(SessionId::key);
    Offer::begin(&work.setup.tools, &work.post.agent.0.discoveries, session)
}

/// An answer after those that were given in the same turn to what had been said before.
fn after(said: String, content: String) -> String {
    if said.is_empty() { content } else { said + "\n\n" + &content }
}

/// Sends text to a caller who wants the answer as it is written.
async fn tell(work: &Work<'_>, text: &str) {
    if let Some(progress) = work.progress {
        // A caller who no longer listens has cancelled the turn, which ends it elsewhere.
        let _ = progress.send(Progress::Text(text.to_owned())).await;
    }
}

/// Takes in what sub-agents of the conversation have brought meanwhile.
fn hear(work: &Work<'_>, transcript: &mut Transcript) {
    let Some(session) = work.post.session.filter(|_| work.post.depth == 0) else { return };
    for message in crew::news(work.post.agent, session.key()) {
        transcript.push(message);
    }
}

/// Takes in what was said meanwhile; says whether anything was.
fn take_in(work: &Work<'_>, guard: &Turn, transcript: &mut Transcript, joined: &mut Vec<Answer>) -> bool {
    let Some(gate) = work.gate else { return false };
    let before = joined.len();
    while let Some(offer) = gate.take_offer() {
        let session = work.session.clone();
        work.bus.emit(Event::MessageJoined { turn: guard.number(), session });
        for message in offer.messages {
            transcript.push(message);
        }
        joined.push(offer.answer);
        if !work.setup.limits.steer_all {
            break;
        }
    }
    joined.len() > before
}

/// Leaves the oldest messages out when the next request would not fit. So much that several turns fit again: where the
/// beginning of each request differs from the last one's, no provider's cache helps.
fn keep_within_budget(work: &Work<'_>, transcript: &mut Transcript, tools: u64) {
    let Some(first) = work.candidates.first() else { return };
    let answer = work.sampling.max_tokens.unwrap_or(work.setup.limits.max_tokens);
    let room = work.setup.limits.context.room(answer);
    let tokens = work.setup.correction(first).tokens(transcript.bytes() + tools);
    if tokens > room {
        let bytes = u128::from(transcript.bytes() + tools) * u128::from(room) / u128::from(tokens);
        let target = u64::try_from(bytes).unwrap_or(u64::MAX) / 10 * 6;
        transcript.cut(target.saturating_sub(tools), Compaction::Budget);
    }
}

/// How full the model's window is.
fn context_usage(work: &Work<'_>, transcript: &Transcript, tools: u64) -> ContextUsage {
    let limits = &work.setup.limits.context;
    let correction = work.candidates.first().map(|first| work.setup.correction(first));
    let tokens = |bytes| correction.map_or(0, |correction| correction.tokens(bytes));
    ContextUsage {
        used: tokens(transcript.bytes() + tools),
        total: limits.window,
        history: tokens(transcript.conversation_bytes()),
        compress_at: limits.room(work.sampling.max_tokens.unwrap_or(work.setup.limits.max_tokens)),
        summarize_at: limits.summarize_tokens(),
    }
}

/// Does what a call asks for.
pub(super) async fn act(work: &Work<'_>, turn: u64, call: &ToolCall) -> ToolOutput {
    match crew::call(work, turn, call).await {
        Some(result) => ToolOutput::success(result),
        None => work.setup.tools.call(calling(work, turn), call).await,
    }
}

/// Where in a turn it is, for hooks.
pub(super) fn at<'a>(work: &Work<'a>, turn: u64) -> At<'a> {
    At { turn, agent: &work.setup.id, session: work.session.as_str(), caller: work.caller }
}

/// Which turn calls, and on whose behalf.
pub(super) fn calling<'a>(work: &Work<'a>, turn: u64) -> Calling<'a> {
    Calling { bus: work.bus, turn, session: work.session, caller: work.caller }
}

/// Whether the turn has used the tokens that it may.
fn is_spent(work: &Work<'_>, usage: Usage) -> bool {
    work.token_budget.is_some_and(|budget| usage.input.saturating_add(usage.output) >= budget)
}

/// The model still calls tools at the limit: the person gets an answer that says so.
async fn at_the_limit(work: &Work<'_>, transcript: &mut Transcript, usage: Usage, tools: u64) -> Reply {
    let content = if is_spent(work, usage) {
        format!(
            "I stopped without reaching an answer: {} tokens are used up. Ask again with a smaller task, or raise \
             agents.defaults.subturn.default_token_budget.",
            usage.input.saturating_add(usage.output)
        )
    } else {
        format!(
            "I stopped after {} rounds of tool calls without reaching an answer. Ask again with a smaller task, or \
             raise agents.defaults.max_tool_iterations.",
            work.rounds
        )
    };
    let model_name = work.candidates.first().map_or_else(String::new, |c| c.model_name.clone());
    transcript.push(Message {
        model_name: Some(model_name.clone()),
        ..Message::new(Role::Assistant, content.clone())
    });
    tell(work, &content).await;
    let context = Some(context_usage(work, transcript, tools));
    Reply { content, model_name, usage, finish: FinishReason::Stop, context, joined: false }
}

fn turn_error(error: ProviderError) -> TurnError {
    let status = match error.reason {
        FailureReason::Timeout if !error.local => TurnStatus::Timeout,
        _ => TurnStatus::Failed,
    };
    TurnError { status, reason: Some(error.reason), message: error.message, retry_after: error.retry_after }
}
