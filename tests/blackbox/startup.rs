//! A gateway starts with nothing, and says clearly why it cannot start.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::support::{Gateway, Home, picoclaw};

#[test]
fn no_configuration_is_needed() {
    let gateway = Gateway::start(json!({}));
    assert_eq!(gateway.health()["status"], "healthy");
    assert_eq!(gateway.chat("s", "hello"), "hello");
    let output = gateway.output();
    for said in ["✓ Gateway started on 127.0.0.1:", "✓ Health endpoints available at", "/metrics"] {
        assert!(output.contains(said), "{output}");
    }
    let mode = fs::metadata(gateway.home.join(".picoclaw.pid")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let home = gateway.stop();
    assert!(!home.join(".picoclaw.pid").exists());
}

#[test]
fn a_second_gateway_on_the_same_home_is_refused() {
    let gateway = Gateway::start(json!({}));
    let output = picoclaw(gateway.home.path()).arg("gateway").output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(&format!("gateway is already running (PID: {})", gateway.pid())), "{said}");
    assert_eq!(gateway.health()["status"], "healthy");
}

#[test]
fn a_stale_pid_file_is_taken_over() {
    let home = Home::new(json!({}));
    let stale = json!({ "pid": 1, "token": "0".repeat(32), "version": "0", "port": 1, "host": "x" });
    fs::write(home.join(".picoclaw.pid"), stale.to_string()).unwrap();
    assert_eq!(Gateway::start_in(home).health()["status"], "healthy");
}

/// What the gateway says when it cannot start with a configuration.
fn complaint(config: &str) -> String {
    let home = Home::new(json!({}));
    fs::write(home.join("config.json"), config).unwrap();
    let output = picoclaw(home.path()).arg("gateway").output().unwrap();
    assert!(!output.status.success());
    assert!(!home.join(".picoclaw.pid").exists());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn errors_name_the_place_the_value_and_the_remedy() {
    for (config, expected) in [
        ("{\n  \"gateway\": {\n    \"port\": 1,,\n", vec!["config.json", "line 3"]),
        (r#"{"gateway":{"port":99999}}"#, vec!["gateway.port", "99999", "65535"]),
        (r#"{"gateway":{"port":"x"}}"#, vec!["gateway.port", "\"x\""]),
        (
            r#"{"telemetry":{"sinks":[{"type":"statsd"}]}}"#,
            vec!["telemetry.sinks[0].type", "statsd", "prometheus"],
        ),
        (
            r#"{"telemetry":{"sinks":[{"type":"datadog","options":{"tagz":[]}}]}}"#,
            vec!["telemetry.sinks[0].options.tagz", "tags"],
        ),
        (r#"{"agents":{"defaults":{"model_name":"gone"}}}"#, vec!["agents.defaults.model_name", "gone"]),
        (r#"{"model_list":[{"model_name":"m","model":"nobody/x"}]}"#, vec!["m", "api_base"]),
        (
            r#"{"gateway":{"port":0},"telemetry":{"sinks":[{"type":"prometheus"},{"type":"prometheus","name":"b"}]}}"#,
            vec!["/metrics"],
        ),
    ] {
        let said = complaint(config);
        for part in expected {
            assert!(said.contains(part), "{part:?} is missing in: {said}");
        }
    }
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let said = complaint(&json!({ "gateway": { "host": "127.0.0.1", "port": port } }).to_string());
    assert!(said.contains(&format!("127.0.0.1:{port}")) && said.contains("in use"), "{said}");
    let probes = json!({ "gateway": { "host": "127.0.0.1", "port": 0, "health_check": { "port": port } } });
    let said = complaint(&probes.to_string());
    assert!(
        said.contains(&format!("127.0.0.1:{port}")) && said.contains("gateway.health_check.port"),
        "{said}"
    );
}

#[test]
fn unknown_keys_warn_and_do_not_stop_anything() {
    let gateway = Gateway::start(json!({ "gateway": { "prot": 5 }, "_comment": "fine", "hooks": {} }));
    let warnings: Vec<String> = gateway
        .home
        .log()
        .iter()
        .filter(|line| line["level"] == "warn")
        .map(|line| line["message"].as_str().unwrap().to_owned())
        .collect();
    let home = gateway.stop();
    let all = home.log();
    let warned = all.iter().filter(|line| line["level"] == "warn" && line["component"] == "config").count();
    assert_eq!(warned, 1, "{warnings:?}");
    assert!(all.iter().any(|line| line["message"].as_str().unwrap().contains("gateway.prot")));
}

#[test]
fn an_unwritable_home_is_named() {
    let nowhere = std::path::Path::new("/proc/nowhere");
    let output = picoclaw(nowhere).arg("gateway").env("PICOCLAW_GATEWAY_PORT", "0").output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("/proc/nowhere"), "{said}");
}

#[test]
fn the_command_line_says_where_to_listen() {
    let home = Home::new(json!({ "gateway": { "host": "192.0.2.1" } }));
    let gateway = Gateway::start_with(home, &["-E", "--host", "127.0.0.1"], &[]);
    assert!(gateway.output().contains("✓ Gateway started on 127.0.0.1:"), "{}", gateway.output());
    assert_eq!(gateway.health()["status"], "healthy");
    let gateway = Gateway::start_with(gateway.stop(), &["--host", "127.0.0.1", "--debug"], &[]);
    gateway.chat("s", "x");
    let home = gateway.stop();
    assert!(home.log().iter().any(|line| line["level"] == "debug"));
}

#[test]
fn variables_win_over_the_file() {
    let home = Home::new(json!({ "gateway": { "metrics": { "path": "/of-the-file" } } }));
    let variables =
        [("PICOCLAW_GATEWAY_METRICS_PATH", "/of-the-variable"), ("PICOCLAW_LOGGING_LEVEL", "error")];
    let gateway = Gateway::start_with(home, &[], &variables);
    assert_eq!((gateway.get("/of-the-variable").status, gateway.get("/of-the-file").status), (200, 404));
    gateway.chat("s", "x");
    let home = gateway.stop();
    assert!(home.log().is_empty(), "{:?}", home.log());
    let output = picoclaw(home.path()).arg("gateway").env("PICOCLAW_GATEWAY_PORT", "many").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("PICOCLAW_GATEWAY_PORT") && said.contains("many"),
        "{said}"
    );
}

#[test]
fn a_home_that_cannot_be_written_is_named_with_the_remedy() {
    // A file where the workspace should be stops root too, unlike permissions.
    let home = Home::new(json!({}));
    fs::write(home.join("workspace"), "a file").unwrap();
    let output = picoclaw(home.path()).arg("gateway").output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(&home.join("workspace").display().to_string()), "{said}");
    assert!(!home.join(".picoclaw.pid").exists());
}

#[test]
fn nobody_is_invited_to_a_chat_that_is_refused() {
    let gateway = Gateway::start(json!({ "gateway": { "host": "0.0.0.0" } }));
    assert!(gateway.output().contains("✗ Messages are refused"), "{}", gateway.output());
    assert!(!gateway.output().contains("✓ Chat"), "{}", gateway.output());
    assert_eq!(gateway.say("s", "x").status, 401);
    let output = picoclaw(gateway.home.path()).args(["config", "check"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("warning: config.json: gateway.api_key: missing"),
        "{said}"
    );
}
