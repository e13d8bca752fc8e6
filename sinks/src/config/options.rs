//! The second stage: the options that only one type of sink has.

use serde::de::DeserializeOwned;

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
        (Err(error), _) => Err(explain(index, &track.path(), &error)),
    }
}

/// serde repeats the name of an unknown or missing field in its message; here the path says it.
fn explain(index: usize, path: &serde_path_to_error::Path, error: &serde_json::Error) -> OptionsError {
    let message = error.to_string();
    let key = match path.to_string().as_str() {
        "." => String::new(),
        key => key.to_owned(),
    };
    for what in ["unknown field", "missing field"] {
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
            return OptionsError::new(index, &key, format!("{what}{}", rest.replace('`', "")));
        }
    }
    OptionsError::new(index, &key, message)
}

fn path_of(index: usize, key: &str) -> String {
    match key {
        "" => format!("telemetry.sinks[{index}].options"),
        key => format!("telemetry.sinks[{index}].options.{key}"),
    }
}
