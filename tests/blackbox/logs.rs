//! The log has every line, once, whatever happens to its files.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use crate::support::{Behaviour, Gateway, Home, Upstream, wait_for};

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The lines of all files of the log, oldest first.
fn everything(home: &Home) -> Vec<Value> {
    let mut files: Vec<_> =
        fs::read_dir(home.join("logs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    // The present file has the shortest name and the newest lines.
    files.rotate_left(1);
    files.iter().flat_map(|file| lines(file)).collect()
}

fn assert_numbered(lines: &[Value]) {
    let numbers: Vec<u64> = lines.iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=lines.len() as u64).collect::<Vec<_>>());
}

#[test]
fn rotation_and_restarts_lose_nothing() {
    let config =
        json!({ "logging": { "max_size": 1, "max_backups": 1000, "compress": false, "level": "debug" } });
    let sinks = json!([
        { "type": "prometheus" },
        { "type": "jsonlog", "options": { "max_size_mb": 0.02, "max_backups": 1000, "compress": false, "level": "debug" } },
    ]);
    let mut config = config;
    config["telemetry"] = json!({ "sinks": sinks });
    let gateway = Gateway::start(config);
    (0..40).for_each(|n| drop(gateway.chat(&format!("s{}", n % 4), "x")));
    let gateway = Gateway::start_in(gateway.stop());
    (0..40).for_each(|n| drop(gateway.chat(&format!("s{}", n % 4), "x")));
    let home = gateway.stop();
    let all = everything(&home);
    assert_numbered(&all);
    assert!(fs::read_dir(home.join("logs")).unwrap().count() > 3);
    // Long conversations are summed up, which is a turn too.
    let of =
        |kind: &str| all.iter().filter(|line| line["kind"] == kind && line["origin"] != "subturn").count();
    assert_eq!((of("channel.message.received"), of("agent.turn.end"), of("session.write")), (80, 80, 80));
    assert_eq!(of("gateway.start"), 2);
}

#[test]
fn a_rotator_that_renames_and_signals_loses_nothing() {
    let gateway = Gateway::start(json!({}));
    let log = gateway.home.join("logs/picoclaw.log");
    for n in 0..5 {
        (0..10).for_each(|_| drop(gateway.chat("s", "x")));
        wait_for("the log", || log.exists().then_some(()));
        fs::rename(&log, gateway.home.join(&format!("logs/picoclaw.log.{n}"))).unwrap();
        (0..10).for_each(|_| drop(gateway.chat("s", "y")));
        gateway.signal("HUP");
        wait_for("the new file", || log.exists().then_some(()));
    }
    let home = gateway.stop();
    let mut all: Vec<Value> =
        (0..5).flat_map(|n| lines(&home.join(&format!("logs/picoclaw.log.{n}")))).collect();
    all.extend(lines(&log));
    assert_numbered(&all);
    let ended = |line: &&Value| line["kind"] == "agent.turn.end" && line["origin"] == "user";
    assert_eq!(all.iter().filter(ended).count(), 100);
}

#[test]
fn secrets_never_reach_the_log() {
    let body = r#"{"error":{"message":"Incorrect API key provided: sk-secret-of-the-test-0123456789","code":"invalid_api_key"}}"#;
    let upstream = Upstream::start(&[Behaviour::Status(401, "", body)]);
    let gateway = Gateway::start(json!({ "model_list": [upstream.model("gpt", "openai")] }));
    let answer = gateway.say("s", "x");
    assert_eq!(answer.status, 502);
    let home = gateway.stop();
    let text = fs::read_to_string(home.join("logs/picoclaw.log")).unwrap();
    assert!(text.contains("401") && !text.contains("secret-of-the-test"), "{text}");
    let output = fs::read_to_string(home.join("output")).unwrap();
    assert!(output.contains("401") && !output.contains("secret-of-the-test"), "{output}");
}

