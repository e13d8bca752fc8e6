//! Which sinks result from the list and the short forms.

use serde_json::{Value, json};

use super::{Home, remarks};
use crate::Severity;

/// Names of the sinks with their options.
fn sinks(config: Value) -> Vec<(String, Value)> {
    let loaded = Home::with_config(config).load();
    let sinks = loaded.config.effective_sinks(&loaded.paths);
    sinks.into_iter().map(|sink| (sink.name().to_owned(), sink.options)).collect()
}

fn names(config: Value) -> Vec<String> {
    sinks(config).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn without_a_list_there_are_three() {
    let home = Home::new();
    let loaded = home.load();
    let sinks = loaded.config.effective_sinks(&loaded.paths);
    let log = home.path().join("logs/picoclaw.log");
    let expected = [
        ("prometheus", json!({"path": "/metrics"})),
        ("newrelic", json!({"path": "/health"})),
        (
            "jsonlog",
            json!({"path": log, "format": "json", "level": "info", "max_size_mb": 100, "max_backups": 3,
                   "max_age_days": 28, "compress": true}),
        ),
    ];
    let found: Vec<_> = sinks.iter().map(|sink| (sink.kind.as_str(), sink.options.clone())).collect();
    assert_eq!(found, expected);
}

#[test]
fn short_forms_change_the_three() {
    let found = sinks(json!({
        "gateway": {"metrics": {"path": "/m"}, "health_check": {"path": "/up"}},
        "logging": {"output": "stdout", "level": "warning", "format": "text"}
    }));
    assert_eq!(found[0].1, json!({"path": "/m"}));
    assert_eq!(found[1].1, json!({"path": "/up"}));
    assert_eq!(
        (&found[2].1["path"], &found[2].1["level"], &found[2].1["format"]),
        (&json!("stdout"), &json!("warn"), &json!("text"))
    );
    assert_eq!(names(json!({"gateway": {"metrics": {"enabled": false}}})), ["newrelic", "jsonlog"]);
    assert_eq!(names(json!({"gateway": {"health_check": {"enabled": false}}})), ["prometheus", "jsonlog"]);
}

#[test]
fn a_list_is_exact_and_written_short_forms_add_to_it() {
    assert_eq!(names(json!({"telemetry": {"sinks": []}})), Vec::<String>::new());
    let datadog = json!([{"type": "datadog"}]);
    assert_eq!(names(json!({"telemetry": {"sinks": datadog}})), ["datadog"]);
    let written =
        json!({"telemetry": {"sinks": datadog}, "gateway": {"metrics": {"enabled": true}}, "logging": {}});
    assert_eq!(names(written), ["datadog", "prometheus", "jsonlog"]);
    let off = json!({"telemetry": {"sinks": datadog}, "gateway": {"metrics": {"enabled": false}}});
    assert_eq!(names(off), ["datadog"]);
}

#[test]
fn what_is_listed_counts_more_than_the_short_form() {
    let config = json!({
        "gateway": {"metrics": {"enabled": false, "path": "/m"}},
        "logging": {"level": "debug", "output": "/var/log/x.log"},
        "telemetry": {"sinks": [{"type": "prometheus"}, {"type": "jsonlog", "options": {"path": "stderr"}}]}
    });
    let loaded = Home::with_config(&config).load();
    assert_eq!(
        remarks(&loaded, Severity::Warning),
        [
            "config.json: gateway.metrics.enabled: false has no effect: telemetry.sinks has a prometheus sink, which counts more"
        ]
    );
    let found = sinks(config);
    assert_eq!(found[0], ("prometheus".into(), json!({"path": "/m"})));
    assert_eq!((&found[1].1["path"], &found[1].1["level"]), (&json!("stderr"), &json!("debug")));
}

#[test]
fn relative_paths_of_logs_start_at_the_home() {
    let home = Home::with_config(json!({ "telemetry": { "sinks": [
        { "type": "jsonlog", "name": "a", "options": { "path": "logs/a.log" } },
        { "type": "jsonlog", "name": "b", "options": { "path": "/var/log/b.log" } },
        { "type": "jsonlog", "name": "c", "options": { "path": "stderr" } },
    ] } }));
    let loaded = home.load();
    let sinks = loaded.config.effective_sinks(&loaded.paths);
    let paths: Vec<&Value> = sinks.iter().map(|sink| &sink.options["path"]).collect();
    assert_eq!(paths, [&json!(home.path().join("logs/a.log")), &json!("/var/log/b.log"), &json!("stderr")]);
}
