//! The log as the gateway uses it: with the registry, the supervisor, the runner and real files.

use std::path::Path;
use std::time::Duration;

use picoclaw_telemetry::{Bus, Detail, Event};
use serde_json::{Value, json};

use crate::config::SinkConfig;
use crate::context::Context;
use crate::supervisor::{Supervisor, check, conservation};
use crate::testing;

fn context(ring: usize) -> Context {
    testing::context(&Bus::new(ring))
}

fn config(options: &Value) -> SinkConfig {
    SinkConfig::new("jsonlog").with_options(options.as_object().unwrap().clone())
}

fn error(options: &Value) -> String {
    super::build(&config(options), 2, &context(2)).err().unwrap().to_string()
}

fn shutdown(bus: &Bus, cause: &str) {
    bus.emit(Event::GatewayShutdown { cause: Detail::from(cause) });
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const PATIENCE: Duration = Duration::from_secs(5);

#[test]
fn wrong_options_are_named() {
    for (options, path) in [
        (json!({}), "telemetry.sinks[2].options.path: "),
        (json!({"path": "x", "formt": "json"}), "telemetry.sinks[2].options.formt: "),
        (json!({"path": "x", "level": "loud"}), "telemetry.sinks[2].options.level: "),
        (json!({"path": "x/"}), "telemetry.sinks[2].options.path: "),
        (json!({"path": "x", "max_size_mb": -1}), "telemetry.sinks[2].options.max_size_mb: "),
        (json!({"path": "x", "mode": "0999"}), "telemetry.sinks[2].options.mode: "),
    ] {
        let error = error(&options);
        assert!(error.starts_with(path), "{error}");
    }
}

#[tokio::test]
async fn one_file_is_one_sinks_however_its_path_is_spelt() {
    let two = ["logs/a.log", "./logs//a.log"].map(|path| config(&json!({ "path": path })));
    let two = two.map(|sink| SinkConfig { name: Some(sink.options["path"].to_string()), ..sink });
    let error = Supervisor::start(&two, context(2)).unwrap_err().to_string();
    assert!(error.contains("/logs/a.log is used by the sink"), "{error}");
}

#[tokio::test]
async fn a_check_describes_and_creates_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("logs/a.log");
    let context = context(2);
    let description = check(&config(&json!({ "path": path })), 0, &context).await.unwrap();
    assert_eq!(description, path.display().to_string());
    assert!(!dir.path().join("logs").exists());
    std::fs::write(dir.path().join("logs"), "").unwrap();
    assert!(check(&config(&json!({ "path": path })), 0, &context).await.is_err());
}

#[tokio::test]
async fn events_become_lines_with_numbers_that_survive_rotation_reload_and_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    let mut config = config(&json!({
        "path": path, "max_size_mb": 0.002, "max_backups": 0, "compress": false,
    }));
    for run in 0..3 {
        let context = context(4096);
        let mut supervisor = Supervisor::start(std::slice::from_ref(&config), context.clone()).unwrap();
        for part in 0..5 {
            for n in 0..10 {
                shutdown(&context.bus, &format!("{run} {part} {n} hunter2hunter2"));
            }
            config.retry.max_ms += 1;
            supervisor.reload(std::slice::from_ref(&config)).await.unwrap();
        }
        context.bus.close();
        assert!(supervisor.drain(PATIENCE).await.is_empty());
        let stats = context.sinks.entry("jsonlog");
        conservation(&stats, 50).unwrap();
        assert_eq!(stats.delivered(), 50);
    }
    let mut rotated = super::tail::siblings(&path).unwrap();
    assert!(rotated.len() > 5);
    rotated.sort();
    let all: Vec<Value> = rotated.iter().chain([&path]).flat_map(|file| lines(file)).collect();
    let causes: Vec<_> = all.iter().map(|line| line["cause"].as_str().unwrap().to_owned()).collect();
    let expected: Vec<_> = (0..150).map(|n| format!("{} {} {} ***", n / 50, n / 10 % 5, n % 10)).collect();
    assert_eq!(causes, expected);
    let numbers: Vec<_> = all.iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=150).collect::<Vec<u64>>());
}

#[tokio::test]
async fn a_rotator_that_sends_a_hangup_finds_all_lines() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    let context = context(4096);
    let mut supervisor = Supervisor::start(&[config(&json!({ "path": path }))], context.clone()).unwrap();
    let mut expected = Vec::new();
    for rotation in 0..5u64 {
        for n in 0..20 {
            shutdown(&context.bus, &format!("{rotation} {n}"));
            expected.push(format!("{rotation} {n}"));
        }
        while !path.exists() {
            tokio::task::yield_now().await;
        }
        std::fs::rename(&path, dir.path().join(format!("a.log.{}", 9 - rotation))).unwrap();
        supervisor.reopener().reopen().await;
        assert!(path.exists(), "a new file is there as soon as it is opened anew");
    }
    assert!(supervisor.drain(PATIENCE).await.is_empty());
    let mut found = Vec::new();
    for rotation in 0..5 {
        found.extend(lines(&dir.path().join(format!("a.log.{}", 9 - rotation))));
    }
    found.extend(lines(&path));
    let causes: Vec<_> = found.iter().map(|line| line["cause"].as_str().unwrap().to_owned()).collect();
    assert_eq!(causes, expected);
}

#[tokio::test]
async fn records_that_the_bus_overwrote_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    let context = context(8);
    let mut supervisor = Supervisor::start(&[config(&json!({ "path": path }))], context.clone()).unwrap();
    // The runner has no turn before all of them are emitted.
    for n in 0..20 {
        shutdown(&context.bus, &n.to_string());
    }
    assert!(supervisor.drain(PATIENCE).await.is_empty());
    let lines = lines(&path);
    assert_eq!(lines.len(), 9);
    assert_eq!(lines[0]["missing"], 12);
    assert_eq!(lines[0]["reason"], "lagged");
    assert_eq!((&lines[0]["seq"], &lines[1]["seq"]), (&json!(1), &json!(2)));
    assert_eq!(lines[1]["cause"], "12");
}

#[tokio::test]
async fn a_log_that_cannot_be_written_is_down_until_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("logs");
    std::fs::write(&folder, "in the way").unwrap();
    let path = folder.join("a.log");
    let context = context(64);
    let mut config = config(&json!({ "path": path }));
    config.retry.initial_ms = 1;
    config.retry.max_ms = 5;
    let mut supervisor = Supervisor::start(&[config], context.clone()).unwrap();
    shutdown(&context.bus, "x");
    let stats = context.sinks.entry("jsonlog");
    while stats.up() {
        tokio::task::yield_now().await;
    }
    let error = supervisor.states()[0].last_error.clone().unwrap();
    assert!(error.contains("a.log"), "{error}");
    std::fs::remove_file(&folder).unwrap();
    while !stats.up() {
        tokio::task::yield_now().await;
    }
    assert!(supervisor.drain(PATIENCE).await.is_empty());
    assert_eq!(lines(&path)[0]["cause"], "x");
}

#[test]
fn a_file_is_claimed_however_its_path_is_spelt() {
    let claim = |path: &str| {
        let built = super::build(&config(&json!({ "path": path })), 0, &context(2)).unwrap();
        built.transport.unwrap().claims()
    };
    assert_eq!(claim("/var/log/a.log"), ["file /var/log/a.log"]);
    for spelling in ["/var/log/./a.log", "/var//log/a.log", "/var/log/x/../a.log", "/../var/log/a.log"] {
        assert_eq!(claim(spelling), claim("/var/log/a.log"), "{spelling}");
    }
    assert!(claim("stdout").is_empty());
}
