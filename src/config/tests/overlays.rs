//! Which source wins, and what each may say.

use serde_json::json;

use super::{Home, remarks};
use crate::{Environment, Persistence, Severity, load};

#[test]
fn without_any_file_everything_is_a_default() {
    let home = Home::new();
    let loaded = home.load();
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.config.gateway.port, 18_790);
    assert_eq!(loaded.config.default_model(), "echo");
    assert_eq!(loaded.config.models().count(), 1);
    assert_eq!(loaded.config.session.persistence, Persistence::Durable);
    assert_eq!(loaded.paths.workspace, home.path().join("workspace"));
    assert_eq!(loaded.paths.pid_file, home.path().join(".picoclaw.pid"));
}

#[test]
fn paths_start_where_they_should() {
    let loaded = load(&Environment::new("/nowhere/ann"), &[]).unwrap();
    assert_eq!(loaded.paths.config_file.to_str(), Some("/nowhere/ann/.picoclaw/config.json"));
    let home = Home::with_config(json!({"agents": {"defaults": {"workspace": "~/work"}}}));
    assert_eq!(home.load().paths.sessions_dir.to_str(), Some("/home/ann/work/sessions"));
    let home = Home::with_config(json!({"agents": {"defaults": {"workspace": "work"}}}));
    assert_eq!(home.load().paths.workspace, home.path().join("work"));
}

#[test]
fn without_a_home_the_remedy_is_named() {
    let errors = load(&Environment::default(), &[]).unwrap_err();
    assert!(errors.to_string().contains("PICOCLAW_HOME: not set"), "{errors}");
}

#[test]
fn variables_win_over_secrets_and_secrets_over_the_file() {
    let home = Home::with_config(json!({"gateway": {"api_key": "from-file", "port": 1}}))
        .file(".security.yml", "gateway:\n  api_key: from-secrets\n  port: 2\n");
    assert_eq!(home.load().config.gateway.api_key.unwrap().expose(), "from-secrets");
    let home =
        home.variable("PICOCLAW_GATEWAY_API_KEY", "from-variable").variable("PICOCLAW_GATEWAY_PORT", "3");
    let gateway = home.load().config.gateway;
    assert_eq!((gateway.api_key.unwrap().expose(), gateway.port), ("from-variable", 3));
}

#[test]
fn the_sidecar_wins_over_the_file() {
    let home = Home::with_config(
        json!({"gateway": {"port": 5, "metrics": {"path": "/a"}}, "logging": {"level": "warn"}}),
    )
    .file(
        "telemetry.json",
        json!({"gateway": {"metrics": {"path": "/b"}, "port": 6}, "telemetry": {"ring": 64}}),
    );
    let loaded = home.load();
    assert_eq!(loaded.config.gateway.metrics().path, "/b");
    assert_eq!((loaded.config.gateway.port, loaded.config.telemetry.ring), (5, 64));
    let warnings = remarks(&loaded, Severity::Warning);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("telemetry.json: gateway.port: this file holds only"), "{warnings:?}");
}

#[test]
fn the_sidecar_may_hold_what_is_inside_telemetry() {
    let home =
        Home::new().file("t.json", json!({"sinks": [{"type": "datadog"}], "session_active_minutes": 5}));
    let path = home.path().join("t.json").to_str().unwrap().to_owned();
    let telemetry = home.variable("PICOCLAW_TELEMETRY_CONFIG", &path).load().config.telemetry;
    assert_eq!((telemetry.sinks.unwrap()[0].kind.as_str(), telemetry.session_active_minutes), ("datadog", 5));
}

#[test]
fn a_sidecar_that_is_named_must_exist() {
    let problems = Home::new().variable("PICOCLAW_TELEMETRY_CONFIG", "/nowhere/t.json").problems();
    assert_eq!(problems, ["PICOCLAW_TELEMETRY_CONFIG: there is no file /nowhere/t.json"]);
}

#[test]
fn a_configuration_that_is_named_and_absent_is_said() {
    let loaded = Home::new().variable("PICOCLAW_CONFIG", "/nowhere/c.json").load();
    assert_eq!(
        remarks(&loaded, Severity::Grave),
        [
            "PICOCLAW_CONFIG: there is no file /nowhere/c.json: using the defaults; create it, or unset the variable"
        ]
    );
}

#[test]
fn secrets_are_read_from_files() {
    let home = Home::with_config(json!({
        "gateway": {"api_key": "file://gateway.key"},
        "model_list": [{"model_name": "a", "model": "openai/a", "api_keys": ["file://a.key"]}]
    }))
    .file("gateway.key", "bearer-1\n")
    .file("a.key", "sk-from-file");
    let loaded = home.load();
    assert_eq!(loaded.config.gateway.api_key.unwrap().expose(), "bearer-1");
    assert_eq!(loaded.config.model_list[0].keys().next().unwrap().expose(), "sk-from-file");
    assert_eq!(loaded.secrets, ["bearer-1", "sk-from-file"]);
}

#[test]
fn secret_files_that_are_missing_and_encrypted_values_are_named() {
    let home = Home::with_config(json!({
        "gateway": {"api_key": "file://gone.key"},
        "model_list": [{"model_name": "a", "model": "openai/a", "api_keys": ["enc://AAAA"]}]
    }));
    let problems = home.problems();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(
        problems[0].starts_with("config.json: gateway.api_key: there is no secret file "),
        "{problems:?}"
    );
    assert!(
        problems[1].starts_with(
            "config.json: model_list[0].api_keys[0]: encrypted (enc://): set PICOCLAW_KEY_PASSPHRASE"
        ),
        "{problems:?}"
    );
}

#[test]
fn the_name_echo_is_always_there_unless_the_user_has_one() {
    let home = Home::with_config(json!({"model_list": [{"model_name": "a", "model": "openai/a"}]}));
    let config = home.load().config;
    assert_eq!(config.default_model(), "a");
    assert!(config.models().any(|model| model.provider_name() == "echo"));
    let home = Home::with_config(json!({"model_list": [{"model_name": "echo", "model": "openai/a"}]}));
    assert_eq!(home.load().config.models().count(), 1);
}
