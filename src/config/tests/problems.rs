//! What is said about a wrong configuration, and that it is all said.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Home, remarks};
use crate::Severity;

#[test]
fn a_wrong_value_is_shown_with_its_place_and_what_is_right() {
    let home = Home::with_config(json!({
        "gateway": {"port": 99_999, "hot_reload": "yes", "log_level": "loud", "max_connections": 0,
            "health_check": {"port": 0}},
        "session": {"persistence": "disk"},
        "telemetry": {"sinks": [{"name": "x"}]},
        "tools": {"timeout_seconds": "60"}
    }));
    assert_eq!(
        home.problems(),
        [
            "config.json: gateway.health_check.port: invalid value 0: expected a port between 1 and 65535",
            "config.json: gateway.hot_reload: invalid value \"yes\": expected true or false",
            "config.json: gateway.log_level: invalid value \"loud\": expected one of debug, info, warn, error",
            "config.json: gateway.max_connections: invalid value 0: expected an integer of at least 1",
            "config.json: gateway.port: invalid value 99999: expected a port between 0 and 65535",
            "config.json: session.persistence: invalid value \"disk\": expected one of durable, memory",
            "config.json: telemetry.sinks[0].type: missing: expected a text in quotes",
            "config.json: tools.timeout_seconds: invalid value \"60\": expected an integer between 1 and 31536000, without quotes",
        ]
    );
}

#[test]
fn a_section_that_stands_twice_is_noticed() {
    let home = Home::with_config(
        r#"{"gateway": {"port": 1}, "logging": {"level": "info"}, "gateway": {"port": 2}}"#,
    );
    let loaded = home.load();
    assert_eq!(loaded.config.gateway.port, 2);
    assert_eq!(
        remarks(&loaded, Severity::Warning),
        ["config.json: gateway: stands more than once, and only the last one counts: make one of them"]
    );
}

#[test]
fn a_permission_that_is_no_pattern_is_ignored_and_named() {
    let home = Home::with_config(json!({"tools": {"allow_read_paths": ["^/var/log/", "("]}}));
    let warnings = remarks(&home.load(), Severity::Warning);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].starts_with("config.json: tools.allow_read_paths[1]: \"(\" is no regular expression")
    );
}

#[test]
fn the_right_source_is_blamed() {
    let home = Home::with_config(json!({"gateway": {"port": 1}}))
        .file("telemetry.json", json!({"logging": {"max_size": "big"}}))
        .variable("PICOCLAW_GATEWAY_PORT", "high");
    assert_eq!(
        home.problems(),
        [
            "PICOCLAW_GATEWAY_PORT: gateway.port: invalid value \"high\": expected a port between 0 and 65535",
            "telemetry.json: logging.max_size: invalid value \"big\": expected an integer between 0 and 1048576",
        ]
    );
}

#[test]
fn secrets_are_not_shown() {
    let home = Home::with_config(json!({
        "gateway": {"api_key": 123_456_789},
        "model_list": [{"model_name": "a", "model": "b", "api_keys": [987_654_321]}]
    }));
    let problems = home.problems().join("\n");
    assert!(problems.contains("gateway.api_key: invalid value ***"), "{problems}");
    assert!(problems.contains("model_list[0].api_keys[0]: invalid value ***"), "{problems}");
    let home = Home::new().file(".security.yml", "model_list:\n\t- hunter2: x");
    let problems = home.problems().join("\n");
    assert!(problems.contains(".security.yml: line") && !problems.contains("hunter2"), "{problems}");
}

