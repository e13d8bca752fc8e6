//! The second stage: the options that only one type of sink has.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

use super::SinkConfig;

/// An option of a sink that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct OptionsError {
    /// Where, from the root of the configuration: `telemetry.sinks[0].options.tags[2]`.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl OptionsError {
    /// A problem with the option `key` of the sink at `index` that its type cannot express.
    pub fn new(index: usize, key: &str, message: impl Into<String>) -> Self {
        Self { path: path_of(index, key), message: message.into() }
    }

    /// The option at fault, without what is inside it: `tags` of `telemetry.sinks[0].options.tags[2]`. Empty if it is
    /// the options as a whole.
    pub fn option(&self) -> &str {
        let inside = self.path.split_once(".options.").map_or("", |(_, inside)| inside);
        inside.split(['.', '[']).next().unwrap_or_default()
    }
}

/// Reads the options of the sink that stands at `index` in `telemetry.sinks`.
///
/// Unknown options are errors, whether or not `T` denies them. With `#[serde(deny_unknown_fields)]` on `T` the message
/// also lists the options that there are.
pub fn parse_options<T: DeserializeOwned>(config: &SinkConfig, index: usize) -> Result<T, OptionsError> {
    let mut unknown = None;
    let mut track = serde_path_to_error::Track::new();
    let options = serde_path_to_error::Deserializer::new(&config.options, &mut track);
    let read = serde_ignored::deserialize(options, |path| {
        unknown.get_or_insert_with(|| path.to_string());
    });
    match (read, unknown) {
        (Ok(options), None) => Ok(options),
        (Ok(_), Some(key)) => Err(OptionsError::new(index, &key, "unknown field")),
        (Err(error), _) => Err(explain(index, &track.path(), &config.options, &error)),
    }
}

/// Says it as the other errors of the configuration do: serde repeats the name of an unknown or missing field, and
/// speaks of types.
fn explain(
    index: usize,
    path: &serde_path_to_error::Path,
    options: &Value,
    error: &serde_json::Error,
) -> OptionsError {
    let message = error.to_string();
    let key = match path.to_string().as_str() {
        "." => String::new(),
        key => key.to_owned(),
    };
    for (what, said) in [("unknown field", "unknown field"), ("missing field", "missing: expected a value")] {
        let Some(rest) = message.strip_prefix(what).and_then(|rest| rest.trim_start().strip_prefix('`'))
        else {
            continue;
        };
        if let Some((field, rest)) = rest.split_once('`') {
            let key = match key.rsplit_once('.') {
                _ if key == field => key,
                Some((_, last)) if last == field => key,
                _ if key.is_empty() => field.to_owned(),
                _ => format!("{key}.{field}"),
            };
            return OptionsError::new(index, &key, format!("{said}{}", rest.replace('`', "")));
        }
    }
    let kinds = ["invalid type: ", "invalid value: ", "invalid length ", "unknown variant "];
    let expected = kinds
        .iter()
        .find_map(|kind| message.strip_prefix(kind))
        .and_then(|rest| rest.split_once(", expected "))
        .map(|(_, expected)| expectation(expected));
    match expected {
        Some(expected) => {
            let value = found(options, path);
            let shown = value.map_or_else(|| "***".to_owned(), show);
            let quotes = if fits_without_quotes(value, &expected) { ", without quotes" } else { "" };
            OptionsError::new(index, &key, format!("invalid value {shown}: expected {expected}{quotes}"))
        }
        None => OptionsError::new(index, &key, message),
    }
}

/// serde's words for what would be right, in those of the rest of the configuration.
fn expectation(expected: &str) -> String {
    let integer = |most: u64| format!("an integer between 0 and {most}");
    match expected {
        "u8" => integer(u8::MAX.into()),
        "u16" => integer(u16::MAX.into()),
        "u32" => integer(u32::MAX.into()),
        "u64" | "usize" => "an integer of at least 0".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "an integer".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" | "path string" | "a borrowed string" => "a text in quotes".to_owned(),
        "a sequence" => "a list in []".to_owned(),
        "a map" => "an object in {}".to_owned(),
        _ if expected.starts_with("struct ") => "an object in {}".to_owned(),
        _ => match expected.split_once("` or `") {
            // Of a closed set of words; longer ones are written this way by serde itself.
            Some((first, second)) => format!("one of {first}, {second}").replace('`', ""),
            None => expected.replace('`', ""),
        },
    }
}

/// Whether a text in quotes would be right without them.
fn fits_without_quotes(value: Option<&Value>, expected: &str) -> bool {
    let text = value.and_then(Value::as_str);
    match text.and_then(|text| serde_json::from_str(text).ok()) {
        Some(Value::Bool(_)) => expected == "true or false",
        Some(Value::Number(number)) => {
            expected == "a number" || expected.starts_with("an integer") && !number.is_f64()
        }
        _ => false,
    }
}

/// The value at fault; nothing if it could be a secret.
fn found<'a>(options: &'a Value, path: &serde_path_to_error::Path) -> Option<&'a Value> {
    const SECRETS: [&str; 5] = ["key", "token", "secret", "password", "credential"];
    let mut value = options;
    for segment in path {
        let inner = match segment {
            Segment::Seq { index } => value.get(index),
            Segment::Map { key } => {
                let name = key.to_ascii_lowercase();
                if SECRETS.iter().any(|secret| name.contains(secret)) {
                    return None;
                }
                value.get(key)
            }
            Segment::Enum { .. } | Segment::Unknown => None,
        };
        value = inner.unwrap_or(value);
    }
    Some(value)
}

/// The value for people, short.
fn show(value: &Value) -> String {
    const LONGEST: usize = 60;
    match value {
        Value::Object(_) => "{...}".to_owned(),
        Value::Array(_) => "[...]".to_owned(),
        value => {
            let text = value.to_string();
            match text.char_indices().nth(LONGEST) {
                Some((end, _)) => format!("{}...", &text[..end]),
                None => text,
            }
        }
    }
}

fn path_of(index: usize, key: &str) -> String {
    match key {
        "" => format!("telemetry.sinks[{index}].options"),
        key => format!("telemetry.sinks[{index}].options.{key}"),
    }
}
