//! The other commands.

use std::io::Write;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::support::{Gateway, Home, picoclaw};

fn run(home: &Home, arguments: &[&str]) -> (Output, String) {
    let output = picoclaw(home.path()).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output, text)
}

#[test]
fn the_agent_answers_with_and_without_a_gateway_and_remembers() {
    let home = Home::new(json!({}));
    let (output, text) = run(&home, &["agent", "-m", "hello alone"]);
    assert!(output.status.success());
    assert_eq!(text, "hello alone\n");
    let gateway = Gateway::start_in(home);
    let (_, text) = run(&gateway.home, &["agent", "-m", "hello gateway"]);
    assert_eq!(text, "hello gateway\n");
    let scrape = gateway.scrape();
    assert_eq!(scrape.get(r#"picoclaw_channel_messages_total{channel="cli"}"#), 1.0);
    assert_eq!(scrape.get(r#"picoclaw_channel_messages_total{channel="http"}"#), 0.0);
    let contents: Vec<Value> =
        gateway.home.session_lines().iter().map(|line| line["content"].clone()).collect();
    assert_eq!(
        contents,
        ["hello alone", "hello alone", "hello gateway", "hello gateway"].map(|text| json!(text))
    );
    let files = std::fs::read_dir(gateway.home.join("workspace/sessions")).unwrap();
    let sessions =
        files.flatten().filter(|file| file.path().extension().is_some_and(|e| e == "jsonl")).count();
    assert_eq!(sessions, 1, "the same session either way");
}

#[test]
fn a_failure_is_an_exit_code_and_a_sentence() {
    let home = Home::new(json!({}));
    let (output, _) = run(&home, &["agent", "-m", "!fail auth"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("auth"));
}

#[test]
fn status_shows_what_is_configured_and_how_the_gateway_is() {
    let gateway = Gateway::start(json!({}));
    let (output, text) = run(&gateway.home, &["status"]);
    assert!(output.status.success(), "{text}");
    for part in ["echo", "prometheus", "running", "status: healthy", "memory_rss_bytes"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let home = gateway.stop();
    let (_, text) = run(&home, &["status"]);
    assert!(text.contains("not running"), "{text}");
}

#[test]
fn the_configuration_is_checked_described_and_exemplified() {
    let home = Home::new(json!({ "gateway": { "log_level": "loud" } }));
    let (output, text) = run(&home, &["config", "check"]);
    assert!(!output.status.success() && text.contains("gateway.log_level"), "{text}");
    home.configure(
        json!({ "telemetry": { "sinks": [{ "type": "jsonlog", "options": { "level": "debug" } }] } }),
    );
    let (output, text) = run(&home, &["config", "check"]);
    assert!(output.status.success() && text.contains("jsonlog"), "{text}");
    let (_, schema) = run(&home, &["config", "schema"]);
    assert!(serde_json::from_str::<Value>(&schema).unwrap()["properties"]["gateway"].is_object());
    let (_, example) = run(&home, &["config", "example"]);
    assert!(serde_json::from_str::<Value>(&example).is_ok());
    let (_, version) = run(&home, &["version"]);
    assert_eq!(version.trim(), format!("picoclaw {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn sinks_are_listed_and_tried() {
    let home = Home::new(json!({}));
    let (_, text) = run(&home, &["sinks", "list"]);
    assert!(text.contains("prometheus") && text.contains("datadog"), "{text}");
    let (output, text) = run(&home, &["sinks", "check"]);
    assert!(output.status.success() && text.contains("answers at /metrics"), "{text}");
    let unreachable = json!([{ "type": "datadog", "options": { "socket": "/nowhere/dsd.socket" } }]);
    home.configure(json!({ "telemetry": { "sinks": unreachable } }));
    let (output, text) = run(&home, &["sinks", "check"]);
    assert!(!output.status.success() && text.contains("/nowhere/dsd.socket"), "{text}");
}

#[test]
fn a_conversation_can_be_held_line_by_line() {
    let home = Home::new(json!({}));
    let mut child = picoclaw(home.path())
        .arg("agent")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"first\nsecond\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("first") && text.contains("second"), "{text}");
    let contents: Vec<Value> = home.session_lines().iter().map(|line| line["content"].clone()).collect();
    assert_eq!(contents, ["first", "first", "second", "second"].map(|text| json!(text)));
}
