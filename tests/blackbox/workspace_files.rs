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