#[test]
fn everything_that_does_not_fit_together_is_said() {
    let home = Home::with_config(json!({
        "agents": {"defaults": {"model_name": "gtp"}},
        "model_list": [{"model_name": "gpt", "model": "openai/gpt"}, {"model": "openai/x"}, {"model_name": "y"}],
        "gateway": {"health_check": {"path": "health"}},
        "logging": {"output": "/var/log/"},
        "telemetry": {"sinks": [
            {"type": "prometheus", "options": {"path": "/reload"}},
            {"type": "prometheus", "options": {"path": "/v1/metrics"}},
            {"type": "promethues", "name": "p", "retry": {"initial_ms": 5, "max_ms": 4}}
        ]}
    }));
    assert_eq!(
        home.problems(),
        [
            "config.json: model_list[1].model_name: missing: expected a name such as \"gpt-4o\"",
            "config.json: model_list[2].model: missing: expected a name such as \"openai/gpt-4o\"",
            "config.json: agents.defaults.model_name: there is no model \"gtp\" in model_list: did you mean \"gpt\"?",
            "config.json: gateway.health_check.path: \"health\" does not begin with /: expected a path such as /metrics",
            "config.json: telemetry.sinks[0].options.path: the path /reload is taken by the gateway: choose another one",
            "config.json: telemetry.sinks[1].options.path: the path /v1/metrics is inside /v1/, which the gateway uses: choose another one",
            "config.json: telemetry.sinks[1].name: the name \"prometheus\" is used by telemetry.sinks[0].name already: give each sink its own name",
            "config.json: telemetry.sinks[2].type: unknown sink type \"promethues\": did you mean \"prometheus\"?",
            "config.json: telemetry.sinks[2].retry.initial_ms: 5 is more than max_ms, 4",
            "config.json: logging.output: \"/var/log/\" is a directory: expected a file, stdout or stderr",
        ]
    );
}

#[test]
fn one_mistake_does_not_hide_the_others() {
    let home = Home::with_config(json!({
        "agents": {"defaults": {"model_name": "gone", "model_fallbacks": "no list"}},
        "gateway": {"port": 99_999, "health_check": {"path": "health"}},
        "model_list": [{"model_name": "gpt", "model": "openai/gpt", "api_keys": ["file://missing.key"]}],
        "telemetry": {"sinks": [{"name": "x"}, {"type": "statsd"}, 5, {"type": "jsonlog", "filter": {"include": "*"}}]}
    }));
    let secret = home.path().join("missing.key");
    assert_eq!(
        home.problems(),
        [
            &format!("config.json: model_list[0].api_keys[0]: there is no secret file {}", secret.display()),
            "config.json: agents.defaults.model_fallbacks: invalid value \"no list\": expected a list in []",
            "config.json: gateway.port: invalid value 99999: expected a port between 0 and 65535",
            "config.json: telemetry.sinks[0].type: missing: expected a text in quotes",
            "config.json: telemetry.sinks[2]: invalid value 5: expected an object in {}",
            "config.json: telemetry.sinks[3].filter.include: invalid value \"*\": expected a list in []",
            "config.json: agents.defaults.model_name: there is no model \"gone\" in model_list: there are gpt, echo",
            "config.json: gateway.health_check.path: \"health\" does not begin with /: expected a path such as /metrics",
            "config.json: telemetry.sinks[1].type: unknown sink type \"statsd\": expected one of prometheus, datadog, newrelic, jsonlog",
        ]
    );
}

#[test]
fn what_only_follows_from_a_mistake_is_not_said() {
    let home = Home::with_config(json!({
        "agents": {"defaults": {"model_name": "gpt"}}, "model_list": [{"model_name": 5, "model": "openai/gpt"}]
    }));
    assert_eq!(
        home.problems(),
        ["config.json: model_list[0].model_name: invalid value 5: expected a text in quotes"]
    );
    let home = Home::with_config(json!({"model_list": [{"model": "openai/gpt"}]}));
    assert_eq!(
        home.problems(),
        ["config.json: model_list[0].model_name: missing: expected a name such as \"gpt-4o\""]
    );
    let home = Home::with_config(json!({"agents": {"defaults": {"model_name": "gpt"}}, "model_list": {}}));
    assert_eq!(home.problems(), ["config.json: model_list: invalid value {...}: expected a list in []"]);
    let home = Home::with_config("{").variable("PICOCLAW_AGENTS_DEFAULTS_MODEL_NAME", "gpt");
    assert_eq!(home.problems().len(), 1, "{:?}", home.problems());
}

