//! Type name to builder: the one line that a new sink adds.

use picoclaw_telemetry::sink::{Sink, Transport};

use crate::config::{OptionsError, SinkConfig};
use crate::context::Context;

/// A sink that is ready to run.
pub struct Built {
    /// Folds and encodes.
    pub sink: Box<dyn Sink>,
    /// Sends; absent for a sink that is only asked.
    pub transport: Option<Box<dyn Transport>>,
}

/// Why a sink cannot be built. Nothing was opened, sent or changed.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// An option is wrong.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// There is no such type.
    #[error("telemetry.sinks[{index}].type: unknown sink type \"{kind}\", expected one of {known}")]
    UnknownType {
        /// Which entry.
        index: usize,
        /// What it says.
        kind: String,
        /// What it could say.
        known: String,
    },
}

type Builder = fn(&SinkConfig, usize, &Context) -> Result<Built, BuildError>;

const BUILDERS: &[(&str, Builder)] = &[
    #[cfg(feature = "prometheus")]
    ("prometheus", crate::prometheus::build),
    #[cfg(feature = "datadog")]
    ("datadog", crate::datadog::build),
    #[cfg(feature = "newrelic")]
    ("newrelic", crate::newrelic::build),
    #[cfg(feature = "jsonlog")]
    ("jsonlog", crate::jsonlog::build),
    #[cfg(feature = "plugin")]
    ("plugin", crate::plugin::build),
];

/// The names of all types.
pub fn known_types() -> Vec<&'static str> {
    BUILDERS.iter().map(|(kind, _)| *kind).collect()
}

/// Builds the sink of entry `index` of `telemetry.sinks`.
///
/// # Errors
///
/// When the type is unknown or an option is wrong.
pub fn build(config: &SinkConfig, index: usize, context: &Context) -> Result<Built, BuildError> {
    let found = BUILDERS.iter().find(|(kind, _)| *kind == config.kind);
    let (_, builder) = found.ok_or_else(|| BuildError::UnknownType {
        index,
        kind: config.kind.clone(),
        known: known_types().join(", "),
    })?;
    builder(config, index, context)
}

/// Everything that is wrong with the sink of entry `index`, not only the first thing; empty if it can be built.
pub fn problems(config: &SinkConfig, index: usize, context: &Context) -> Vec<BuildError> {
    let mut config = config.clone();
    let mut found = Vec::new();
    while let Err(error) = build(&config, index, context) {
        let BuildError::Options(wrong) = &error else {
            found.push(error);
            break;
        };
        // Without the wrong option the others show what is wrong with them. An option that is missing ends it: either
        // it is missed because of what was taken out here, or nothing more can be known.
        let key = wrong.option().to_owned();
        let was_there = config.options.as_object_mut().and_then(|options| options.remove(&key)).is_some();
        if was_there || found.is_empty() {
            found.push(error);
        }
        if !was_there {
            break;
        }
    }
    found
}

#[cfg(test)]
#[cfg(all(feature = "jsonlog", feature = "datadog"))]
mod tests {
    use picoclaw_telemetry::Bus;
    use serde_json::json;

    use super::*;

    fn all(kind: &str, options: &serde_json::Value) -> Vec<String> {
        let options = options.as_object().unwrap().clone();
        let config = SinkConfig::new(kind).with_options(options);
        let found = problems(&config, 2, &crate::testing::context(&Bus::new(8)));
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_wrong_option_is_found() {
        let wrong = json!({ "path": "/x/", "format": "xml", "level": "loud", "mode": 640, "compress": "no",
                            "max_backups": -1, "colour": 1 });
        assert_eq!(
            all("jsonlog", &wrong),
            [
                "telemetry.sinks[2].options.colour: unknown field, expected one of path, format, level, max_size_mb, \
                 max_backups, max_age_days, compress, mode",
                "telemetry.sinks[2].options.compress: invalid value \"no\": expected true or false",
                "telemetry.sinks[2].options.format: invalid value \"xml\": expected one of json, text",
                "telemetry.sinks[2].options.level: invalid value \"loud\": expected one of debug, info, warn, error",
                "telemetry.sinks[2].options.max_backups: invalid value -1: expected an integer of at least 0",
                "telemetry.sinks[2].options.mode: invalid value 640: expected a text in quotes",
                "telemetry.sinks[2].options.path: \"/x/\" is a directory; add the file's name",
            ]
        );
        assert_eq!(
            all("jsonlog", &json!({})),
            ["telemetry.sinks[2].options.path: missing: expected a value"]
        );
        assert!(all("statsd", &json!({}))[0].contains("unknown sink type"));
        assert!(all("jsonlog", &json!({ "path": "stdout" })).is_empty());
    }

    #[cfg(feature = "plugin")]
    #[test]
    fn a_wrong_option_is_not_said_to_be_missing_as_well() {
        assert_eq!(
            all("plugin", &json!({ "command": ["python3", "x.py"] })),
            [
                "telemetry.sinks[2].options.command: \"python3\" is not an absolute path; give the whole path, such as \
                 /usr/bin/python3"
            ]
        );
        assert_eq!(all("plugin", &json!({})).len(), 1);
    }

    #[test]
    fn options_that_exclude_one_another_are_said_once() {
        let both = json!({ "socket": "/run/x", "address": "h:1", "tags": "a:b" });
        let found = all("datadog", &both);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].ends_with("options.tags: invalid value \"a:b\": expected a list in []"),
            "{found:?}"
        );
        assert!(found[1].contains("options.socket: expected either"), "{found:?}");
    }
}
