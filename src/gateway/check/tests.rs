use serde_json::{Value, json};

use super::*;

/// The problems and the warnings about a configuration.
fn findings(config: &Value) -> (Vec<String>, Vec<String>) {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("config.json"), config.to_string()).unwrap();
    let environment = Environment::new("/").with("PICOCLAW_HOME", home.path().to_string_lossy());
    let home = home.path().display().to_string();
    let text = |finding: &dyn std::fmt::Display| finding.to_string().replace(&home, "~");
    match load(&environment, None) {
        Ok(loaded) => (Vec::new(), loaded.warnings.iter().map(|warning| text(warning)).collect()),
        Err(errors) => (
            errors.problems.iter().map(|problem| text(problem)).collect(),
            errors.warnings.iter().map(|warning| text(warning)).collect(),
        ),
    }
}

#[test]
fn what_the_builders_refuse_is_found_beside_the_rest() {
    let (problems, _) = findings(&json!({
        "gateway": { "port": 99_999 },
        "agents": { "defaults": { "workspace": "/proc/nope" } },
        "model_list": [
            { "model_name": "a", "model": "nobody/x" },
            { "model_name": "b", "model": "openai/x", "api_base": "ftp://x", "api_keys": ["k"] },
        ],
        "tools": { "web": { "private_host_whitelist": ["fine.local", "not a host"] } },
        "telemetry": { "sinks": [
            { "type": "jsonlog", "options": { "path": "one.log", "level": "loud", "compress": 1 } },
            { "type": "jsonlog", "name": "second", "options": { "path": "two.log" } },
            { "type": "jsonlog", "name": "third", "options": { "path": "two.log" } },
        ] },
    }));
    let at: Vec<_> = problems.iter().map(|text| text.split(": ").nth(1).unwrap()).collect();
    assert_eq!(
        at,
        [
            "gateway.port",
            "telemetry.sinks[0].options.compress",
            "telemetry.sinks[0].options.level",
            "telemetry.sinks[2].options.path",
            "model_list[0].api_base",
            "model_list[1].api_base",
            "tools.web.private_host_whitelist[1]",
            "agents.defaults.workspace",
        ],
        "{problems:#?}"
    );
    assert!(problems[3].contains("file ~/two.log is used by the sink \"second\""), "{}", problems[3]);
    assert!(problems[7].contains("/proc/nope/sessions cannot be written"), "{}", problems[7]);
    assert!(problems.iter().all(|text| text.starts_with("config.json: ")), "{problems:#?}");
}

#[test]
fn the_short_form_is_blamed_for_what_stands_there() {
    let (problems, _) = findings(&json!({
        "logging": { "output": "same.log" },
        "telemetry": { "sinks": [{ "type": "datadog" }, { "type": "prometheus" }] },
        "gateway": { "metrics": { "path": "/health" } },
    }));
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(problems[0].starts_with("config.json: gateway.metrics.path: the path /health"), "{problems:#?}");
    assert_eq!(as_written("jsonlog", "telemetry.sinks[3].options.path"), "logging.output");
    assert_eq!(as_written("jsonlog", "telemetry.sinks[3].options.format"), "logging.format");
}

#[test]
fn what_is_probably_not_meant_is_warned_about() {
    let (problems, warnings) = findings(&json!({
        "gateway": { "host": "0.0.0.0" },
        "model_list": [
            { "model_name": "a", "model": "blub" },
            { "model_name": "b", "model": "openai/gpt" },
            { "model_name": "c", "model": "ollama/llama" },
            { "model_name": "d", "model": "own", "api_base": "http://localhost:1" },
        ],
        "telemetry": { "sinks": [
            { "type": "jsonlog", "options": { "path": "log" }, "filter": { "include": ["agnet.*", "agent.*"] } },
        ] },
    }));
    assert_eq!(problems, Vec::<String>::new());
    let at: Vec<_> = warnings.iter().map(|text| text.split(": ").nth(1).unwrap()).collect();
    let expected =
        ["telemetry.sinks[0].filter", "model_list[0].provider", "model_list[1].api_keys", "gateway.api_key"];
    assert_eq!(at, expected, "{warnings:#?}");
    assert!(warnings[0].contains("\"agnet.*\" matches no kind of event"), "{}", warnings[0]);
}

#[test]
fn a_workspace_in_use_is_not_tried() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("workspace"), "a file").unwrap();
    let environment = Environment::new("/").with("PICOCLAW_HOME", home.path().to_string_lossy());
    let errors = load(&environment, None).unwrap_err();
    assert!(errors.to_string().contains("move the file"), "{errors}");
    load(&environment, Some(&home.path().join("workspace"))).unwrap();
}
