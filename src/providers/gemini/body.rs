//! The request's body.

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Map, Value, json};

use super::contents;
use crate::chat::{Protocol, ToolSpec};
use crate::providers::exchange::Fields;
use crate::providers::provider::ChatRequest;
use crate::providers::spec::Thinking;

/// What a server wants to be asked like, by the configuration.
#[derive(Clone, Debug)]
pub(super) struct Dialect {
    /// Fields that win over the gateway's own.
    pub(super) extra_body: Map<String, Value>,
    /// How much the model thinks.
    pub(super) thinking: Option<Thinking>,
}

/// The body of one request.
pub(super) struct Body<'a> {
    pub(super) request: &'a ChatRequest<'a>,
    pub(super) dialect: &'a Dialect,
}

impl Body<'_> {
    /// The bytes to send.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let Self { request, dialect } = self;
        let mut fields = Fields::new(1024, &dialect.extra_body);
        fields.put("contents", &contents::turns(request.messages, !is_early(request.model)));
        let system = contents::system(request.messages);
        if !system.is_empty() {
            fields.put("systemInstruction", &System { parts: system });
        }
        if !request.tools.is_empty() {
            let tools = request.tools.written(Protocol::Gemini, |declarations| [Tools { declarations }]);
            fields.put("tools", tools);
        }
        let config = self.generation_config();
        if !config.is_empty() {
            fields.put("generationConfig", &config);
        }
        fields.end()
    }

    fn generation_config(&self) -> Map<String, Value> {
        let sampling = self.request.sampling;
        let extra = |name: &str| sampling.extra.get(name).filter(|value| !value.is_null()).cloned();
        let stop = extra("stop").map(|stop| if stop.is_array() { stop } else { json!([stop]) });
        let fields = [
            ("temperature", sampling.temperature.map(Value::from)),
            ("maxOutputTokens", sampling.max_tokens.map(Value::from)),
            ("topP", extra("top_p")),
            ("topK", extra("top_k")),
            ("seed", extra("seed")),
            ("stopSequences", stop),
            ("thinkingConfig", self.dialect.thinking.map(|level| thinking(level, self.request.model))),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

/// Models from Gemini 3 on take a level, earlier ones a number of tokens, of which -1 leaves it to the model.
fn thinking(level: Thinking, model: &str) -> Value {
    let (budget, word) = match level {
        Thinking::Low => (1_024, Some("low")),
        Thinking::Medium => (8_192, Some("medium")),
        Thinking::High | Thinking::XHigh => (24_576, Some("high")),
        Thinking::Adaptive => (-1, None),
    };
    match word {
        _ if is_early(model) => json!({ "thinkingBudget": budget, "includeThoughts": true }),
        Some(word) => json!({ "thinkingLevel": word, "includeThoughts": true }),
        None => json!({ "includeThoughts": true }),
    }
}

/// Whether the model is of a generation before Gemini 3.
fn is_early(model: &str) -> bool {
    ["gemini-1", "gemini-2", "gemma"].iter().any(|early| model.contains(early))
}

#[derive(serde::Serialize)]
struct System<'a> {
    parts: Vec<contents::Part<'a>>,
}

#[derive(serde::Serialize)]
struct Tools<'a> {
    #[serde(rename = "functionDeclarations", serialize_with = "declarations")]
    declarations: &'a [ToolSpec],
}

fn declarations<S: Serializer>(tools: &&[ToolSpec], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(tools.iter().map(Declaration))
}

struct Declaration<'a>(&'a ToolSpec);

impl Serialize for Declaration<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(tool) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &tool.name)?;
        map.serialize_entry("description", &tool.description)?;
        // An object without properties is refused; a function without parameters is not.
        let takes_nothing = tool.parameters["properties"].as_object().is_none_or(Map::is_empty);
        if !takes_nothing {
            map.serialize_entry("parametersJsonSchema", &tool.parameters)?;
        }
        map.end()
    }
}
