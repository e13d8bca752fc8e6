//! The built-in provider: says what it hears, without any network, and does what the message tells it.
//!
//! With it a newcomer makes every metric and every alert move without a key; `docs/echo.md` lists the directives.
//! Its answers depend on the request alone: it remembers nothing.

use std::time::Duration;

use async_trait::async_trait;
use picoclaw_telemetry::words::FailureReason;
use tokio::time::{Instant, sleep};

use self::script::Script;
use super::error::ProviderError;
use super::provider::{ChatRequest, Completion, Delta, Deltas, Provider};
use crate::chat::{FinishReason, Message, Role, ToolCall, Usage};

mod script;

/// Longest answer in bytes.
const MAX_ANSWER: usize = 1024 * 1024;

/// What a newcomer reads first.
const WELCOME: &str = "Hello! I am echo, the built-in model: I repeat what you write, and lines such as `!tool \
                       list_dir {}` or `!fail 500` make me act (send `!` for all of them); for real answers add a \
                       model to model_list in config.json and name it in agents.defaults.model_name.";

/// Says what it hears.
#[derive(Clone, Copy, Debug)]
pub struct Echo {
    timeout: Duration,
}

impl Echo {
    /// An echo that takes at most this long before its first word, and between two words.
    pub const fn new(timeout: Duration) -> Self {
        Self { timeout }
    }

    /// Waits, but not longer than the timeout allows.
    async fn wait(&self, wait: Duration) -> Result<(), ProviderError> {
        if wait >= self.timeout {
            sleep(self.timeout).await;
            let message = format!(
                "echo sent nothing within {} s: raise request_timeout of its model_list entry, or ask for a shorter wait",
                self.timeout.as_secs_f64()
            );
            return Err(ProviderError::new(FailureReason::Timeout, message));
        }
        if !wait.is_zero() {
            sleep(wait).await;
        }
        Ok(())
    }

    /// What goes wrong before the first word.
    async fn disturb(&self, script: &Script, attempt: u32) -> Result<(), ProviderError> {
        self.wait(script.slow).await?;
        if script.hang {
            self.wait(Duration::MAX).await?;
        }
        if let Some(fail) = script.fail.filter(|fail| fail.times.is_none_or(|times| attempt < times)) {
            return Err(ProviderError {
                status: fail.status,
                retry_after: fail.retry_after,
                ..told(fail.reason, "!fail")
            });
        }
        if script.garbage {
            return Err(ProviderError { status: Some(200), ..told(FailureReason::BadResponse, "!garbage") });
        }
        Ok(())
    }
}

#[async_trait]
impl Provider for Echo {
    fn name(&self) -> &str {
        super::catalog::ECHO
    }

    async fn complete(
        &self,
        request: &ChatRequest<'_>,
        deltas: &mut dyn Deltas,
    ) -> Result<Completion, ProviderError> {
        let started = Instant::now();
        let turn = Turn::of(request.messages);
        let script = match Script::parse(turn.message) {
            Ok(script) => script,
            Err(misunderstood) => Script { text: misunderstood.to_string(), repeat: 1, ..Script::default() },
        };
        // A message that calls tools is asked several times: things go wrong the first time only.
        if turn.rounds == 0 {
            self.disturb(&script, request.attempt).await?;
        }
        let heard = request.messages.iter().map(|message| count(&message.content)).sum();
        if turn.rounds < script.rounds && !script.calls.is_empty() {
            return Ok(call(&script, request.messages.len(), heard));
        }

        let answer = turn.answer(&script);
        let cut = if turn.rounds == 0 { script.cut } else { None };
        let limit =
            request.sampling.max_tokens.map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX));
        let mut completion = Completion::default();
        let mut said = 0;
        for piece in pieces(&answer) {
            if cut == Some(said) {
                break;
            }
            if said == limit {
                completion.finish = FinishReason::Length;
                break;
            }
            if request.stream {
                if said > 0 {
                    let waited = self.wait(script.pace).await;
                    waited.map_err(|error| ProviderError { partial: true, ..error })?;
                }
                completion.time_to_first_token.get_or_insert_with(|| started.elapsed());
                deltas.push(Delta::Text(piece.to_owned())).await;
            }
            completion.content.push_str(piece);
            said += 1;
        }
        if cut.is_some() {
            let partial = request.stream && said > 0;
            return Err(ProviderError {
                partial,
                status: Some(200),
                ..told(FailureReason::CutStream, "!cut")
            });
        }
        completion.usage = script.tokens.or(Some(Usage::new(heard, said as u64)));
        Ok(completion)
    }
}

