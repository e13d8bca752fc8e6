//! One completion out of many chunks.

use serde_json::Map;

use super::wire::{self, CallPart, Part, finish_reason};
use crate::chat::{FinishReason, FunctionCall, ToolCall, Usage};
use crate::providers::exchange::{Assembly, ErrorBody, Fault, MAX_CALLS, Pieces, Step};
use crate::providers::provider::Completion;

/// An answer in the making.
#[derive(Debug, Default)]
pub(super) struct Answer {
    content: String,
    reasoning: String,
    calls: Vec<(Option<u64>, ToolCall)>,
    finish: Option<FinishReason>,
    usage: Option<Usage>,
    chosen: bool,
}

impl Assembly for Answer {
    fn event(&mut self, data: &[u8]) -> Result<Step, Fault> {
        match data.trim_ascii() {
            // A keep-alive.
            b"" => Ok(Step::Part(Pieces::default())),
            b"[DONE]" => Ok(Step::Done),
            json => self.document(json).map(Step::Part),
        }
    }

    fn document(&mut self, body: &[u8]) -> Result<Pieces, Fault> {
        self.add(serde_json::from_slice(body)?)
    }

    fn has_begun(&self) -> bool {
        self.chosen
    }

    fn is_finished(&self) -> bool {
        self.finish.is_some()
    }

    fn complete(self) -> Completion {
        let tool_calls: Vec<ToolCall> = self.calls.into_iter().map(|(_, call)| call).collect();
        // Servers are not of one mind whether an answer that calls tools ends with `stop`.
        let finish = match self.finish.unwrap_or_default() {
            FinishReason::Stop if !tool_calls.is_empty() => FinishReason::ToolCalls,
            finish => finish,
        };
        Completion {
            content: self.content,
            reasoning: (!self.reasoning.is_empty()).then_some(self.reasoning),
            tool_calls,
            finish,
            usage: self.usage,
            time_to_first_token: None,
        }
    }
}

impl Answer {
    /// Takes in a chunk, or a whole answer.
    pub(super) fn add(&mut self, answer: wire::Answer) -> Result<Pieces, Fault> {
        if let Some(error) = answer.error() {
            return Err(Fault::Failed(Box::new(ErrorBody::read(&error))));
        }
        if let Some(usage) = answer.usage.and_then(|usage| usage.usage()) {
            self.usage = Some(usage);
        }
        let mut pieces = Pieces::default();
        let choices = answer.choices.unwrap_or_default();
        let Some(choice) = choices.into_iter().find(|choice| choice.index.unwrap_or(0) == 0) else {
            return Ok(pieces);
        };
        self.chosen = true;
        if let Some(part) = choice.delta.or(choice.message) {
            pieces = self.part(*part)?;
        }
        if let Some(word) = choice.finish_reason.filter(|word| !word.is_empty()) {
            self.finish = Some(finish_reason(&word).ok_or_else(failed)?);
        }
        Ok(pieces)
    }

    fn part(&mut self, part: Part) -> Result<Pieces, Fault> {
        let reasoning = part.reasoning_content.some().or_else(|| part.reasoning.some());
        let text = part.content.some().or_else(|| part.refusal.some());
        if let Some(reasoning) = &reasoning {
            self.reasoning.push_str(reasoning);
        }
        if let Some(text) = &text {
            self.content.push_str(text);
        }
        let mut call = false;
        for fragment in part.tool_calls.unwrap_or_default() {
            call = true;
            self.fragment(fragment)?;
        }
        Ok(Pieces { reasoning, text, call })
    }

    fn fragment(&mut self, fragment: CallPart) -> Result<(), Fault> {
        let id = fragment.id.filter(|id| !id.is_empty());
        let name = fragment.function.as_ref().and_then(|function| function.name.as_deref()).unwrap_or("");
        let place = match fragment.index {
            // Some servers give every call of an answer the same index.
            Some(index) => self
                .calls
                .iter()
                .rposition(|(known, _)| *known == Some(index))
                .filter(|at| !is_another(&self.calls[*at].1, id.as_deref(), name)),
            // Without an index, a fragment that names neither a new call nor a new tool continues the last call.
            None => match &id {
                Some(id) => self.calls.iter().position(|(_, call)| call.id == *id),
                None if name.is_empty() => self.calls.len().checked_sub(1),
                None => None,
            },
        };
        let place = match place {
            Some(place) => place,
            None if self.calls.len() == MAX_CALLS => return Err(Fault::too_many_calls()),
            None => {
                let id = id.unwrap_or_else(|| format!("call_{}", self.calls.len()));
                self.calls.push((fragment.index, new_call(id)));
                self.calls.len() - 1
            }
        };
        let call = &mut self.calls[place].1;
        if let Some(function) = fragment.function {
            // The name comes whole, and from some servers again with every fragment.
            if let Some(name) = function.name.filter(|name| !name.is_empty()) {
                call.function.name = name;
            }
            if let Some(arguments) = function.arguments {
                call.function.arguments.push_str(&arguments.into_text());
            }
        }
        if let Some(extra) = fragment.extra_content.filter(|extra| !extra.is_null()) {
            call.other.insert("extra_content".to_owned(), extra);
        }
        Ok(())
    }
}

/// Whether a fragment with this id and name begins another call: this one is whole, and is called otherwise.
fn is_another(call: &ToolCall, id: Option<&str>, name: &str) -> bool {
    let is_whole = || serde_json::from_str::<serde::de::IgnoredAny>(&call.function.arguments).is_ok();
    !name.is_empty() && id.is_some_and(|id| id != call.id) && is_whole()
}

/// The server ended the answer with the word for a failure of its own.
fn failed() -> Fault {
    let message = "the server ended the answer with finish_reason `error`".to_owned();
    Fault::Failed(Box::new(ErrorBody { message: Some(message), ..ErrorBody::default() }))
}

fn new_call(id: String) -> ToolCall {
    ToolCall {
        id,
        kind: "function".to_owned(),
        function: FunctionCall { name: String::new(), arguments: String::new() },
        other: Map::new(),
    }
}

#[cfg(test)]
mod tests;