#[test]
fn an_empty_file_is_noticed() {
    let home = Home::with_config(" ").file("telemetry.json", "");
    assert_eq!(
        remarks(&home.load(), Severity::Warning),
        ["config.json: the file is empty: using the defaults", "telemetry.json: the file is empty, ignored"]
    );
}

#[test]
fn metrics_and_health_cannot_share_a_path() {
    let home = Home::with_config(json!({"gateway": {"metrics": {"path": "/health"}}}));
    assert_eq!(
        home.problems(),
        [
            "config.json: gateway.metrics.path: the path /health is taken by gateway.health_check.path: choose another one"
        ]
    );
    let home = Home::with_config(
        json!({"gateway": {"health_check": {"path": "/up"}, "metrics": {"path": "/health"}}}),
    );
    home.load();
}

#[test]
fn paths_may_only_meet_where_a_sink_stands_in() {
    // A port of its own does not part them: the gateway has one table of paths.
    for more in [json!({}), json!({"telemetry": {"sinks": [{"type": "prometheus"}]}})] {
        let gateway = json!({"metrics": {"path": "/x"}, "health_check": {"path": "/x", "port": 9000}});
        let mut config = json!({"gateway": gateway});
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(
            Home::with_config(config).problems(),
            [
                "config.json: gateway.metrics.path: the path /x is taken by gateway.health_check.path: choose another one"
            ]
        );
    }
    Home::with_config(
        json!({"telemetry": {"sinks": [{"type": "newrelic", "options": {"path": "/metrics"}}]}}),
    )
    .load();
    Home::with_config(json!({"telemetry": {"sinks": [{"type": "newrelic"}, {"type": "prometheus"}]}})).load();
    let twice =
        json!({"telemetry": {"sinks": [{"type": "newrelic"}, {"type": "newrelic", "name": "second"}]}});
    assert_eq!(
        Home::with_config(twice).problems(),
        [
            "config.json: telemetry.sinks[1].options.path: the path /health is taken by gateway.health_check.path: choose another one"
        ]
    );
}

#[test]
fn a_default_model_that_is_switched_off_is_said() {
    let home = Home::with_config(json!({
        "agents": {"defaults": {"model_name": "a", "model_fallbacks": ["openai/b", "c"]}},
        "model_list": [{"model_name": "a", "model": "x", "enabled": false}, {"model_name": "b", "model": "openai/b"}]
    }));
    assert_eq!(
        home.problems(),
        ["config.json: agents.defaults.model_name: the model \"a\" is not enabled in model_list"]
    );
    let warnings: Vec<_> = home.try_load().unwrap_err().warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "config.json: agents.defaults.model_fallbacks[1]: there is no enabled model \"c\" in model_list, ignored"
        ]
    );
}

#[test]
fn unknown_keys_are_warned_about_and_comments_are_not() {
    let home = Home::with_config(json!({
        "$schema": "x", "_comment": "y", "gatway": {}, "color": 1,
        "gateway": {"prot": 1, "_why": "z"}, "telemetry": {"sinks": [{"type": "jsonlog", "bufer": {}}]}
    }));
    let loaded = home.load();
    assert_eq!(
        remarks(&loaded, Severity::Warning),
        [
            "config.json: color: unknown key, ignored",
            "config.json: gateway.prot: unknown key, ignored (did you mean port?)",
            "config.json: gatway: unknown key, ignored (did you mean gateway?)",
            "config.json: telemetry.sinks[0].bufer: unknown key, ignored (did you mean buffer?)",
        ]
    );
}

