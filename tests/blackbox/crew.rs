//! Sub-agents work for a conversation, are counted apart from it, and are bounded.

use serde_json::json;

use crate::support::{Gateway, Socket, wait_for};

fn subturns(gateway: &Gateway, status: &str) -> f64 {
    gateway.scrape().get(&format!(r#"picoclaw_turns_total{{origin="subturn",status="{status}"}}"#))
}

#[test]
fn a_sub_agent_brings_its_result_back() {
    let gateway = Gateway::start(json!({}));
    let text = gateway.chat("s", r#"!tool subagent {"task":"count to three"}"#);
    assert!(text.contains("count to three"), "{text}");
    let scrape = gateway.scrape();
    assert_eq!(scrape.get(r#"picoclaw_tool_results_total{tool="subagent",status="success"}"#), 1.0);
    assert_eq!(scrape.get(r#"picoclaw_turns_total{origin="user",status="completed"}"#), 1.0);
    assert_eq!((scrape.get("picoclaw_messages_total"), subturns(&gateway, "completed")), (1.0, 1.0));
    assert_eq!(scrape.get("picoclaw_subturns_active"), 0.0);
    let lines = gateway.home.session_lines();
    assert_eq!(lines.len(), 4, "what it says to itself is not kept: {lines:?}");
}

#[test]
fn a_spawned_one_works_beside_the_conversation() {
    let gateway = Gateway::start(json!({ "tools": { "spawn_status": { "enabled": true } } }));
    let text = gateway.chat("s", r#"!tool spawn {"task":"!slow 1s\ntea is ready","label":"tea"}"#);
    assert!(text.contains("task-1 is under way"), "{text}");
    assert_eq!(gateway.scrape().get("picoclaw_subturns_active"), 1.0);
    assert_eq!(gateway.chat("s", "/subagents"), "task-1 tea: working");
    assert_eq!(gateway.chat("other", "/subagents"), "No sub-agent works for this conversation.");
    assert!(gateway.chat("s", "!tool spawn_status {}").contains("task-1 tea: working"));
    wait_for("the sub-agent", || (subturns(&gateway, "completed") == 1.0).then_some(()));
    wait_for("its result", || gateway.chat("s", "/subagents").contains("done").then_some(()));
    gateway.chat("other", "x");
    assert_eq!(gateway.chat("s", "and now?"), "and now?", "the person's message is the one to be answered");
    let told: Vec<_> = gateway
        .home
        .session_lines()
        .into_iter()
        .filter(|line| {
            line["content"].as_str().is_some_and(|text| text.starts_with("[The sub-agent task-1 tea"))
        })
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0]["content"].as_str().unwrap().contains("tea is ready"), "{told:?}");
}

#[test]
fn a_chat_is_told_when_a_spawned_one_is_done() {
    let gateway = Gateway::start(json!({ "channel_list": {
        "pico": { "enabled": true, "settings": { "token": "pico-token-of-the-test" } },
    } }));
    let bearer = [("Authorization", "Bearer pico-token-of-the-test")];
    let mut client = Socket::connect(gateway.port, "/pico/ws?session_id=s1", &bearer).unwrap().0;
    let mut say = |text: &str, answers: usize| {
        client.send(json!({ "type": "message.send", "id": "m", "payload": { "content": text } }));
        let mut contents = Vec::new();
        while contents.len() < answers {
            let frame = client.next();
            if frame["type"] == "message.create" {
                contents.push(frame["payload"]["content"].as_str().unwrap().to_owned());
            }
        }
        contents
    };
    let told = say(r#"!tool spawn {"task":"!slow 300ms\ntea is ready","label":"tea"}"#, 2);
    assert!(told[0].contains("task-1 is under way"), "{told:?}");
    assert!(told[1].contains("task-1 tea is done") && told[1].contains("tea is ready"), "{told:?}");
    let scrape = gateway.scrape();
    assert_eq!(scrape.get(r#"picoclaw_turns_total{origin="report",status="completed"}"#), 1.0);
    assert_eq!(scrape.get(r#"picoclaw_outbound_messages_total{channel="pico",outcome="success"}"#), 2.0);
    assert_eq!((scrape.get("picoclaw_messages_total"), scrape.get("picoclaw_messages_active")), (1.0, 0.0));
    assert_eq!(say("/subagents", 1), ["task-1 tea: done"]);
    // Who has it stopped need not be told.
    assert!(say(r#"!tool spawn {"task":"!hang"}"#, 1)[0].contains("task-2"));
    assert_eq!(say("/stop", 1), ["Stopped."]);
    wait_for("the end", || (subturns(&gateway, "cancelled") == 1.0).then_some(()));
    assert_eq!(say("hello", 1), ["hello"]);
    let reports = r#"picoclaw_turns_total{origin="report",status="completed"}"#;
    assert_eq!(gateway.scrape().get(reports), 1.0);
    let lines = gateway.home.session_lines();
    assert!(lines.iter().any(|line| line["content"].as_str().unwrap_or_default().contains("tea is ready")));
}

#[test]
fn they_are_bounded_and_can_be_stopped() {
    let gateway = Gateway::start(json!({ "agents": { "defaults": {
        "subturn": { "max_depth": 1, "max_concurrent": 1, "concurrency_timeout_sec": 1 },
    } } }));
    let nested = r#"!tool subagent {"task":"!tool subagent {\"task\":\"deeper\"}"}"#;
    let text = gateway.chat("s", nested);
    assert!(text.contains("nested 1 deep"), "{text}");
    gateway.chat("s", r#"!tool spawn {"task":"!hang"}"#);
    let text = gateway.chat("s", r#"!tool spawn {"task":"x"}"#);
    assert!(text.contains("1 sub-agents work for this conversation already"), "{text}");
    assert_eq!(gateway.chat("s", "/stop"), "Stopped.");
    wait_for("the end", || (subturns(&gateway, "cancelled") == 1.0).then_some(()));
    assert_eq!(gateway.scrape().get("picoclaw_subturns_active"), 0.0);
}

#[test]
fn their_tokens_are_bounded() {
    let gateway =
        Gateway::start(json!({ "agents": { "defaults": { "subturn": { "default_token_budget": 1 } } } }));
    let task = r#"!tool subagent {"task":"!tool list_dir {}"}"#;
    let text = gateway.chat("s", task);
    assert!(text.contains("tokens are used up") && text.contains("default_token_budget"), "{text}");
    assert_eq!(subturns(&gateway, "tool_limit"), 1.0);
    assert_eq!(gateway.chat("s", "hello"), "hello", "only sub-agents have a budget");
}

#[test]
fn easy_messages_are_for_the_light_model() {
    let gateway = Gateway::start(json!({
        "model_list": [
            { "model_name": "large", "model": "echo/echo" }, { "model_name": "small", "model": "echo/echo" },
        ],
        "agents": { "defaults": { "routing": { "enabled": true, "light_model": "small" } } },
    }));
    let model = |text: &str| gateway.say("s", text).json()["model"].as_str().unwrap().to_owned();
    assert_eq!((model("hi"), model("why?\n```\nx\n```")), ("small".to_owned(), "large".to_owned()));
    // What the light model cannot answer the usual one does.
    assert_eq!(model("!fail 500 3\nhi"), "large");
    let scrape = gateway.scrape();
    let routed = |route: &str| scrape.get(&format!(r#"picoclaw_turns_routed_total{{route="{route}"}}"#));
    assert_eq!((routed("light"), routed("main")), (2.0, 1.0));
}
