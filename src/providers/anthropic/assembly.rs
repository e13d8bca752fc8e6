//! One completion out of blocks, whether they come whole or piece by piece.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::blocks;
use crate::chat::{FinishReason, FunctionCall, ToolCall, Usage};
use crate::providers::exchange::{Assembly, ErrorBody, Fault, MAX_CALLS, Pieces, Step};
use crate::providers::provider::Completion;

/// Most blocks of one answer.
const MAX_BLOCKS: usize = 8 * MAX_CALLS;

/// An event, or an answer that came as one document. Unknown fields and types are ignored, as the protocol asks.
#[derive(Debug, Deserialize)]
struct Event {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    message: Option<Message>,
    #[serde(default)]
    index: u64,
    #[serde(default)]
    content_block: Option<Value>,
    #[serde(default)]
    delta: Option<Delta>,
    #[serde(default)]
    usage: Option<Counts>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Message {
    #[serde(default)]
    content: Vec<Value>,
    #[serde(default)]
    stop_reason: Option<String>,
    #[serde(default)]
    usage: Option<Counts>,
}

#[derive(Debug, Deserialize)]
struct Delta {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    thinking: Option<String>,
    #[serde(default)]
    signature: Option<String>,
    #[serde(default)]
    partial_json: Option<String>,
    #[serde(default)]
    stop_reason: Option<String>,
}

/// Token counts. Later ones complete or replace earlier ones.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct Counts {
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
    #[serde(default)]
    cache_creation_input_tokens: Option<u64>,
    #[serde(default)]
    cache_read_input_tokens: Option<u64>,
}

#[derive(Debug)]
enum Block {
    Text,
    Thinking { thinking: String, signature: String },
    Redacted(Value),
    Call { id: String, name: String, input: Value, written: String },
    Other,
}

/// An answer in the making.
#[derive(Debug, Default)]
pub(super) struct Answer {
    content: String,
    reasoning: String,
    blocks: Vec<(u64, Block)>,
    calls: usize,
    finish: Option<FinishReason>,
    counts: Option<Counts>,
    begun: bool,
}

impl Assembly for Answer {
    fn event(&mut self, data: &[u8]) -> Result<Step, Fault> {
        if data.trim_ascii().is_empty() {
            return Ok(Step::Part(Pieces::default()));
        }
        let event: Event = serde_json::from_slice(data)?;
        let pieces = match event.kind.as_str() {
            "message_start" => {
                self.begun = true;
                let usage = event.message.and_then(|message| message.usage);
                self.count(usage);
                Pieces::default()
            }
            "content_block_start" => match event.content_block {
                Some(block) => self.begin(event.index, block)?,
                None => Pieces::default(),
            },
            "content_block_delta" => match event.delta {
                Some(delta) => self.grow(event.index, delta)?,
                None => Pieces::default(),
            },
            "message_delta" => {
                self.count(event.usage);
                self.end(event.delta.and_then(|delta| delta.stop_reason));
                Pieces::default()
            }
            "message_stop" => return Ok(Step::Done),
            "error" => return Err(failed(event.error)),
            // `ping`, `content_block_stop`, and whatever comes to be.
            _ => Pieces::default(),
        };
        Ok(Step::Part(pieces))
    }

    fn document(&mut self, body: &[u8]) -> Result<Pieces, Fault> {
        let event: Event = serde_json::from_slice(body)?;
        if event.kind == "error" || event.error.is_some() {
            return Err(failed(event.error));
        }
        let message: Message = serde_json::from_slice(body)?;
        self.begun = event.kind == "message" || !message.content.is_empty();
        self.count(message.usage);
        let mut all = Pieces::default();
        for (index, block) in (0..).zip(message.content) {
            let pieces = self.begin(index, block)?;
            all.call |= pieces.call;
            append(&mut all.text, pieces.text);
            append(&mut all.reasoning, pieces.reasoning);
        }
        self.end(message.stop_reason);
        Ok(all)
    }

    fn has_begun(&self) -> bool {
        self.begun
    }

    fn is_finished(&self) -> bool {
        self.finish.is_some()
    }

