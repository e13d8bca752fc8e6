//! Jobs run when their time comes, whoever scheduled them, and what is said of them is true.

use std::fs;
use std::process::Output;

use serde_json::{Value, json};

use crate::support::{Gateway, Home, picoclaw, wait_for};

fn run(home: &Home, arguments: &[&str]) -> (bool, String) {
    let Output { status, stdout, stderr } = picoclaw(home.path()).args(arguments).output().unwrap();
    (status.success(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

fn runs(gateway: &Gateway, status: &str) -> f64 {
    gateway.scrape().get(&format!(r#"picoclaw_cron_runs_total{{status="{status}"}}"#))
}

/// The jobs as they are on the disk.
fn jobs(home: &Home) -> Vec<Value> {
    let text = fs::read(home.join("workspace/cron/jobs.json")).unwrap();
    let document: Value = serde_json::from_slice(&text).unwrap();
    document["jobs"].as_array().unwrap().clone()
}

fn write_jobs(home: &Home, jobs: Value) {
    fs::create_dir_all(home.join("workspace/cron")).unwrap();
    let text = json!({ "version": 1, "jobs": jobs }).to_string();
    fs::write(home.join("workspace/cron/jobs.json"), text).unwrap();
}

#[test]
fn a_job_of_the_command_line_runs_in_the_gateway_that_is_up() {
    let gateway = Gateway::start(json!({}));
    assert_eq!(gateway.scrape().get(r#"picoclaw_cron_jobs{state="enabled"}"#), 0.0);
    let (ok, said) = run(&gateway.home, &["cron", "add", "-n", "water", "-m", "drink", "-e", "1"]);
    assert!(ok && said.contains("Added water"), "{said}");
    wait_for("two runs", || (runs(&gateway, "ok") >= 2.0).then_some(()));
    let scrape = gateway.scrape();
    assert_eq!(scrape.get(r#"picoclaw_cron_jobs{state="enabled"}"#), 1.0);
    assert!(scrape.get(r#"picoclaw_turns_total{origin="cron",status="completed"}"#) >= 2.0);
    assert!(scrape.get("picoclaw_cron_last_success_timestamp_seconds") > 0.0);
    assert_eq!(scrape.get("picoclaw_messages_total"), 0.0, "nobody wrote");
    assert_eq!(scrape.get("picoclaw_response_time_seconds_count"), 0.0, "nobody waited");
    let job = jobs(&gateway.home)[0].clone();
    assert_eq!(
        (job["state"]["lastStatus"].clone(), job["payload"]["kind"].clone()),
        (json!("ok"), json!("agent_turn"))
    );
    let sessions = fs::read_dir(gateway.home.join("workspace/sessions")).unwrap().flatten();
    let names: Vec<String> = sessions.map(|file| file.file_name().to_string_lossy().into_owned()).collect();
    let own = format!("agent_cron-{}-", job["id"].as_str().unwrap());
    assert!(names.iter().any(|name| name.starts_with(&own) && name.ends_with(".jsonl")), "{names:?}");

    let (ok, said) = run(&gateway.home, &["cron", "disable", "water"]);
    assert!(ok, "{said}");
    wait_for("the job to be off", || {
        (gateway.scrape().get(r#"picoclaw_cron_jobs{state="disabled"}"#) == 1.0).then_some(())
    });
    let (_, listed) = run(&gateway.home, &["cron", "list"]);
    assert!(listed.contains("never, disabled") && listed.contains(", ok"), "{listed}");
    let (_, listed) = run(&gateway.home, &["cron", "list", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&listed).unwrap()[0]["name"], "water");
    assert!(run(&gateway.home, &["cron", "remove", "water"]).0);
    let (ok, said) = run(&gateway.home, &["cron", "remove", "water"]);
    assert!(!ok && said.contains("there is no job \"water\""), "{said}");
    let (ok, said) = run(&gateway.home, &["cron", "add", "-n", "x", "-m", "x", "-c", "0 25 * * *"]);
    assert!(!ok && said.contains("the hour \"25\""), "{said}");
}

#[test]
fn a_model_schedules_a_reminder_which_comes_once() {
    let gateway = Gateway::start(json!({}));
    let answer = gateway.chat("s", r#"!tool cron {"action":"add","message":"tea","at_seconds":1}"#);
    assert!(answer.contains("Added the job tea"), "{answer}");
    wait_for("the reminder", || (runs(&gateway, "ok") == 1.0).then_some(()));
    wait_for("the job to be gone", || jobs(&gateway.home).is_empty().then_some(()));
    assert_eq!(gateway.scrape().get("picoclaw_cron_run_duration_seconds_count"), 1.0);
    assert_eq!(gateway.scrape().get("picoclaw_cron_runs_active"), 0.0);
}

#[test]
fn jobs_of_the_existing_format_are_taken_over_and_what_was_missed_runs_once() {
    let home = Home::new(json!({}));
    let job = |id: &str, schedule: Value, message: &str, next: i64| {
        json!({
            "id": id, "name": id, "enabled": true, "schedule": schedule,
            "payload": { "kind": "agent_turn", "message": message, "channel": "cli", "to": "direct", "theirs": 1 },
            "state": { "nextRunAtMs": next }, "createdAtMs": 5, "updatedAtMs": 5, "deleteAfterRun": false,
        })
    };
    write_jobs(
        &home,
        json!([
            job(
                "fails",
                json!({ "kind": "cron", "expr": "0 9 * * *", "tz": "UTC" }),
                "!fail auth",
                9 * 3_600_000
            ),
            job("hourly", json!({ "kind": "every", "everyMs": 3_600_000 }), "hello", 3_600_000),
            job("lost", json!({ "kind": "at", "atMs": 1000 }), "hello", 1000),
            job("odd", json!({ "kind": "sometimes" }), "hello", 1000),
        ]),
    );
    let gateway = Gateway::start_in(home);
    wait_for("the runs", || (runs(&gateway, "ok") + runs(&gateway, "error") == 3.0).then_some(()));
    let scrape = gateway.scrape();
    assert_eq!(scrape.get(r#"picoclaw_cron_missed_total{reason="downtime"}"#), 3.0);
    assert_eq!(scrape.get(r#"picoclaw_cron_jobs{state="invalid"}"#), 1.0);
    let jobs = jobs(&gateway.home);
    let state = |id: &str| jobs.iter().find(|job| job["id"] == id).unwrap()["state"].clone();
    assert_eq!(state("fails")["lastStatus"], "error");
    assert!(state("fails")["lastError"].as_str().unwrap().contains("auth"), "{}", state("fails"));
    assert_eq!(state("hourly")["lastStatus"], "ok");
    assert!(jobs.iter().all(|job| job["payload"]["theirs"] == 1), "{jobs:?}");
    assert_eq!(jobs.iter().filter(|job| job["enabled"] == true).count(), 3, "the one that ran once is off");
    wait_for("the log", || {
        gateway.home.log().iter().any(|line| line["kind"] == "cron.run.missed").then_some(())
    });
}

#[test]
fn an_answer_that_cannot_be_delivered_is_an_error() {
    let home = Home::new(json!({}));
    let job = json!({
        "id": "a", "name": "a", "enabled": true, "schedule": { "kind": "every", "everyMs": 60_000 },
        "payload": { "kind": "agent_turn", "message": "hi", "channel": "nowhere", "to": "1" },
        "state": { "nextRunAtMs": 1000 },
    });
    write_jobs(&home, json!([job]));
    let gateway = Gateway::start_in(home);
    wait_for("the run", || (runs(&gateway, "error") == 1.0).then_some(()));
    let error = jobs(&gateway.home)[0]["state"]["lastError"].clone();
    assert!(error.as_str().unwrap().contains("no channel \"nowhere\""), "{error}");
}

#[test]
fn a_damaged_file_is_said_and_left_alone() {
    let home = Home::new(json!({}));
    fs::create_dir_all(home.join("workspace/cron")).unwrap();
    fs::write(home.join("workspace/cron/jobs.json"), "{ broken").unwrap();
    let gateway = Gateway::start_in(home);
    wait_for("the complaint", || {
        (gateway.scrape().get("picoclaw_cron_store_failures_total") >= 1.0).then_some(())
    });
    let answer = gateway.chat("s", r#"!tool cron {"action":"add","message":"tea","at_seconds":1}"#);
    assert!(answer.contains("not a list of jobs"), "{answer}");
    assert_eq!(fs::read_to_string(gateway.home.join("workspace/cron/jobs.json")).unwrap(), "{ broken");
    assert!(!run(&gateway.home, &["cron", "list"]).0);
}

#[test]
fn the_heartbeat_beats_when_there_is_something_to_do() {
    let home = Home::new(json!({}));
    fs::create_dir_all(home.join("workspace")).unwrap();
    fs::write(home.join("workspace/HEARTBEAT.md"), "Say HEARTBEAT_OK.").unwrap();
    let gateway = Gateway::start_in(home);
    wait_for("a heartbeat", || {
        (gateway.scrape().get(r#"picoclaw_heartbeats_total{outcome="silent"}"#) == 1.0).then_some(())
    });
    let scrape = gateway.scrape();
    assert_eq!(scrape.get(r#"picoclaw_turns_total{origin="heartbeat",status="completed"}"#), 1.0);
    assert_eq!(scrape.get("picoclaw_messages_total"), 0.0);
    assert!(gateway.home.session_lines().is_empty(), "it remembers nothing");
}

#[test]
fn a_command_runs_by_the_rules_of_the_tool_and_fails_truthfully() {
    let home = Home::new(json!({}));
    let job = |id: &str, command: &str| {
        json!({
            "id": id, "name": id, "enabled": true, "schedule": { "kind": "every", "everyMs": 3_600_000 },
            "payload": { "kind": "agent_turn", "message": "look", "command": command }, "state": { "nextRunAtMs": 1 },
        })
    };
    write_jobs(
        &home,
        json!([job("good", "echo done > made"), job("bad", "exit 7"), job("denied", "rm -rf /")]),
    );
    let gateway = Gateway::start_in(home);
    wait_for("the runs", || (runs(&gateway, "ok") + runs(&gateway, "error") == 3.0).then_some(()));
    assert_eq!(fs::read_to_string(gateway.home.join("workspace/made")).unwrap(), "done\n");
    let jobs = jobs(&gateway.home);
    let state = |id: &str| jobs.iter().find(|job| job["id"] == id).unwrap()["state"].clone();
    assert_eq!(state("good")["lastStatus"], "ok");
    assert!(state("bad")["lastError"].as_str().unwrap().contains('7'), "{}", state("bad"));
    assert_eq!(state("denied")["lastStatus"], "error");
    let scrape = gateway.scrape();
    assert_eq!(scrape.sum("picoclaw_turns_total"), 0.0, "no model was asked");
    // Each is a call of the tool, counted once.
    assert_eq!(scrape.get(r#"picoclaw_tool_calls_total{tool="exec"}"#), 3.0);
    for status in ["success", "error", "denied"] {
        let series = format!(r#"picoclaw_tool_results_total{{tool="exec",status="{status}"}}"#);
        assert_eq!(scrape.get(&series), 1.0, "{status}");
    }
    let ended = wait_for("the lines of the log", || {
        let mut log = gateway.home.log();
        log.retain(|line| line["kind"] == "agent.tool.exec_end");
        (log.len() == 3).then_some(log)
    });
    assert!(ended.iter().any(|line| line["session_id"] == "agent:cron-good"), "{ended:?}");
    assert!(ended.iter().all(|line| line["turn"].is_null()), "there is no turn");

    let home = Home::new(json!({ "tools": { "cron": { "allow_command": false } } }));
    write_jobs(&home, json!([job("good", "echo done > made")]));
    let gateway = Gateway::start_in(home);
    wait_for("the run", || (runs(&gateway, "error") == 1.0).then_some(()));
    assert!(!gateway.home.join("workspace/made").exists());
}
