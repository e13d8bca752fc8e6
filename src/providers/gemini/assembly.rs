//! One completion out of documents that each hold some parts of it.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::contents;
use crate::chat::{FinishReason, FunctionCall, ToolCall, Usage};
use crate::hex::Hex;
use crate::providers::exchange::{Assembly, ErrorBody, Fault, MAX_CALLS, Pieces, Step};
use crate::providers::provider::Completion;

/// A piece of an answer, or the whole of it: they have the same shape. Unknown fields are ignored.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(default)]
    candidates: Vec<Candidate>,
    #[serde(default)]
    prompt_feedback: Option<Feedback>,
    #[serde(default)]
    usage_metadata: Option<Counts>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    #[serde(default)]
    content: Option<Content>,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Content {
    #[serde(default)]
    parts: Vec<Part>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    thought: bool,
    #[serde(default)]
    thought_signature: Option<String>,
    #[serde(default)]
    function_call: Option<Call>,
}

#[derive(Debug, Deserialize)]
struct Call {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    args: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback {
    #[serde(default)]
    block_reason: Option<String>,
}

/// Token counts of the whole request so far: later ones replace earlier ones.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    #[serde(default)]
    prompt_token_count: u64,
    #[serde(default)]
    tool_use_prompt_token_count: u64,
    #[serde(default)]
    candidates_token_count: u64,
    #[serde(default)]
    thoughts_token_count: u64,
    #[serde(default)]
    cached_content_token_count: u64,
}

/// An answer in the making.
#[derive(Debug, Default)]
pub(super) struct Answer {
    content: String,
    reasoning: String,
    calls: Vec<ToolCall>,
    finish: Option<FinishReason>,
    usage: Option<Usage>,
    begun: bool,
}

impl Assembly for Answer {
    fn event(&mut self, data: &[u8]) -> Result<Step, Fault> {
        if data.trim_ascii().is_empty() {
            return Ok(Step::Part(Pieces::default()));
        }
        self.document(data).map(Step::Part)
    }

    fn document(&mut self, body: &[u8]) -> Result<Pieces, Fault> {
        let document: Document = serde_json::from_slice(body)?;
        if let Some(error) = document.error {
            return Err(Fault::Failed(Box::new(ErrorBody::read(&error))));
        }
        if let Some(counts) = document.usage_metadata {
            self.usage = Some(counts.usage());
        }
        if document.prompt_feedback.is_some_and(|feedback| feedback.block_reason.is_some()) {
            self.begun = true;
            self.finish = Some(FinishReason::ContentFilter);
        }
        let mut pieces = Pieces::default();
        let Some(candidate) = document.candidates.into_iter().next() else {
            return Ok(pieces);
        };
        self.begun = true;
        for part in candidate.content.into_iter().flat_map(|content| content.parts) {
            self.part(part, &mut pieces)?;
        }
        if let Some(reason) = candidate.finish_reason {
            self.finish = Some(finish(&reason)?);
        }
        Ok(pieces)
    }

    fn has_begun(&self) -> bool {
        self.begun
    }

    fn is_finished(&self) -> bool {
        self.finish.is_some()
    }

    fn complete(self) -> Completion {
        // The protocol has no word of its own for an answer that calls tools.
        let finish = match self.finish.unwrap_or_default() {
            FinishReason::Stop if !self.calls.is_empty() => FinishReason::ToolCalls,
            finish => finish,
        };
        Completion {
            content: self.content,
            reasoning: (!self.reasoning.is_empty()).then_some(self.reasoning),
            tool_calls: self.calls,
            finish,
            usage: self.usage,
            time_to_first_token: None,
        }
    }
}

impl Answer {
    fn part(&mut self, part: Part, pieces: &mut Pieces) -> Result<(), Fault> {
        if let Some(text) = part.text.filter(|text| !text.is_empty()) {
            let (whole, piece) = if part.thought {
                (&mut self.reasoning, &mut pieces.reasoning)
            } else {
                (&mut self.content, &mut pieces.text)
            };
            whole.push_str(&text);
            piece.get_or_insert_default().push_str(&text);
        }
        let Some(call) = part.function_call else { return Ok(()) };
        if self.calls.len() == MAX_CALLS {
            return Err(Fault::too_many_calls());
        }
        pieces.call = true;
        // Calls mostly have no id; one is needed to tell the results of two calls of a tool apart.
        let id = call.id.filter(|id| !id.is_empty()).unwrap_or_else(|| fresh_id(self.calls.len()));
        let arguments = call.args.map_or_else(|| "{}".to_owned(), |args| args.to_string());
        let function = FunctionCall { name: call.name, arguments };
        let mut call = ToolCall { id, kind: "function".to_owned(), function, other: Map::new() };
        if let Some(signature) = part.thought_signature {
            contents::keep_signature(&mut call, &signature);
        }
        self.calls.push(call);
        Ok(())
    }
}

impl Counts {
    fn usage(self) -> Usage {
        let input = self.prompt_token_count.saturating_add(self.tool_use_prompt_token_count);
        Usage {
            // Thoughts are paid for as output.
            output: self.candidates_token_count.saturating_add(self.thoughts_token_count),
            input,
            cached: self.cached_content_token_count.min(input),
            cache_writes: 0,
        }
    }
}

/// An id that no other call of the conversation has.
fn fresh_id(place: usize) -> String {
    let mut random = [0; 8];
    // Without randomness the place must do: ids need only differ within one answer for most purposes.
    let _ = getrandom::fill(&mut random);
    format!("call_{place}_{}", Hex(&random))
}

fn finish(reason: &str) -> Result<FinishReason, Fault> {
    Ok(match reason {
        "MAX_TOKENS" => FinishReason::Length,
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT" => FinishReason::ContentFilter,
        // The model wrote something that is no call; the next time it may do better.
        "MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL" | "MISSING_THOUGHT_SIGNATURE" => {
            let message = Some(format!("the model ended with {reason}"));
            return Err(Fault::Failed(Box::new(ErrorBody { message, ..ErrorBody::default() })));
        }
        _ => FinishReason::Stop,
    })
}
