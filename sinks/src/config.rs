//! One entry of `telemetry.sinks`: what every sink has in common, and a second stage for what only one type has.
//!
//! The first stage reads [`SinkConfig`] together with the rest of the configuration and leaves `options` alone. The
//! second, [`parse_options`], reads `options` into the type of the sink's author and names the exact key that is wrong.
//! (serde's `flatten` with `deny_unknown_fields` rejects valid input, and a tagged enum loses the path.)

mod options;

pub use options::{OptionsError, parse_options};

use std::fmt;

use picoclaw_telemetry::words::Level;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// A destination of telemetry events.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SinkConfig {
    /// Which sink: `prometheus`, `datadog`, `newrelic`, `jsonlog`, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// The sink's name in metrics, logs and `/health`. It must be unique; without it, the type is the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether the sink runs.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Whether the gateway is unhealthy while this sink is down.
    #[serde(default)]
    pub critical: bool,
    /// Which events the sink sees.
    #[serde(default)]
    pub filter: Filter,
    /// How much may wait for the destination.
    #[serde(default)]
    pub buffer: BufferConfig,
    /// How a failed delivery is repeated.
    #[serde(default)]
    pub retry: RetryConfig,
    /// Settings of this type of sink.
    #[serde(default = "no_options", deserialize_with = "object")]
    #[schemars(with = "Map<String, Value>")]
    pub options: Value,
}

impl SinkConfig {
    /// A sink of type `kind` with defaults everywhere else.
    pub fn new(kind: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            name: None,
            enabled: true,
            critical: false,
            filter: Filter::default(),
            buffer: BufferConfig::default(),
            retry: RetryConfig::default(),
            options: no_options(),
        }
    }

    /// The same sink with other options.
    pub fn with_options(self, options: Map<String, Value>) -> Self {
        Self { options: Value::Object(options), ..self }
    }

    /// The sink's name: the configured one, else its type.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.kind)
    }
}

/// Options show only their keys: a value may be a secret.
impl fmt::Debug for SinkConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options: Vec<&String> = self.options.as_object().into_iter().flat_map(Map::keys).collect();
        f.debug_struct("SinkConfig")
            .field("kind", &self.kind)
            .field("name", &self.name)
            .field("enabled", &self.enabled)
            .field("critical", &self.critical)
            .field("filter", &self.filter)
            .field("buffer", &self.buffer)
            .field("retry", &self.retry)
            .field("options", &options)
            .finish()
    }
}

/// Which events a sink sees. An event passes if it matters enough, matches an `include` (or there is none) and
/// matches no `exclude`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Filter {
    /// The least important level that passes; without it, all pass.
    #[serde(deserialize_with = "optional_level", serialize_with = "level_as_word")]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "level"))]
    pub min_level: Option<Level>,
    /// Patterns of event kinds that pass, such as `agent.*`; empty: all.
    pub include: Vec<String>,
    /// Patterns of event kinds that do not pass.
    pub exclude: Vec<String>,
}

/// How much may wait for a destination that is slow or down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct BufferConfig {
    /// Most events that wait, beside those of a batch that is on its way.
    #[schemars(range(min = 1))]
    pub max_events: usize,
    /// Most bytes that wait.
    #[schemars(range(min = 1))]
    pub max_bytes: usize,
    /// What goes when there is no room.
    pub when_full: WhenFull,
}

impl Default for BufferConfig {
    fn default() -> Self {
        Self { max_events: 10_000, max_bytes: 8 * 1024 * 1024, when_full: WhenFull::DropOldest }
    }
}

/// What goes when a buffer is full. There is no way to wait: a sink never slows the gateway down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenFull {
    /// The event that has waited longest.
    #[default]
    DropOldest,
    /// The event that has just come.
    DropNewest,
}

/// How a failed delivery is repeated: the pause doubles from `initial_ms` up to `max_ms`, with jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RetryConfig {
    /// The first pause, in milliseconds.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub initial_ms: u64,
    /// The longest pause, in milliseconds.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub max_ms: u64,
    /// After how many milliseconds a delivery is given up and counted as dropped.
    #[schemars(range(max = 86_400_000))]
    pub give_up_ms: u64,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self { initial_ms: 250, max_ms: 30_000, give_up_ms: 300_000 }
    }
}

/// The level that `word` means, whatever its case. Words of other loggers are understood: `trace` is `debug`,
/// `warning` is `warn`, and `fatal`, `panic` and `critical` are `error`.
pub fn level_from_word(word: &str) -> Option<Level> {
    let word = word.trim().to_ascii_lowercase();
    match word.as_str() {
        "trace" => Some(Level::Debug),
        "warning" => Some(Level::Warn),
        "fatal" | "panic" | "critical" => Some(Level::Error),
        other => other.parse().ok(),
    }
}

/// Reads a level from its word; for `#[serde(deserialize_with)]`.
pub fn deserialize_level<'de, D: Deserializer<'de>>(from: D) -> Result<Level, D::Error> {
    let word = String::deserialize(from)?;
    level_from_word(&word).ok_or_else(|| {
        serde::de::Error::custom(format_args!(
            "invalid value {word:?}: expected one of debug, info, warn, error"
        ))
    })
}

fn optional_level<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Level>, D::Error> {
    #[derive(Deserialize)]
    struct Word(#[serde(deserialize_with = "deserialize_level")] Level);
    Ok(Option::<Word>::deserialize(from)?.map(|word| word.0))
}

#[expect(clippy::ref_option, reason = "the signature that serde asks for")]
fn level_as_word<S: Serializer>(level: &Option<Level>, to: S) -> Result<S::Ok, S::Error> {
    level.map(Level::as_str).serialize(to)
}

fn object<'de, D: Deserializer<'de>>(from: D) -> Result<Value, D::Error> {
    Option::<Map<String, Value>>::deserialize(from).map(|map| Value::Object(map.unwrap_or_default()))
}

fn no_options() -> Value {
    Value::Object(Map::new())
}

const fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests;
