//! A disk that hangs is seen, stops nobody else, and does not keep the gateway from ending.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Client, Gateway, HangingDisk, Home, wait_for};

fn send(gateway: &Gateway, session: &str, text: &str) -> Client {
    let body = json!({ "session_id": session, "messages": [{ "role": "user", "content": text }] });
    let mut client = gateway.client();
    client.send("POST", "/v1/chat/completions", &[], body.to_string().as_bytes()).unwrap();
    client
}

/// The longest that an answer took that needs no disk, until `done`.
fn slowest(gateway: &Gateway, mut done: impl FnMut() -> bool) -> Duration {
    let mut slowest = Duration::ZERO;
    while !done() {
        let began = Instant::now();
        assert_eq!(gateway.get("/live").status, 200);
        slowest = slowest.max(began.elapsed());
        std::thread::sleep(Duration::from_millis(20));
    }
    slowest
}

#[test]
fn a_disk_that_hangs_is_an_issue_and_fails_its_turns_until_it_answers() {
    let home = Home::new(json!({ "gateway": { "health_check": { "failing_after_seconds": 1 } } }));
    let (disk, gateway) = HangingDisk::start(home);
    gateway.chat("s", "before");
    disk.hang("sync");
    let mut caller = send(&gateway, "s", "meanwhile");
    let failing = wait_for("failing", || Some(gateway.health()).filter(|h| h["status"] == "failing"));
    assert_eq!(failing["issues"], "sessions_unwritable");
    assert_eq!(failing["messages_active"], 1, "the turn has not failed yet: the hanging itself is seen");
    let checks = gateway.get("/ready").json()["checks"].clone();
    assert!(checks["sessions"]["message"].as_str().unwrap().contains("has not answered"), "{checks}");
    wait_for("the metric", || {
        (gateway.scrape().get("picoclaw_session_disk_wait_seconds") >= 5.0).then_some(())
    });
    let answer = caller.read(false).unwrap();
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.text().contains("no answer from the disk"), "{}", answer.text());
    // Before a model is asked in vain.
    let requests = || gateway.scrape().get(r#"picoclaw_provider_requests_total{provider="echo"}"#);
    let before = requests();
    assert_eq!((gateway.say("s", "again").status, requests()), (503, before));
    disk.answer("sync");
    wait_for("recovery", || (gateway.health()["status"] == "healthy").then_some(()));
    assert_eq!(gateway.chat("s", "after"), "after");
    let log = gateway.stop().log();
    let changes: Vec<String> =
        log.iter().filter(|line| line["kind"] == "gateway.health.changed").map(Value::to_string).collect();
    assert!(changes.iter().any(|change| change.contains("\"failing\"")), "{changes:?}");
    assert!(changes.last().unwrap().contains("\"draining\""), "{changes:?}");
}

#[test]
fn a_disk_that_hangs_does_not_keep_the_gateway_from_ending() {
    let (disk, mut gateway) = HangingDisk::start(Home::new(json!({})));
    gateway.chat("s", "kept");
    disk.hang("sync");
    let mut caller = send(&gateway, "s", "cut");
    wait_for("the turn", || (gateway.health()["messages_active"] == 1).then_some(()));
    let began = Instant::now();
    gateway.signal("TERM");
    assert_eq!(caller.read(false).unwrap().status, 503);
    assert!(gateway.wait().success());
    assert!(began.elapsed() < Duration::from_secs(27), "{:?}", began.elapsed());
    let end = |log: &[Value]| log.iter().filter(|line| line["kind"] == "agent.turn.end").count();
    assert_eq!(end(&gateway.home.log()), 2, "both turns have their end");
    assert!(!gateway.home.join(".picoclaw.pid").exists());
    let kept = gateway.home.session_lines().iter().filter(|line| line["content"] == "kept").count();
    assert_eq!(kept, 2);
}

#[test]
fn a_disk_that_is_slow_to_find_files_holds_up_only_who_needs_them() {
    let (disk, gateway) = HangingDisk::start(Home::new(json!({})));
    disk.hang("stat");
    let mut caller = send(&gateway, "new", "x");
    wait_for("the turn", || (gateway.health()["messages_active"] == 1).then_some(()));
    let until = Instant::now() + Duration::from_secs(2);
    let slowest = slowest(&gateway, || Instant::now() >= until);
    disk.answer("stat");
    assert_eq!(caller.read(false).unwrap().status, 200);
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}
