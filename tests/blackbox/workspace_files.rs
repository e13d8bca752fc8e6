//! The workspace's files say who the assistant is.

use std::fs;

use serde_json::json;

use crate::support::{Behaviour, Gateway, Home, Upstream, wait_for};

#[test]
fn the_model_reads_them_and_their_changes() {
    let upstream = Upstream::start(&[Behaviour::Answer("fine")]);
    let home = Home::new(json!({ "model_list": [upstream.model("m", "mock")] }));
    let workspace = home.join("workspace");
    fs::create_dir_all(workspace.join("skills/weather")).unwrap();
    fs::create_dir_all(workspace.join("memory")).unwrap();
    fs::write(workspace.join("AGENT.md"), "Answer in rhymes.").unwrap();
    fs::write(workspace.join("memory/MEMORY.md"), "Alice likes tea.").unwrap();
    let skill = "---\nname: weather\ndescription: Tells the weather.\n---\nAsk the sky.";
    fs::write(workspace.join("skills/weather/SKILL.md"), skill).unwrap();
    let gateway = Gateway::start_in(home);
    let prompt = |text: &str| {
        gateway.chat("s", text);
        upstream.last()["messages"][0]["content"].as_str().unwrap().to_owned()
    };
    let first = prompt("one");
    for part in ["You are PicoClaw", "Answer in rhymes.", "Alice likes tea.", "weather", "Tells the weather."]
    {
        assert!(first.contains(part), "{first}");
    }
    assert!(!first.contains("Ask the sky."), "{first}");
    assert_eq!(gateway.chat("s", "/list skills"), "Skills: weather");
    fs::write(workspace.join("AGENT.md"), "Answer in prose.").unwrap();
    wait_for("the change", || prompt("two").contains("Answer in prose.").then_some(()));
}

#[test]
fn an_image_of_the_workspace_goes_to_the_model() {
    let home = Home::new(json!({ "agents": { "defaults": { "max_media_size": 100 } } }));
    fs::create_dir_all(home.join("workspace")).unwrap();
    fs::write(home.join("workspace/cat.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    fs::write(home.join("workspace/large.png"), [b"\x89PNG\r\n\x1a\n".as_slice(), &[0; 200]].concat())
        .unwrap();
    let gateway = Gateway::start_in(home);
    let seen = gateway.chat("s", r#"!tool load_image {"path":"cat.png"}"#);
    assert!(seen.contains("cat.png: image/png, 8 bytes"), "{seen}");
    let refused = gateway.chat("s", r#"!tool load_image {"path":"large.png"}"#);
    assert!(refused.contains("the limit is 100"), "{refused}");
    let files = fs::read_dir(gateway.home.join("workspace/sessions")).unwrap().flatten();
    let lines = files.filter_map(|file| fs::read_to_string(file.path()).ok()).collect::<String>();
    assert!(lines.contains(r#""media":["cat.png"]"#), "{lines}");
    let results = r#"picoclaw_tool_results_total{tool="load_image",status="error"}"#;
    assert_eq!(gateway.scrape().get(results), 1.0);
}

#[test]
fn a_model_sees_the_image_that_it_loads() {
    const LOAD: &str = r#"{"id":"x","object":"chat.completion","model":"m","choices":[{"index":0,"finish_reason":"tool_calls","message":{"role":"assistant","content":"","tool_calls":[{"id":"c1","type":"function","function":{"name":"load_image","arguments":"{\"path\":\"cat.png\"}"}}]}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;
    let upstream = Upstream::start(&[Behaviour::Status(200, "", LOAD), Behaviour::Answer("a cat")]);
    let home = Home::new(json!({ "model_list": [upstream.model("m", "mock")] }));
    fs::create_dir_all(home.join("workspace")).unwrap();
    fs::write(home.join("workspace/cat.png"), b"\x89PNG\r\n\x1a\n1234").unwrap();
    let gateway = Gateway::start_in(home);
    assert_eq!(gateway.chat("s", "what is in cat.png?"), "a cat");
    let sent = upstream.last()["messages"].to_string();
    assert!(sent.contains("data:image/png;base64,iVBORw0KGgoxMjM0"), "{sent}");
    assert_eq!(gateway.scrape().get(r#"picoclaw_images_total{outcome="sent"}"#), 1.0);
}
