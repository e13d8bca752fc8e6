//! A configuration that is wrong: everything is said at once, and what runs goes on and can be asked.

use std::fs;
use std::process::Output;

use serde_json::json;

use crate::support::{Gateway, Home, picoclaw};

/// The exit code, and what was said on standard output and error.
fn run(home: &Home, arguments: &[&str]) -> (i32, String) {
    let Output { status, stdout, stderr } = picoclaw(home.path()).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    (status.code().unwrap(), said)
}

#[test]
fn a_running_gateway_is_asked_by_its_pid_file() {
    let gateway = Gateway::start(json!({}));
    fs::write(gateway.home.join("config.json"), "{").unwrap();
    let (code, said) = run(&gateway.home, &["agent", "-m", "hello"]);
    assert_eq!((code, said.as_str()), (0, "hello\n"));
    let (code, said) = run(&gateway.home, &["metrics", "messages_total"]);
    assert!(code == 0 && said.contains("picoclaw_messages_total  1"), "{code} {said}");
    let (code, said) = run(&gateway.home, &["status"]);
    assert_eq!(code, 1, "{said}");
    for part in ["status: healthy", "the one on disk is broken", "config.json: line 1"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let (code, said) = run(&gateway.home, &["sinks", "check"]);
    assert!(code == 1 && said.contains("✓ jsonlog") && said.contains("config.json: line 1"), "{said}");
    let (code, said) = run(&gateway.home, &["reload"]);
    assert!(code == 1 && said.contains("nothing was changed") && said.contains("line 1"), "{said}");
    let home = gateway.stop();
    for command in ["status", "metrics", "health", "reload"] {
        assert_ne!(run(&home, &[command]).0, 0, "{command}");
    }
}

#[test]
fn what_stops_the_start_is_found_by_the_check() {
    let log = |name: &str| json!({ "type": "jsonlog", "name": name, "options": { "path": "same.log" } });
    for (config, part) in [
        (json!({ "telemetry": { "sinks": [log("a"), log("b")] } }), "telemetry.sinks[1].options.path"),
        (json!({ "agents": { "defaults": { "workspace": "/proc/nope" } } }), "agents.defaults.workspace"),
        (
            json!({ "logging": { "max_size": "big" }, "telemetry": { "sinks": [{ "type": "x" }] } }),
            "sinks[0].type",
        ),
    ] {
        let home = Home::new(config);
        for command in [&["config", "check"][..], &["gateway"]] {
            let (code, said) = run(&home, command);
            assert!(code == 1 && said.contains(part), "{part} in {said}");
            assert!(!said.contains("can be used"), "{said}");
        }
    }
}

#[test]
fn a_log_that_cannot_be_written_fails_the_check_of_sinks() {
    let log =
        |name: &str, path: &str| json!({ "type": "jsonlog", "name": name, "options": { "path": path } });
    let sinks =
        [log("full", "/dev/full"), log("nowhere", "/proc/nope/log"), log("a", "a.log"), log("b", "a.log")];
    let home = Home::new(json!({ "telemetry": { "sinks": sinks } }));
    let (code, said) = run(&home, &["sinks", "check"]);
    assert_eq!(code, 1, "{said}");
    for line in ["✗ full: /dev/full cannot be written", "✗ nowhere: /proc/nope/log cannot", "✓ a: ", "✗ b: "]
    {
        assert!(said.contains(line), "{line} in {said}");
    }
    assert!(!home.join("a.log").exists());
}

#[test]
fn a_file_that_was_asked_for_and_is_missing_fails_the_check_and_warns_at_the_start() {
    let home = Home::new(json!({}));
    let missing = home.join("missing.json").display().to_string();
    let output =
        picoclaw(home.path()).args(["config", "check"]).env("PICOCLAW_CONFIG", &missing).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        !output.status.success() && said.starts_with("error: PICOCLAW_CONFIG: there is no file"),
        "{said}"
    );
    let variables = [("PICOCLAW_CONFIG", missing.as_str()), ("PICOCLAW_GATEWAY_PORT", "0")];
    let gateway = Gateway::start_with(home, &[], &variables);
    crate::support::wait_for("the warning", || gateway.output().contains("there is no file").then_some(()));
}

#[test]
fn another_homes_gateway_is_not_taken_for_ones_own() {
    let gateway = Gateway::start(json!({}));
    let other = Home::new(json!({ "gateway": { "port": gateway.port } }));
    for command in ["health", "metrics"] {
        let (code, said) = run(&other, &[command]);
        assert!(code != 0 && said.contains("no gateway runs with") && said.contains("--url"), "{said}");
        assert!(!said.contains("healthy (up"), "{said}");
    }
}
