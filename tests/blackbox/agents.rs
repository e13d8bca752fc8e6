//! Several agents: each has its own model, files and conversations, and rules say which of them is for whom.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Gateway, Home, picoclaw};

fn config() -> Value {
    json!({
        "model_list": [
            { "model_name": "large", "model": "echo/echo" }, { "model_name": "small", "model": "echo/echo" },
        ],
        "agents": {
            "list": [
                { "id": "main", "default": true, "subagents": { "allow_agents": ["support"] } },
                { "id": "Support", "name": "Support Desk", "model": "small" },
                { "id": "sales", "workspace": "shop", "model": { "primary": "small", "fallbacks": ["large"] } },
            ],
            "dispatch": { "rules": [
                { "agent": "support", "when": { "channel": "http", "chat": "direct:help" } },
                { "agent": "sales", "when": { "chat": "direct:shop" } },
            ] },
        },
    })
}

fn model(gateway: &Gateway, session: &str, text: &str) -> String {
    gateway.say(session, text).json()["model"].as_str().unwrap().to_owned()
}

fn turns(gateway: &Gateway, agent: &str) -> f64 {
    let series = format!(r#"picoclaw_agent_turns_total{{agent="{agent}",status="completed"}}"#);
    gateway.scrape().get(&series)
}

/// The metadata of the sessions in a directory of the home.
fn sessions(home: &Home, workspace: &str) -> Vec<Value> {
    let entries = fs::read_dir(home.join(workspace).join("sessions")).unwrap();
    let metas =
        entries.map(|entry| entry.unwrap().path()).filter(|p| p.to_string_lossy().ends_with(".meta.json"));
    metas.map(|path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap()).collect()
}

#[test]
fn rules_choose_the_agent() {
    let gateway = Gateway::start(config());
    assert_eq!(
        (turns(&gateway, "main"), turns(&gateway, "support")),
        (0.0, 0.0),
        "they exist from the start"
    );
    assert_eq!(model(&gateway, "anybody", "hi"), "large");
    assert_eq!(model(&gateway, "help", "hi"), "small");
    assert_eq!(gateway.say("shop", "!fail 500").status, 502);
    assert_eq!((turns(&gateway, "main"), turns(&gateway, "support")), (1.0, 1.0));
    let failed = r#"picoclaw_agent_turns_total{agent="sales",status="failed"}"#;
    assert_eq!(gateway.scrape().get(failed), 1.0);
    assert_eq!(gateway.chat("help", "/show agents"), "Agents: main, support, sales; support answers here");
    // Each has files of its own.
    fs::write(gateway.home.join("workspace-support/ticket.txt"), "42").unwrap();
    let listed = |session: &str| gateway.chat(session, "!tool list_dir {\"path\":\".\"}");
    assert!(listed("help").contains("ticket.txt") && !listed("anybody").contains("ticket.txt"));
    assert!(gateway.home.join("shop/sessions").is_dir());
    let ended = |line: &&Value| line["event"] == "agent.turn.end" || line["message"] == "Turn completed";
    let agents: Vec<_> =
        gateway.home.log().iter().filter(ended).map(|line| line["agent_id"].clone()).collect();
    assert!(agents.contains(&json!("main")) && agents.contains(&json!("support")), "{agents:?}");
    let home = gateway.stop();
    let support = sessions(&home, "workspace-support");
    assert_eq!(support.len(), 1, "{support:?}");
    assert_eq!(support[0]["scope"]["agent_id"], "support");
    assert_eq!(support[0]["aliases"], json!(["agent:support:http:direct:help"]));
    assert_eq!(sessions(&home, "workspace").len(), 1);
}

#[test]
fn an_agent_delegates_to_those_that_it_may() {
    let gateway = Gateway::start(config());
    let call = |agent: &str, task: &str| {
        gateway.chat("s", &format!("!tool delegate {}", json!({ "agent_id": agent, "task": task })))
    };
    let text = call("support", "!tool list_dir {\"path\":\".\"}");
    assert!(text.contains("The agent support answers"), "{text}");
    assert_eq!((turns(&gateway, "main"), turns(&gateway, "support")), (1.0, 1.0));
    let small = r#"picoclaw_provider_requests_total{provider="echo"}"#;
    assert!(gateway.scrape().get(small) >= 4.0);
    let text = call("sales", "sell");
    assert!(text.contains("You may not give tasks") && text.contains("support (Support Desk)"), "{text}");
    let text = call("main", "do it");
    assert!(text.contains("must name another agent"), "{text}");
    assert_eq!(turns(&gateway, "sales"), 0.0);
    let denied = r#"picoclaw_tool_results_total{tool="delegate",status="denied"}"#;
    assert_eq!(gateway.scrape().get(denied), 1.0);
    // Who may give tasks to nobody has no such tool.
    let text = gateway.chat("help", "!tool delegate {\"agent_id\":\"main\",\"task\":\"x\"}");
    assert!(text.contains("There is no tool named \"delegate\""), "{text}");
}

#[test]
fn a_reload_adds_and_removes_agents() {
    let gateway = Gateway::start(json!({}));
    assert_eq!(gateway.chat("help", "/list agents"), "Agents: main");
    gateway.chat("help", "before");
    gateway.home.configure(config());
    let answer = gateway.reload();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(model(&gateway, "help", "hi"), "small");
    assert_eq!(turns(&gateway, "support"), 1.0);
    gateway.home.configure(json!({}));
    assert_eq!(gateway.reload().status, 200);
    assert_eq!(gateway.chat("help", "/list agents"), "Agents: main");
    let context = gateway.chat("help", "/context");
    assert!(context.contains("2 messages"), "the old conversation goes on: {context}");
    let mut broken = config();
    broken["agents"]["dispatch"]["rules"][0]["agent"] = json!("suport");
    gateway.home.configure(broken);
    let answer = gateway.reload();
    assert_eq!(answer.status, 500);
    let expected =
        r#"agents.dispatch.rules[0].agent: there is no agent \"suport\": did you mean \"support\"?"#;
    assert!(answer.text().contains(expected), "{}", answer.text());
}

#[test]
fn the_configuration_says_what_is_wrong_with_agents() {
    let home = Home::new(json!({ "agents": {
        "list": [{ "id": "a", "model": "nothing" }, { "id": "A " }, { "id": "b", "subagents": { "allow_agents": ["c"] } }],
        "dispatch": { "rules": [{ "agent": "a", "when": {}, "session_dimensions": ["chat", "mood"] }] },
    } }));
    let output = picoclaw(home.path()).args(["config", "check"]).output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    for expected in [
        r#"agents.list[0].model.primary: there is no enabled model "nothing" in model_list: there are echo"#,
        r#"agents.list[1].id: the id "a" is that of agents.list[0] already: give each agent its own"#,
        r#"agents.list[2].subagents.allow_agents[0]: there is no agent "c" in agents.list, ignored"#,
        "agents.dispatch.rules[0].when: asks for nothing, so the rule fits nothing",
        r#"agents.dispatch.rules[0].session_dimensions[1]: "mood" is none of space, chat, topic, sender, ignored"#,
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}
