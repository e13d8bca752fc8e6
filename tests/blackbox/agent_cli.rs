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
fn a_gateway_that_is_process_1_of_its_container_is_found() {
    let gateway = Gateway::start(json!({}));
    // As another process of the container sees it. Written in place, so that it stays the gateway's file.
    let path = gateway.home.join(".picoclaw.pid");
    let mut record: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    record["pid"] = json!(1);
    std::fs::write(&path, record.to_string()).unwrap();
    let (_, status) = run(&gateway.home, &["status"]);
    assert!(status.contains("running (PID 1,"), "{status}");
    let (_, text) = run(&gateway.home, &["agent", "-m", "hello container"]);
    assert_eq!(text, "hello container\n");
    assert_eq!(gateway.scrape().get(r#"picoclaw_channel_messages_total{channel="cli"}"#), 1.0);
    let second = picoclaw(gateway.home.path()).arg("gateway").output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success() && said.contains("already running (PID: 1)"), "{said}");

    // What is left of it when it is killed is no gateway.
    let home = gateway.kill();
    let (_, status) = run(&home, &["status"]);
    assert!(status.contains("not running"), "{status}");
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

/// What `picoclaw agent` makes of these lines.
fn converse(home: &Home, lines: &str) -> Output {
    let mut child = picoclaw(home.path())
        .arg("agent")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_conversation_can_be_held_line_by_line() {
    let home = Home::new(json!({}));
    let output = converse(&home, "first\n\nsecond\nexit\nthird\n");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert_eq!(text, "first\nsecond\n");
    let contents: Vec<Value> = home.session_lines().iter().map(|line| line["content"].clone()).collect();
    assert_eq!(contents, ["first", "first", "second", "second"].map(|text| json!(text)));
    // A script sees that a message got no answer, and the others do get theirs.
    let output = converse(&home, "before\n!fail auth\nafter\n");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "before\nafter\n");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && complaint.contains("1 of the messages"), "{complaint}");
}

#[test]
fn what_a_running_gateway_refuses_is_said_in_its_own_words() {
    let gateway = Gateway::start(json!({}));
    for (arguments, expected) in [
        (&["agent", "-m", "x", "--model", "nope"][..], "the model \"nope\" is not configured"),
        (&["agent", "-m", "!fail auth"], "as `!fail` in the message told it to"),
    ] {
        let (output, _) = run(&gateway.home, arguments);
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && complaint.contains(expected), "{complaint}");
        // Advice for a provider of models would lead astray.
        assert!(!complaint.contains("api_base") && !complaint.contains("entry"), "{complaint}");
    }
}

#[test]
fn arguments_that_say_nothing_are_refused() {
    let home = Home::new(json!({}));
    for arguments in [&["agent", "-m", " "][..], &["agent", "-s", ""], &["agent", "--model", "", "-m", "x"]] {
        let (output, _) = run(&home, arguments);
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{complaint}");
        assert!(complaint.contains("must not be empty"), "{complaint}");
    }
}

#[test]
fn what_stands_in_the_way_is_named_once_with_its_remedy() {
    let home = Home::new(json!({}));
    std::fs::create_dir(home.join("workspace")).unwrap();
    std::fs::write(home.join("workspace/sessions"), "a file").unwrap();
    for arguments in [&["agent", "-m", "x"][..], &["gateway"]] {
        let (output, _) = run(&home, arguments);
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && complaint.contains("move the file"), "{complaint}");
        assert_eq!(complaint.matches("move the file").count(), 1, "{complaint}");
        assert!(complaint.matches("os error").count() <= 1, "{complaint}");
    }
    std::fs::remove_file(home.join("config.json")).unwrap();
    std::fs::create_dir(home.join("config.json")).unwrap();
    for command in ["status", "gateway"] {
        let (output, _) = run(&home, &[command]);
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && complaint.contains("in the place of the directory"),
            "{complaint}"
        );
    }
}