#[test]
fn json_on_standard_output_is_whole_lines() {
    let gateway = Gateway::start(json!({ "logging": { "output": "stdout" } }));
    gateway.chat("s", "x");
    let home = gateway.stop();
    let output = fs::read_to_string(home.join("output")).unwrap();
    let json: Vec<Value> = output
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_numbered(&json);
    assert!(json.iter().any(|line| line["kind"] == "agent.turn.end"));
    assert!(!home.join("logs").exists());
}

#[test]
fn text_is_for_people() {
    let gateway = Gateway::start(json!({ "logging": { "format": "text" } }));
    gateway.chat("abc123", "x");
    let home = gateway.stop();
    let text = fs::read_to_string(home.join("logs/picoclaw.log")).unwrap();
    let line = text.lines().find(|line| line.contains("Processing message")).unwrap();
    assert!(line.contains("Z INFO agent Processing message session_id=abc123"), "{line}");
}

/// A file system of 256 KiB that is unmounted at the end.
struct TinyDisk<'a>(&'a Path);

impl Drop for TinyDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

#[test]
fn a_full_disk_costs_lines_but_no_answer_and_every_loss_is_counted() {
    let mount = tempfile::tempdir().unwrap();
    let options = ["-t", "tmpfs", "-o", "size=256k", "tmpfs"];
    let mounted = Command::new("mount").args(options).arg(mount.path()).status().unwrap();
    assert!(mounted.success(), "this test needs the right to mount a tmpfs");
    let _disk = TinyDisk(mount.path());
    let path = mount.path().join("picoclaw.log");
    let ballast = mount.path().join("ballast");
    let sinks = json!([
        { "type": "prometheus" },
        { "type": "newrelic" },
        { "type": "jsonlog", "options": { "path": path, "max_size_mb": 0 }, "buffer": { "max_events": 50 },
          "retry": { "initial_ms": 10, "max_ms": 50 } },
    ]);
    let gateway = Gateway::start(json!({ "telemetry": { "sinks": sinks } }));
    gateway.chat("s", "x");
    fs::write(&ballast, vec![0; 300_000]).unwrap_err();
    (0..100).for_each(|_| assert_eq!(gateway.chat("s", "x"), "x"));
    wait_for("the sink to be down", || (gateway.health()["issues"] == "sink_jsonlog_down").then_some(()));
    let dropped = r#"picoclaw_sink_events_dropped_total{sink="jsonlog",reason="buffer_full"}"#;
    let lost = gateway.scrape().get(dropped);
    assert!(lost > 0.0);
    fs::remove_file(&ballast).unwrap();
    wait_for("recovery", || (gateway.health()["status"] == "healthy").then_some(()));
    gateway.chat("s", "after");
    let home = gateway.stop();
    let all = lines(&path);
    let gaps: Vec<&Value> = all.iter().filter(|line| line["kind"] == "log.gap").collect();
    let missing: f64 = gaps.iter().map(|line| line["missing"].as_f64().unwrap()).sum();
    assert!(missing >= lost, "{missing} {lost}");
    // Holes in the numbers are exactly what the gap lines speak of.
    let last = all.last().unwrap()["seq"].as_f64().unwrap();
    assert_eq!(last, all.len() as f64 - gaps.len() as f64 + missing);
    drop(home);
}

