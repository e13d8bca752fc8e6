//! What is known of conversations beside their messages stays true.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Gateway, Home, wait_for};

/// The file of metadata of the only session.
fn meta_file(home: &Home) -> Option<PathBuf> {
    let entries = fs::read_dir(home.join("workspace/sessions")).unwrap();
    let mut paths = entries.map(|entry| entry.unwrap().path());
    paths.find(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.ends_with(".meta.json") && !name.starts_with('.')
    })
}

#[test]
fn the_count_of_messages_is_right_after_a_kill() {
    let gateway = Gateway::start(json!({}));
    gateway.chat("s", "1");
    wait_for("metadata", || meta_file(&gateway.home));
    gateway.chat("s", "2");
    gateway.chat("s", "3");
    let gateway = Gateway::start_in(gateway.kill());
    let meta: Value = serde_json::from_slice(&fs::read(meta_file(&gateway.home).unwrap()).unwrap()).unwrap();
    assert_eq!((meta["count"].as_u64(), gateway.home.session_lines().len()), (Some(6), 6));
}

#[test]
fn metadata_that_cannot_be_written_is_counted() {
    let gateway = Gateway::start(json!({}));
    let failures = |task: &str| {
        gateway.scrape().get(&format!(r#"picoclaw_session_upkeep_failures_total{{task="{task}"}}"#))
    };
    gateway.chat("s", "1");
    let meta = wait_for("metadata", || meta_file(&gateway.home));
    assert_eq!((failures("metadata"), failures("checkpoint")), (0.0, 0.0));
    fs::remove_file(&meta).unwrap();
    fs::create_dir(&meta).unwrap();
    assert_eq!(gateway.chat("s", "2"), "2");
    wait_for("the checkpoint", || (failures("metadata") == 1.0).then_some(()));
    assert_eq!((gateway.health()["status"].as_str(), failures("checkpoint")), (Some("healthy"), 0.0));
}

#[test]
fn thousands_of_recent_sessions_are_remembered_without_a_gap() {
    const SESSIONS: usize = 10_000;
    let home = Home::new(json!({}));
    let directory = home.join("workspace/sessions");
    fs::create_dir_all(&directory).unwrap();
    for n in 0..SESSIONS {
        fs::write(directory.join(format!("sk_v1_{n}.jsonl")), "{\"role\":\"user\",\"content\":\"x\"}\n")
            .unwrap();
    }
    let gateway = Gateway::start_in(home);
    wait_for("the sessions", || {
        (gateway.scrape().get("picoclaw_session_count") == SESSIONS as f64).then_some(())
    });
    let scrape = gateway.scrape();
    for sink in ["prometheus", "newrelic", "jsonlog", "console"] {
        assert_eq!(scrape.get(&format!(r#"picoclaw_sink_gaps_total{{sink="{sink}"}}"#)), 0.0, "{sink}");
    }
}
