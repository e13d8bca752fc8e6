//! Commands that a model runs: bounded, counted, without the gateway's secrets, and gone with it.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Gateway, Home, wait_for};

fn run(gateway: &Gateway, arguments: &Value) -> String {
    gateway.chat("s", &format!("!tool exec {arguments}"))
}

fn results(gateway: &Gateway, status: &str) -> f64 {
    gateway.scrape().get(&format!(r#"picoclaw_tool_results_total{{tool="exec",status="{status}"}}"#))
}

/// The number that a command wrote to this file.
fn pid(gateway: &Gateway, file: &str) -> String {
    let path = gateway.home.join("workspace").join(file);
    wait_for("the command", || fs::read_to_string(&path).ok().filter(|text| text.ends_with('\n')))
}

fn wait_for_end(pid: &str) {
    wait_for("the command to end", || {
        let status = fs::read_to_string(Path::new("/proc").join(pid.trim()).join("status"));
        status.map_or(true, |status| status.contains("State:\tZ")).then_some(())
    });
}

#[test]
fn every_end_of_a_command_is_counted_as_what_it_was() {
    let gateway = Gateway::start(json!({}));
    for status in ["success", "error", "denied", "timeout"] {
        assert_eq!(results(&gateway, status), 0.0, "{status}");
    }
    assert!(run(&gateway, &json!({"command": "echo hello > a; cat a"})).contains("hello"));
    assert!(run(&gateway, &json!({"command": "false"})).contains("exit status: 1"));
    assert!(run(&gateway, &json!({"command": "sudo ls"})).contains("not allowed"));
    assert!(run(&gateway, &json!({"command": "cat /etc/passwd"})).contains("out of the workspace"));
    assert!(run(&gateway, &json!({"command": "sleep 60", "timeout": 1})).contains("stopped after 1 s"));
    let counted = ["success", "error", "denied", "timeout"].map(|status| results(&gateway, status));
    assert_eq!(counted, [1.0, 1.0, 2.0, 1.0]);
}

#[test]
fn no_secret_of_the_gateway_reaches_a_command_or_the_model() {
    let home = Home::new(json!({
        "model_list": [{ "model_name": "m", "model": "openai/m", "api_keys": ["sk-secret-of-a-model-123"] }],
        "agents": { "defaults": { "model_name": "echo" } },
        "tools": { "exec": { "pass_env": ["TEAM"] } },
    }));
    let variables =
        [("PICOCLAW_GATEWAY_API_KEY", ""), ("OPENAI_API_KEY", "sk-from-the-environment"), ("TEAM", "blue")];
    let gateway = Gateway::start_with(home, &[], &variables);
    let seen = run(&gateway, &json!({"command": "env"}));
    assert!(seen.contains("PATH=") && seen.contains("TEAM=blue"), "{seen}");
    assert!(!seen.contains("API_KEY") && !seen.contains("PICOCLAW"), "{seen}");
    // A program can find the configuration: what it prints is masked.
    fs::write(gateway.home.join("workspace/leak"), "key: sk-secret-of-a-model-123").unwrap();
    let seen = run(&gateway, &json!({"command": "cat leak"}));
    assert!(seen.contains("key: ") && !seen.contains("sk-secret"), "{seen}");
}

#[test]
fn an_operator_can_keep_commands_from_channels() {
    let gateway = Gateway::start(json!({ "tools": { "exec": { "allow_remote": false } } }));
    assert!(run(&gateway, &json!({"command": "echo hello"})).contains("allow_remote"));
    assert_eq!(results(&gateway, "denied"), 1.0);
    gateway.home.configure(json!({ "tools": { "exec": { "enabled": false } } }));
    assert_eq!(gateway.reload().status, 200);
    assert!(run(&gateway, &json!({"command": "echo hello"})).contains("There is no tool named"));
}

#[test]
fn a_caller_who_goes_away_takes_the_command_along() {
    let gateway = Gateway::start(json!({}));
    let caller = gateway.begin(r#"!tool exec {"command": "echo $$ > pid; sleep 600"}"#);
    let pid = pid(&gateway, "pid");
    drop(caller);
    wait_for_end(&pid);
    wait_for("the end of the call", || (results(&gateway, "cancelled") == 1.0).then_some(()));
}

#[test]
fn background_commands_outlive_a_reload_and_end_with_the_gateway() {
    let gateway = Gateway::start(json!({}));
    let command = "echo $$ > pid; setsid sleep 600 & echo $! > other; echo begun; cat";
    let started = run(&gateway, &json!({"command": command, "background": true, "pty": true}));
    assert!(started.contains(r#""sessionId":"exec-1""#), "{started}");
    let (first, second) = (pid(&gateway, "pid"), pid(&gateway, "other"));
    gateway.home.configure(json!({ "tools": { "exec": { "timeout_seconds": 30 } } }));
    assert_eq!(gateway.reload().status, 200);
    let ask = json!({"action": "read", "sessionId": "exec-1"});
    wait_for("its output", || run(&gateway, &ask).contains("begun").then_some(()));
    assert!(gateway.chat("another", &format!("!tool exec {ask}")).contains("there is no background command"));
    gateway.stop();
    wait_for_end(&first);
    wait_for_end(&second);
}