#[test]
fn a_line_is_that_of_the_guide() {
    let gateway = Gateway::start(json!({}));
    let long = "a long story ".repeat(20_000);
    gateway.chat("abc123", "x");
    gateway.chat("abc123", &long);
    gateway.say("abc123", &format!("!fail 500\n{long}"));
    gateway.chat("abc123", &format!("!tool {} {{}}", "n".repeat(200_000)));
    let home = gateway.stop();
    let text = fs::read_to_string(home.join("logs/picoclaw.log")).unwrap();
    assert!(text.ends_with('\n'));
    assert!(text.lines().all(|line| line.len() < 64 * 1024), "a line is too long for collectors");
    let log = home.log();
    for line in &log {
        let time = line["time"].as_str().unwrap();
        assert!(time.len() >= 20 && time.ends_with('Z') && time.as_bytes()[10] == b'T', "{time}");
        assert!(["debug", "info", "warn", "error"].contains(&line["level"].as_str().unwrap()), "{line}");
        let components = ["main", "config", "agent", "provider", "channel", "tool", "session", "bus", "cron"];
        assert!(components.contains(&line["component"].as_str().unwrap()), "{line}");
        assert!(!line["message"].as_str().unwrap().is_empty() && line["seq"].is_u64(), "{line}");
        let flat = line.as_object().unwrap().values().all(|value| !value.is_object() && !value.is_array());
        assert!(flat, "{line}");
        assert!(line["duration_ms"].is_null() || line["duration_ms"].is_number(), "{line}");
    }
    let times: Vec<&str> = log.iter().map(|line| line["time"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    let message = log.iter().find(|line| line["message"] == "Processing message").unwrap();
    assert_eq!((&message["session_id"], &message["level"]), (&json!("abc123"), &json!("info")));
    let end = log.iter().find(|line| line["kind"] == "agent.turn.end").unwrap();
    assert!(end["duration_ms"].as_f64().unwrap() > 0.0);
}

#[test]
fn the_level_says_what_is_written_and_hides_nothing_from_metrics() {
    let gateway = Gateway::start(json!({ "logging": { "level": "warn" } }));
    gateway.chat("s", "x");
    gateway.say("s", "!fail auth");
    let scrape = gateway.scrape();
    assert!(scrape.get(r#"picoclaw_log_lines_total{level="info"}"#) > 0.0);
    let filtered = r#"picoclaw_sink_events_total{sink="jsonlog",outcome="filtered"}"#;
    assert!(scrape.get(filtered) > 0.0);
    let home = gateway.stop();
    let log = home.log();
    assert_numbered(&log);
    let levels: Vec<&str> = log.iter().map(|line| line["level"].as_str().unwrap()).collect();
    assert!(!levels.is_empty() && levels.iter().all(|level| ["warn", "error"].contains(level)), "{levels:?}");
}

#[test]
fn rotated_files_are_few_not_read_twice_and_compressed_when_they_were_read() {
    let sinks = json!([
        { "type": "jsonlog", "options": { "max_size_mb": 0.02, "max_backups": 3, "level": "debug" } },
    ]);
    let gateway = Gateway::start(json!({ "telemetry": { "sinks": sinks } }));
    (0..100).for_each(|n| drop(gateway.chat(&format!("s{}", n % 4), "x")));
    gateway.chat("last", "x");
    let folder = gateway.home.join("logs");
    let rotated = wait_for("the last line and three rotated files", || {
        let log = fs::read_to_string(folder.join("picoclaw.log")).ok()?;
        let done = log.lines().rev().take(3).any(|line| {
            line.contains(r#""kind":"channel.message.outbound_sent""#) && line.contains(r#""last""#)
        });
        let files = fs::read_dir(&folder).ok()?;
        let mut names: Vec<_> = files.filter_map(|file| file.ok()?.file_name().into_string().ok()).collect();
        names.retain(|name| name != "picoclaw.log");
        names.sort();
        let (newest, older) = names.split_last()?;
        let settled = !newest.ends_with(".gz") && older.iter().all(|name| name.ends_with(".gz"));
        (done && settled && names.len() == 3).then_some(names)
    });
    let home = gateway.kill();
    assert!(rotated.iter().all(|name| !name.ends_with(".log")), "{rotated:?} would be read twice");
    let (newest, older) = rotated.split_last().unwrap();
    // Together they are the end of the log, without a hole.
    let mut all = Vec::new();
    for name in older {
        let mut text = String::new();
        GzDecoder::new(fs::File::open(home.join("logs").join(name)).unwrap())
            .read_to_string(&mut text)
            .unwrap();
        all.extend(
            text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64().unwrap()),
        );
    }
    for name in [newest, "picoclaw.log"] {
        all.extend(lines(&home.join("logs").join(name)).iter().map(|line| line["seq"].as_u64().unwrap()));
    }
    assert!(all.windows(2).all(|pair| pair[1] == pair[0] + 1), "{all:?}");
}