/// The last message of the person, and what its tools answered.
struct Turn<'a> {
    message: &'a str,
    /// How often tools were called since.
    rounds: u32,
    results: Vec<&'a str>,
}

impl<'a> Turn<'a> {
    fn of(messages: &[&'a Message]) -> Self {
        let start = messages.iter().rposition(|message| message.role == Role::User);
        let since = start.map_or(messages, |start| &messages[start + 1..]);
        let rounds = since.iter().filter(|message| !message.tool_calls.is_empty()).count();
        Self {
            message: start.map_or("", |start| &messages[start].content),
            rounds: u32::try_from(rounds).unwrap_or(u32::MAX),
            results: since
                .iter()
                .filter(|message| message.role == Role::Tool)
                .map(|message| message.content.as_str())
                .collect(),
        }
    }

    fn answer(&self, script: &Script) -> String {
        let text = script.text.trim();
        if !self.results.is_empty() {
            let lines =
                Some(text).filter(|text| !text.is_empty()).into_iter().chain(self.results.iter().copied());
            return bounded(lines, "\n");
        }
        if script.directed && text.is_empty() {
            return "Done.".to_owned();
        }
        if text.is_empty() || text.eq_ignore_ascii_case("help") {
            return WELCOME.to_owned();
        }
        bounded(std::iter::repeat_n(script.text.as_str(), script.repeat), " ")
    }
}

fn told(reason: FailureReason, directive: &str) -> ProviderError {
    ProviderError::new(
        reason,
        format!("echo failed with {reason}, as `{directive}` in the message told it to"),
    )
}

/// The texts, joined, until they are too long.
fn bounded<'a>(texts: impl Iterator<Item = &'a str>, separator: &str) -> String {
    let mut joined = String::new();
    for text in texts {
        if !joined.is_empty() {
            joined.push_str(separator);
        }
        joined.push_str(text);
        if joined.len() > MAX_ANSWER {
            let end = (0..=MAX_ANSWER).rev().find(|end| joined.is_char_boundary(*end));
            joined.truncate(end.unwrap_or(0));
            break;
        }
        // Nothing, however often, would take for ever.
        if joined.is_empty() {
            break;
        }
    }
    joined
}

fn call(script: &Script, place: usize, heard: u64) -> Completion {
    let words = |call: &crate::chat::FunctionCall| 1 + count(&call.arguments);
    let output = script.calls.iter().map(words).sum();
    let calls = script.calls.iter().enumerate().map(|(number, function)| ToolCall {
        // Unique within a conversation, because it only grows.
        id: format!("echo_{place}_{number}"),
        kind: "function".to_owned(),
        function: function.clone(),
        other: serde_json::Map::new(),
    });
    Completion {
        tool_calls: calls.collect(),
        finish: FinishReason::ToolCalls,
        usage: script.tokens.or(Some(Usage::new(heard, output))),
        ..Completion::default()
    }
}

/// Its tokens are words.
fn count(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

/// The words of a text, each with the space after it; together they are the text.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        // The first piece keeps the space before it, too.
        let word = rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
        let space = rest[word..].find(char::is_whitespace).map_or(rest.len(), |at| word + at);
        let next = rest[space..].find(|c: char| !c.is_whitespace()).map_or(rest.len(), |at| space + at);
        let (piece, tail) = rest.split_at(next);
        rest = tail;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests;