#[test]
fn a_syntax_error_shows_the_line_and_other_files_are_still_read() {
    let home =
        Home::with_config("{\n  \"gateway\": {\n    \"port\": 1,\n  }\n}").file("telemetry.json", "[1]");
    assert_eq!(
        home.problems(),
        [
            "config.json: line 4, column 3: trailing comma (remove the comma before it)",
            "telemetry.json: expected an object, such as {\"gateway\": {}}",
        ]
    );
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem() {
    let home = Home::with_config("{}");
    let file = home.path().join("config.json");
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    let problems = home.problems();
    assert!(problems[0].starts_with("config.json: cannot read "), "{problems:?}");
}

#[test]
fn a_report_is_for_people() {
    let home = Home::with_config(
        json!({"gateway": {"prot": 1}, "telemetry": {"sinks": [{"type": "datadog", "name": "dd"}]}}),
    );
    let text = home.report().to_string();
    assert!(text.starts_with("warning: config.json: gateway.prot: "), "{text}");
    assert!(text.ends_with("can be used\ndefault model: echo\nsinks:\n  dd (datadog)"), "{text}");
    let home = Home::with_config(json!({"gateway": {"port": -1}}));
    let report = home.report();
    assert!(!report.is_usable());
    assert!(report.to_string().starts_with("error: config.json: gateway.port: invalid value -1"), "{report}");
}

/// Any JSON, often with the keys of a configuration.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        prop::sample::select(vec!["[NOT_HERE]", "file://x", "enc://y", "/", "echo", "é/ü", "*"])
            .prop_map(Value::from),
    ];
    let key = prop_oneof![
        prop::sample::select(vec![
            "version",
            "agents",
            "defaults",
            "model",
            "model_name",
            "model_list",
            "model_fallbacks",
            "provider",
            "providers",
            "openai",
            "api_key",
            "api_keys",
            "channels",
            "channel_list",
            "allow_from",
            "settings",
            "gateway",
            "port",
            "metrics",
            "path",
            "health_check",
            "telemetry",
            "sinks",
            "type",
            "name",
            "options",
            "filter",
            "min_level",
            "buffer",
            "max_bytes",
            "retry",
            "initial_ms",
            "logging",
            "output",
            "level",
            "tools",
            "web",
            "session",
            "hooks",
            "list",
            "extra_body",
            "fallbacks",
            "enabled",
            "_c",
            "$schema",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,6}",
    ];
    leaf.prop_recursive(6, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is written, the answer is a configuration or problems, and both can be shown.
    #[test]
    fn any_json_is_answered(config in any_json(), sidecar in any_json(), secrets in any_json(), text in "\\PC{0,20}") {
        let home = Home::with_config(config)
            .file("telemetry.json", sidecar)
            .file(".security.yml", secrets)
            .variable("PICOCLAW_GATEWAY_PORT", &text)
            .variable("PICOCLAW_CHANNELS_OPENAI_TOKEN", &text);
        let report = home.report();
        prop_assert!(!report.to_string().is_empty());
    }

    /// The comparison with the schema leaves nothing for the deserialiser to refuse: its errors come one by one.
    #[test]
    fn the_schema_finds_what_the_deserialiser_would(config in any_json()) {
        if let Err(errors) = Home::with_config(config).try_load() {
            for problem in errors.problems {
                prop_assert!(!problem.message.contains("invalid type"), "{problem}");
            }
        }
    }

    #[test]
    fn any_text_is_answered(text in "[\\PC\\n]{0,40}") {
        let home = Home::with_config(&text).file("telemetry.json", &text).file(".security.yml", &text);
        let report = home.report();
        prop_assert!(!report.to_string().is_empty());
    }
}

#[test]
fn deep_nesting_is_refused() {
    let home = Home::with_config("[".repeat(100_000));
    assert!(home.problems()[0].contains("recursion limit"), "{:?}", home.problems());
    let home = Home::new().file(".security.yml", "[".repeat(100_000));
    assert_eq!(home.problems().len(), 1);
}

#[test]
fn a_model_of_a_provider_that_cannot_be_asked_is_left_out_and_said() {
    let models =
        json!([{"model_name": "cli", "model": "claude-cli/x"}, {"model_name": "b", "model": "openai/b"}]);
    let loaded = Home::with_config(json!({"model_list": models})).load();
    assert_eq!(loaded.config.default_model(), "b");
    let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    let text = "config.json: model_list[0]: this version cannot ask claude-cli, so the model is left out";
    assert_eq!(warnings, [text]);
    let default = json!({"model_list": models, "agents": {"defaults": {"model_name": "cli"}}});
    let text = "config.json: agents.defaults.model_name: this version cannot ask the provider of \"cli\": name \
                another model";
    assert_eq!(Home::with_config(default).problems(), [text]);
}
