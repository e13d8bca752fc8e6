//! The request's body, written straight from the conversation into bytes.

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Map, Value, json};

use super::blocks;
use crate::chat::{Protocol, ToolSpec};
use crate::providers::exchange::Fields;
use crate::providers::provider::ChatRequest;
use crate::providers::spec::Thinking;

/// The longest answer when nobody says: the protocol wants a number.
const MAX_TOKENS: u64 = 4096;
/// The least that a model may be told to think.
const LEAST_BUDGET: u64 = 1024;

/// What a server wants to be asked like, by the configuration.
#[derive(Clone, Debug)]
pub(super) struct Dialect {
    /// Fields that win over the gateway's own.
    pub(super) extra_body: Map<String, Value>,
    /// How much the model thinks.
    pub(super) thinking: Option<Thinking>,
}

/// What a model turned out to want.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Habits {
    /// It refuses `temperature`.
    pub(super) no_temperature: bool,
    /// It decides itself how many tokens it thinks, and takes only an effort.
    pub(super) adaptive_only: bool,
}

/// The body of one request.
pub(super) struct Body<'a> {
    pub(super) request: &'a ChatRequest<'a>,
    pub(super) dialect: &'a Dialect,
    pub(super) stream: bool,
    pub(super) habits: Habits,
}

impl Body<'_> {
    /// The bytes to send.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let Self { request, dialect, stream, habits } = self;
        let sampling = request.sampling;
        let max_tokens = sampling.max_tokens.unwrap_or(MAX_TOKENS);
        let thinking = self.thinking(max_tokens);
        let mut fields = Fields::new(1024, &dialect.extra_body);
        fields.put("model", &model(request.model));
        fields.put("max_tokens", &max_tokens);
        if let Some(system) = blocks::system(request.messages) {
            fields.put("system", &system);
        }
        fields.put("messages", &blocks::turns(request.messages, thinking.is_some()));
        if !request.tools.is_empty() {
            fields.put("tools", request.tools.written(Protocol::Anthropic, Tools));
        }
        if *stream {
            fields.put("stream", &true);
        }
        let extra = |name: &str| sampling.extra.get(name).filter(|value| !value.is_null());
        // A model that thinks takes neither, and no model both.
        match (extra("top_p"), sampling.temperature) {
            _ if thinking.is_some() => {}
            (Some(top_p), _) => fields.put("top_p", top_p),
            (None, Some(temperature)) if !habits.no_temperature => {
                fields.put("temperature", &temperature.min(1.0));
            }
            _ => {}
        }
        if let Some((thinking, output_config)) = thinking {
            fields.put("thinking", &thinking);
            if let Some(config) = output_config {
                fields.put("output_config", &config);
            }
        }
        if let Some(stop) = extra("stop") {
            let stop = if stop.is_array() { stop.clone() } else { json!([stop]) };
            fields.put("stop_sequences", &stop);
        }
        fields.end()
    }

    /// `thinking` and `output_config`.
    fn thinking(&self, max_tokens: u64) -> Option<(Value, Option<Value>)> {
        let level = self.dialect.thinking.filter(|_| blocks::may_think(self.request.messages))?;
        let adaptive = |effort: Option<&str>| {
            let config = effort.map(|effort| json!({ "effort": effort }));
            (json!({ "type": "adaptive" }), config)
        };
        let (budget, effort) = match level {
            Thinking::Adaptive => return Some(adaptive(None)),
            Thinking::Low => (4_096, "low"),
            Thinking::Medium => (16_384, "medium"),
            Thinking::High => (32_000, "high"),
            Thinking::XHigh => (64_000, "xhigh"),
        };
        if self.habits.adaptive_only {
            return Some(adaptive(Some(effort)));
        }
        // What is thought counts as answer, of which something must be left.
        let budget = budget.min(max_tokens / 4 * 3);
        let enabled = json!({ "type": "enabled", "budget_tokens": budget });
        (budget >= LEAST_BUDGET).then_some((enabled, None))
    }
}

/// Claude's names are often written with the dot of their version, which the API does not know.
fn model(name: &str) -> String {
    if name.starts_with("claude") { name.replace('.', "-") } else { name.to_owned() }
}

struct Tools<'a>(&'a [ToolSpec]);

impl Serialize for Tools<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Tool))
    }
}

struct Tool<'a>(&'a ToolSpec);

impl Serialize for Tool<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("name", &self.0.name)?;
        map.serialize_entry("description", &self.0.description)?;
        map.serialize_entry("input_schema", &self.0.parameters)?;
        map.end()
    }
}
