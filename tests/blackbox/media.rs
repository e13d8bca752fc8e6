//! Media files go when they are old, but never one that a conversation still shows.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::support::{Gateway, Home, Socket, wait_for};

const BEARER: (&str, &str) = ("Authorization", "Bearer pico-token");

/// Looks every 300 ms for files that are older than a minute.
fn config() -> Value {
    json!({
        "tools": { "media_cleanup": { "max_age_minutes": 1, "interval_minutes": 0.005 } },
        "channel_list": { "pico": { "enabled": true, "settings": { "token": "pico-token" } } },
    })
}

fn age(path: &Path) {
    let file = File::options().append(true).create(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(120)).unwrap();
}

fn removed(gateway: &Gateway) -> f64 {
    gateway.scrape().get(r#"picoclaw_media_removals_total{outcome="success"}"#)
}

/// The only file that came with a message.
fn inbound(home: &Home) -> std::path::PathBuf {
    let mut files = fs::read_dir(home.join("workspace/media/inbound")).unwrap();
    files.next().unwrap().unwrap().path()
}

#[test]
fn an_old_file_goes_when_its_conversation_does_not_show_it_any_more() {
    let gateway = Gateway::start(config());
    let mut client = Socket::connect(gateway.port, "/pico/ws?session_id=s1", &[BEARER]).unwrap().0;
    let mut ask = |text: &str, media: Value| {
        client.send(json!({ "type": "message.send", "payload": { "content": text, "media": media } }));
        while client.next()["payload"]["model_name"].is_null() {}
    };
    ask("look", json!(["data:image/gif;base64,R0lGODlhIGFuZCBwaXhlbHM="]));
    let shown = inbound(&gateway.home);
    age(&shown);
    let stray = gateway.home.join("workspace/media/inbound/stray.txt");
    age(&stray);
    wait_for("the stray file", || (!stray.exists()).then_some(()));
    wait_for("its count", || (removed(&gateway) == 1.0).then_some(()));
    assert!(shown.exists(), "the conversation shows it");
    ask("/clear", json!([]));
    wait_for("the other file", || (!shown.exists()).then_some(()));
    wait_for("its count", || (removed(&gateway) == 2.0).then_some(()));
}