    fn complete(self) -> Completion {
        let usage = self.usage();
        let mut thoughts = Vec::new();
        let mut tool_calls = Vec::new();
        for (_, block) in self.blocks {
            match block {
                Block::Thinking { thinking, signature } => {
                    thoughts
                        .push(json!({ "type": "thinking", "thinking": thinking, "signature": signature }));
                }
                Block::Redacted(block) => thoughts.push(block),
                Block::Call { id, name, input, written } => {
                    let arguments = if written.is_empty() { input.to_string() } else { written };
                    tool_calls.push(ToolCall {
                        id,
                        kind: "function".to_owned(),
                        function: FunctionCall { name, arguments },
                        other: Map::new(),
                    });
                }
                Block::Text | Block::Other => {}
            }
        }
        if let (Some(call), false) = (tool_calls.first_mut(), thoughts.is_empty()) {
            blocks::keep_thoughts(call, &thoughts);
        }
        Completion {
            content: self.content,
            reasoning: (!self.reasoning.is_empty()).then_some(self.reasoning),
            tool_calls,
            finish: self.finish.unwrap_or_default(),
            usage,
            time_to_first_token: None,
        }
    }
}

impl Answer {
    fn begin(&mut self, index: u64, block: Value) -> Result<Pieces, Fault> {
        if self.blocks.len() == MAX_BLOCKS {
            return Err(Fault::Malformed(format!("the answer has more than {MAX_BLOCKS} blocks")));
        }
        let text = |name: &str| block[name].as_str().unwrap_or_default().to_owned();
        let mut pieces = Pieces::default();
        let begun = match block["type"].as_str().unwrap_or_default() {
            "text" => {
                pieces.text = self.write(&text("text"));
                Block::Text
            }
            "thinking" => {
                let thinking = text("thinking");
                pieces.reasoning = self.think(&thinking);
                Block::Thinking { thinking, signature: text("signature") }
            }
            "redacted_thinking" => Block::Redacted(block),
            "tool_use" => {
                self.calls += 1;
                if self.calls > MAX_CALLS {
                    return Err(Fault::too_many_calls());
                }
                pieces.call = true;
                let input = if block["input"].is_null() { json!({}) } else { block["input"].clone() };
                Block::Call { id: text("id"), name: text("name"), input, written: String::new() }
            }
            _ => Block::Other,
        };
        self.blocks.push((index, begun));
        Ok(pieces)
    }

    fn grow(&mut self, index: u64, delta: Delta) -> Result<Pieces, Fault> {
        let Some((_, block)) = self.blocks.iter_mut().find(|(known, _)| *known == index) else {
            return Err(Fault::Malformed(format!("a piece of block {index}, which has not begun")));
        };
        let mut pieces = Pieces::default();
        match block {
            Block::Text => pieces.text = self.write(&delta.text.unwrap_or_default()),
            Block::Thinking { thinking, signature } => {
                signature.push_str(&delta.signature.unwrap_or_default());
                let thought = delta.thinking.unwrap_or_default();
                thinking.push_str(&thought);
                pieces.reasoning = self.think(&thought);
            }
            Block::Call { written, .. } => {
                written.push_str(&delta.partial_json.unwrap_or_default());
                pieces.call = true;
            }
            Block::Redacted(_) | Block::Other => {}
        }
        Ok(pieces)
    }

    fn write(&mut self, text: &str) -> Option<String> {
        self.content.push_str(text);
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn think(&mut self, text: &str) -> Option<String> {
        self.reasoning.push_str(text);
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn end(&mut self, reason: Option<String>) {
        if let Some(reason) = reason {
            self.finish = Some(match reason.as_str() {
                "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
                "tool_use" => FinishReason::ToolCalls,
                "refusal" => FinishReason::ContentFilter,
                _ => FinishReason::Stop,
            });
        }
    }

    fn count(&mut self, new: Option<Counts>) {
        let Some(new) = new else { return };
        let old = self.counts.unwrap_or_default();
        self.counts = Some(Counts {
            input_tokens: new.input_tokens.or(old.input_tokens),
            output_tokens: new.output_tokens.or(old.output_tokens),
            cache_creation_input_tokens: new.cache_creation_input_tokens.or(old.cache_creation_input_tokens),
            cache_read_input_tokens: new.cache_read_input_tokens.or(old.cache_read_input_tokens),
        });
    }

    /// The protocol counts what has to do with the cache apart from other input.
    fn usage(&self) -> Option<Usage> {
        let counts = self.counts?;
        let cached = counts.cache_read_input_tokens.unwrap_or(0);
        let cache_writes = counts.cache_creation_input_tokens.unwrap_or(0);
        let fresh = counts.input_tokens.unwrap_or(0);
        Some(Usage {
            input: fresh.saturating_add(cached).saturating_add(cache_writes),
            output: counts.output_tokens.unwrap_or(0),
            cached,
            cache_writes,
        })
    }
}

fn append(all: &mut Option<String>, more: Option<String>) {
    if let Some(more) = more {
        all.get_or_insert_default().push_str(&more);
    }
}

fn failed(error: Option<Value>) -> Fault {
    Fault::Failed(Box::new(ErrorBody::read(&error.unwrap_or_default())))
}
