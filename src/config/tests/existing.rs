//! A configuration of the existing PicoClaw is taken over as it is.

use picoclaw_telemetry::words::Level;

use super::{Home, remarks};
use crate::Severity;

fn existing() -> Home {
    Home::with_config(include_str!("existing_v3.json"))
        .file(".security.yml", include_str!("existing.security.yml"))
}

#[test]
fn it_loads_without_warnings_and_one_notice_names_what_is_not_used() {
    let loaded = existing().load();
    assert_eq!(remarks(&loaded, Severity::Warning), Vec::<String>::new());
    let notices = remarks(&loaded, Severity::Notice);
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(notices[0].contains("events"), "{}", notices[0]);
    for name in ["devices", "voice", "channel_list", "tools.i2c", "build_info", "max_media_size"] {
        assert!(!notices[0].contains(name), "{name} in {}", notices[0]);
    }
}

#[test]
fn its_settings_are_read() {
    let loaded = existing().load();
    let config = &loaded.config;
    assert_eq!(config.gateway.log_level, Level::Error);
    assert_eq!(config.default_model(), "gpt-5.4");
    assert_eq!(config.agents.defaults.tool_iterations(), 20);
    assert_eq!(config.agents.defaults.retry_backoff().as_millis(), 500);
    let providers: Vec<_> = config.models().map(|m| (m.provider_name(), m.upstream_id())).collect();
    assert_eq!(
        providers,
        [
            ("openai", "gpt-5.4"),
            ("openai", "gpt-5.4"),
            ("openrouter", "z-ai/glm-5.1"),
            ("ollama", "llama3.2:3b"),
            ("echo", "echo")
        ]
    );
    let keys: Vec<_> =
        config.models().map(|m| m.keys().map(crate::SecretString::expose).collect::<Vec<_>>()).collect();
    assert_eq!(
        keys,
        [vec!["sk-first-0001", "sk-first-0002"], vec!["sk-second-0001"], vec!["sk-or-0001"], vec![], vec![]]
    );
    let telegram = &config.channel_list["telegram"];
    assert_eq!(telegram.allow_from, ["123456", "ann"]);
    assert_eq!(telegram.settings["token"], "1234:telegram-token");
}

#[test]
fn no_secret_is_seen_and_every_secret_is_known() {
    let loaded = existing().load();
    let shown = format!("{loaded:?}{}", serde_json::to_string(&loaded.config.model_list).unwrap());
    for secret in [
        "sk-first-0001",
        "sk-first-0002",
        "sk-second-0001",
        "sk-or-0001",
        "1234:telegram-token",
        "pico-token",
    ] {
        assert!(loaded.secrets.iter().any(|known| known == secret), "{secret} in {:?}", loaded.secrets);
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[test]
fn the_files_are_not_touched() {
    let home = existing();
    home.load();
    let mut names: Vec<_> =
        std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [".security.yml", "config.json"]);
    assert_eq!(
        std::fs::read_to_string(home.path().join("config.json")).unwrap(),
        include_str!("existing_v3.json")
    );
}
