//! The words of a conversation, in the shape in which sessions store them and providers receive them.
//!
//! A [`Message`] is one line of a session's JSONL file, compatible with the format of the existing PicoClaw.
//!
//! * [`courier`]: how tools and jobs send messages to chats.
//! * [`image_type`]: which files are images that providers take.

pub mod courier;
pub mod image_type;

use std::ops::Deref;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

/// The field of a stored message that holds its images.
pub const MEDIA: &str = "media";

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions of the operator.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The result of a tool call.
    Tool,
}

impl Role {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// The text; empty for an assistant message that only calls tools.
    #[serde(default)]
    pub content: String,
    /// The configured name of the model that wrote an assistant message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_name: Option<String>,
    /// When it was written, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// The model's reasoning, where a provider reveals it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// Calls that the model asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// On a tool message: the call that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// Fields of the existing format that this gateway does not read, kept so that nothing is lost.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

impl Message {
    /// A message with a role and a text and nothing else.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self {
            role,
            content: content.into(),
            model_name: None,
            created_at: None,
            reasoning_content: None,
            tool_calls: Vec::new(),
            tool_call_id: None,
            other: serde_json::Map::new(),
        }
    }

    /// What a person says, with images: `data:` URLs, addresses, or paths below the workspace.
    pub fn from_person(content: impl Into<String>, media: Vec<String>) -> Self {
        let mut message = Self::new(Role::User, content);
        if !media.is_empty() {
            message.other.insert(MEDIA.to_owned(), media.into());
        }
        message
    }

    /// The images of the message, as the session keeps them.
    pub fn media(&self) -> &[serde_json::Value] {
        self.other.get(MEDIA).and_then(serde_json::Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The answer to the tool call `id`.
    pub fn tool_result(id: impl Into<String>, content: impl Into<String>) -> Self {
        Self { tool_call_id: Some(id.into()), ..Self::new(Role::Tool, content) }
    }
}

/// A call of a tool that a model asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The provider's id of the call, repeated in the answer.
    pub id: String,
    /// Always `function`.
    #[serde(rename = "type", default = "function")]
    pub kind: String,
    /// Which tool, with what.
    pub function: FunctionCall,
    /// Fields of the existing format that this gateway does not read.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

fn function() -> String {
    "function".to_owned()
}

/// Name and arguments of a [`ToolCall`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionCall {
    /// The tool's name, as the model wrote it: it may be invented.
    pub name: String,
    /// A JSON document as text, as the model wrote it: it may be malformed.
    pub arguments: String,
}

/// A tool offered to a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ToolSpec {
    /// The name by which the model calls it.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// JSON Schema of the arguments.
    pub parameters: serde_json::Value,
}

/// Whose way of writing tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// OpenAI's chat completions.
    OpenAi,
    /// Anthropic's messages.
    Anthropic,
    /// Gemini's contents.
    Gemini,
}

/// The tools offered to a model, in order, and what they look like on the wire: the same for every request, so it is
/// written once.
#[derive(Clone, Debug, Default)]
pub struct ToolSpecs {
    specs: Vec<ToolSpec>,
    written: [OnceLock<Box<RawValue>>; 3],
}

/// For a request without tools.
pub static NO_TOOLS: ToolSpecs =
    ToolSpecs { specs: Vec::new(), written: [OnceLock::new(), OnceLock::new(), OnceLock::new()] };

impl ToolSpecs {
    /// As `encode` writes them for this protocol when they are first asked for.
    pub fn written<'a, T: Serialize>(
        &'a self,
        protocol: Protocol,
        encode: impl FnOnce(&'a [ToolSpec]) -> T,
    ) -> &'a RawValue {
        self.written[protocol as usize]
            .get_or_init(|| to_raw_value(&encode(&self.specs)).expect("specifications always serialise"))
    }
}

impl From<Vec<ToolSpec>> for ToolSpecs {
    fn from(specs: Vec<ToolSpec>) -> Self {
        Self { specs, ..Self::default() }
    }
}

impl Deref for ToolSpecs {
    type Target = [ToolSpec];

    fn deref(&self) -> &[ToolSpec] {
        &self.specs
    }
}

/// Tokens that one or more completions used, as counted by the provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens sent to the model.
    pub input: u64,
    /// Tokens that the model wrote.
    pub output: u64,
    /// Those of `input` that the provider took from its cache.
    pub cached: u64,
    /// Those of `input` that the provider wrote into its cache, where it charges for that.
    pub cache_writes: u64,
}

impl Usage {
    /// Tokens that have nothing to do with a cache.
    pub const fn new(input: u64, output: u64) -> Self {
        Self { input, output, cached: 0, cache_writes: 0 }
    }
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input += other.input;
        self.output += other.output;
        self.cached += other.cached;
        self.cache_writes += other.cache_writes;
    }
}

/// Wishes about how the model writes. `None` leaves the choice to the configuration or the provider.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sampling {
    /// Randomness, 0 to 2.
    pub temperature: Option<f64>,
    /// Longest answer in tokens.
    pub max_tokens: Option<u64>,
    /// Further fields of the OpenAI protocol (`top_p`, `stop`, `seed`, `response_format`, ...), passed on as they are.
    pub extra: serde_json::Map<String, serde_json::Value>,
}

/// Why a completion ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FinishReason {
    /// The model was done.
    #[default]
    Stop,
    /// The limit of tokens was reached.
    Length,
    /// The model asks for tools.
    ToolCalls,
    /// The provider's filter cut the answer.
    ContentFilter,
}

impl FinishReason {
    /// The word of the OpenAI protocol.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
        }
    }
}
