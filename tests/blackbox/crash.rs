//! `kill -9` loses nothing that was acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;

use crate::support::{Client, Gateway, wait_for};

#[test]
fn acknowledged_messages_survive_a_kill_under_load() {
    let gateway = Gateway::start(json!({}));
    let port = gateway.port;
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..8)
        .map(|session| {
            let (acknowledged, stop) = (Arc::clone(&acknowledged), Arc::clone(&stop));
            std::thread::spawn(move || {
                let mut client = Client::connect(port);
                let mut mine = 0;
                while !stop.load(Ordering::SeqCst) {
                    let text = format!("{session}-{mine}");
                    let body =
                        json!({ "session_id": session.to_string(), "messages": [{ "role": "user", "content": text }] });
                    let sent = client.send("POST", "/v1/chat/completions", &[], body.to_string().as_bytes());
                    match sent.and_then(|()| client.read(false)) {
                        Ok(answer) if answer.status == 200 => mine += 1,
                        _ => break,
                    }
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
                (session, mine)
            })
        })
        .collect();
    wait_for("some messages", || (acknowledged.load(Ordering::SeqCst) > 400).then_some(()));
    let home = gateway.kill();
    stop.store(true, Ordering::SeqCst);
    let counts: Vec<(i32, usize)> = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
    let gateway = Gateway::start_in(home);
    let lines = gateway.home.session_lines();
    for (session, mine) in counts {
        for n in 0..mine {
            let text = json!(format!("{session}-{n}"));
            let found = lines.iter().filter(|line| line["content"] == text).count();
            assert_eq!(found, 2, "message and answer {text}");
        }
    }
    gateway.chat("0", "goes on");
}

#[test]
fn a_kill_in_mid_turn_leaves_the_session_readable() {
    let gateway = Gateway::start(json!({}));
    gateway.chat("s", "before");
    let mut client = gateway.client();
    let body = json!({ "session_id": "s", "messages": [{ "role": "user", "content": "!hang" }] }).to_string();
    client.send("POST", "/v1/chat/completions", &[], body.as_bytes()).unwrap();
    wait_for("the turn", || (gateway.scrape().get("picoclaw_messages_active") == 1.0).then_some(()));
    let gateway = Gateway::start_in(gateway.kill());
    gateway.chat("s", "after");
    let contents: Vec<_> = gateway.home.session_lines().iter().map(|line| line["content"].clone()).collect();
    assert_eq!(contents, [json!("before"), json!("before"), json!("after"), json!("after")]);
}

#[test]
fn a_line_that_was_torn_by_a_power_failure_costs_nothing_else() {
    let gateway = Gateway::start(json!({}));
    (0..3).for_each(|n| drop(gateway.chat("s", &format!("message {n}"))));
    let home = gateway.kill();
    let sessions = home.join("workspace/sessions");
    let file = std::fs::read_dir(&sessions)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .unwrap();
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() - 20]).unwrap();
    let gateway = Gateway::start_in(home);
    assert_eq!(gateway.chat("s", "after"), "after");
    let contents: Vec<_> = gateway.home.session_lines().iter().map(|line| line["content"].clone()).collect();
    let expected = ["message 0", "message 1", "message 2", "after"].map(|text| [json!(text), json!(text)]);
    assert_eq!(contents, expected.concat(), "the journal has what the file lost");
    assert_eq!(gateway.scrape().get("picoclaw_session_read_failures_total"), 0.0);
}
