//! Reading one sink, and what is said about a wrong one.

use super::*;
use serde_json::json;

fn read(value: Value) -> SinkConfig {
    serde_json::from_value(value).unwrap()
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Strict {
    tags: Vec<String>,
    port: u16,
    inner: Inner,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Inner {
    every_ms: u64,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Lenient {
    path: String,
}

fn error_of<T: serde::de::DeserializeOwned + fmt::Debug>(options: impl Into<Value>) -> String {
    let config = read(json!({"type": "x", "options": options.into()}));
    parse_options::<T>(&config, 0).unwrap_err().to_string()
}

#[test]
fn a_type_alone_is_a_sink() {
    let config = read(json!({"type": "prometheus"}));
    assert_eq!(config, SinkConfig::new("prometheus"));
    assert_eq!(config.name(), "prometheus");
    assert!(config.enabled && !config.critical);
    assert_eq!(config.buffer.max_events, 10_000);
    assert_eq!(config.retry.give_up_ms, 300_000);
}

#[test]
fn all_settings_are_read_and_written_back() {
    let text = json!({
        "type": "datadog", "name": "dd", "enabled": false, "critical": true,
        "filter": {"min_level": "warn", "include": ["agent.*"], "exclude": ["agent.llm.delta"]},
        "buffer": {"max_events": 5, "max_bytes": 6, "when_full": "drop_newest"},
        "retry": {"initial_ms": 1, "max_ms": 2, "give_up_ms": 3},
        "options": {"address": "127.0.0.1:8125"}
    });
    let config = read(text.clone());
    assert_eq!(config.filter.min_level, Some(Level::Warn));
    assert_eq!(config.buffer.when_full, WhenFull::DropNewest);
    assert_eq!(serde_json::to_value(&config).unwrap(), text);
}

#[test]
fn levels_of_other_loggers_are_understood() {
    assert_eq!(level_from_word("WARNING"), Some(Level::Warn));
    assert_eq!(level_from_word("trace"), Some(Level::Debug));
    assert_eq!(level_from_word(" fatal "), Some(Level::Error));
    assert_eq!(level_from_word("loud"), None);
}

#[test]
fn an_unknown_option_is_named_with_the_ones_that_exist() {
    assert_eq!(
        error_of::<Strict>(json!({"tagz": []})),
        "telemetry.sinks[0].options.tagz: unknown field, expected one of tags, port, inner"
    );
    assert_eq!(
        error_of::<Strict>(json!({"inner": {"every": 1}})),
        "telemetry.sinks[0].options.inner.every: unknown field, expected every_ms"
    );
}

#[test]
fn an_unknown_option_is_an_error_even_if_the_type_would_ignore_it() {
    assert_eq!(
        error_of::<Lenient>(json!({"path": "/x", "pahT": 1})),
        "telemetry.sinks[0].options.pahT: unknown field"
    );
}

#[test]
fn a_missing_option_and_a_wrong_value_are_named() {
    assert_eq!(error_of::<Lenient>(json!({})), "telemetry.sinks[0].options.path: missing: expected a value");
    assert!(
        error_of::<Strict>(json!({"tags": ["a", 2]})).starts_with("telemetry.sinks[0].options.tags[1]: "),
        "{}",
        error_of::<Strict>(json!({"tags": ["a", 2]}))
    );
    for (options, said) in [
        (json!({"port": 70_000}), "port: invalid value 70000: expected an integer between 0 and 65535"),
        (json!({"port": "x"}), "port: invalid value \"x\": expected an integer between 0 and 65535"),
        (
            json!({"port": "8"}),
            "port: invalid value \"8\": expected an integer between 0 and 65535, without quotes",
        ),
        (json!({"tags": "a"}), "tags: invalid value \"a\": expected a list in []"),
        (json!({"tags": [1]}), "tags[0]: invalid value 1: expected a text in quotes"),
        (json!({"inner": 5}), "inner: invalid value 5: expected an object in {}"),
        (
            json!({"inner": {"every_ms": 1.5}}),
            "inner.every_ms: invalid value 1.5: expected an integer of at least 0",
        ),
    ] {
        let error = error_of::<Strict>(options);
        assert!(error.contains(&format!("telemetry.sinks[0].options.{said}")), "{error}");
    }
}

#[test]
fn good_options_are_read() {
    let config = read(json!({"type": "x", "options": {"port": 9, "inner": {"every_ms": 5}}}));
    let expected = Strict { tags: vec![], port: 9, inner: Inner { every_ms: 5 } };
    assert_eq!(parse_options::<Strict>(&config, 3), Ok(expected));
    assert_eq!(parse_options::<Strict>(&SinkConfig::new("x"), 0), Ok(Strict::default()));
}

#[test]
fn options_must_be_an_object() {
    let error = serde_json::from_value::<SinkConfig>(json!({"type": "x", "options": 5})).unwrap_err();
    assert!(error.to_string().contains("expected a map"), "{error}");
}

#[test]
fn debug_output_shows_no_option_values() {
    let config = read(json!({"type": "x", "options": {"token": "hunter2"}}));
    let text = format!("{config:?}");
    assert!(text.contains("token") && !text.contains("hunter2"), "{text}");
}
